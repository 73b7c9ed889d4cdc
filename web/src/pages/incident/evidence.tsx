// What was found: each piece with its chart, its quotation, and the question that brought it.
import { useEffect, useState } from "preact/hooks";
import type { Evidence, Hypothesis } from "../../api/types";
import type { queriesOf } from "../../lib/journal";
import { clip, component, count, percent, plain } from "../../lib/words";
import { Copy, Panel } from "../../parts/basics";
import { Chart, type Mark } from "../../parts/chart";
import { Graph } from "../../parts/graph";

type Asked = ReturnType<typeof queriesOf>;

/** Long quotations are cut; the whole is one click away. */
export function Quote({ text, limit = 600 }: { text: string; limit?: number }) {
  const [whole, show] = useState(false);
  return (
    <>
      <pre class="quote" tabIndex={0} aria-label="quotation">{whole ? text : clip(text, limit)}</pre>
      {text.length > limit && !whole && <button type="button" class="small" onClick={() => show(true)}>Show all {text.length.toLocaleString()} characters</button>}
    </>
  );
}

const MARKED: Record<string, string> = { new_error: "new", log_novelty: "new in the logs", log_rate_change: "log rate", log_vanished: "gone from the logs", metric_shift: "metric", trace_change: "trace", contradiction: "declared ≠ found", symptom: "symptom", change: "change", healthy: "healthy", reading: "reading", dependencies: "dependencies" };

function Item({ one, marks, asked, cited }: { one: Evidence; marks: Mark[]; asked: Asked; cited: boolean }) {
  const finding = one.finding ?? {};
  const query = asked.get(one.query);
  const points = finding.points ?? [];
  const logs = one.kind.startsWith("log_");
  return (
    <li id={one.id} class={`evidence${cited ? " cited" : ""}`} tabIndex={-1}>
      <div class="heading">
        <b class="eid">{one.id}</b><span class={`tag k-${one.kind}`}>{MARKED[one.kind] ?? plain(one.kind)}</span><code title={one.subject}>{component(one.subject)}</code>
        {one.strength > 0 && <span class="quiet strength" title="how far from normal">{percent(one.strength)}</span>}
        {one.outsider_can_write && <span class="quiet" title="an outsider may have written the text that this rests on">outside text</span>}
      </div>
      <p>{one.summary}</p>
      {finding.excerpt && finding.excerpt !== one.summary && <Quote text={finding.excerpt} />}
      {points.length > 1 && <Chart points={points} window={finding.window} marks={marks} label={one.summary} kind={logs ? "bars" : "line"} />}
      <p class="origin">
        <span>{one.source}</span>
        {query && <span>{query.id}: {query.why}{query.millis !== null && ` (${query.millis} ms)`}</span>}
        {query?.call && <code>{query.call}</code>}
        {query?.call && <Copy text={query.call} label="Copy query" />}
      </p>
    </li>
  );
}

/** Brings what the address names into view, also when it was drawn later. */
function useAnchor(hash: string, ready: boolean, open: (id: string) => void): void {
  useEffect(() => {
    if (!ready || !/^e\d+$/.test(hash)) return;
    open(hash);
    const timer = setTimeout(() => {
      const target = document.getElementById(hash);
      target?.scrollIntoView({ block: "center" });
      target?.focus({ preventScroll: true });
    }, 0);
    return () => clearTimeout(timer);
  }, [hash, ready]);
}

export function EvidencePanel({ evidence, hypotheses, asked, hash }: { evidence: Evidence[]; hypotheses: Hypothesis[]; asked: Asked; hash: string }) {
  const [all, showAll] = useState(false);
  const best = hypotheses[0];
  const cited = new Set([...(best?.supports ?? []), ...(best?.contradicts ?? [])]);
  const abnormal = evidence.filter((one) => cited.has(one.id) || (one.kind !== "healthy" && one.kind !== "dependencies"));
  const rest = evidence.filter((one) => !abnormal.includes(one) && one.kind !== "dependencies");
  useAnchor(hash, evidence.length > 0, (id) => { if (rest.some((one) => one.id === id)) showAll(true); });
  if (evidence.length === 0) return null;
  const calls = evidence.flatMap((one) => one.finding?.calls ?? []);
  const suspicion = new Map<string, number>();
  for (const one of hypotheses) if (!suspicion.has(one.component)) suspicion.set(one.component, one.confidence);
  const changes: (Mark & { subject: string })[] = evidence.flatMap((one) => (one.kind === "change" && one.finding?.window ? [{ at: one.finding.window.start_ms, label: clip(one.summary, 60), subject: one.subject }] : []));
  const ordered = [...abnormal].sort((a, b) => Number(cited.has(b.id)) - Number(cited.has(a.id)) || b.strength - a.strength);
  const item = (one: Evidence) => <Item key={one.id} one={one} asked={asked} cited={cited.has(one.id)} marks={changes.filter((mark) => mark.subject === one.subject)} />;
  return (
    <Panel title="Evidence" id="evidence" aside={<span class="quiet">{count(evidence.length, "piece")}, the cited first</span>}>
      {calls.length > 0 && <Graph calls={calls} suspicion={suspicion} />}
      <ol class="pieces">{ordered.map(item)}</ol>
      {rest.length > 0 && !all && <button type="button" class="small" onClick={() => showAll(true)}>{count(rest.length, "healthy sign")} more</button>}
      {all && <ol class="pieces">{rest.map(item)}</ol>}
    </Panel>
  );
}

// One incident, read from top to bottom, with the loop beside it.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { IncidentDetail } from "../api/types";
import { known, queriesOf } from "../lib/journal";
import { useKeys } from "../lib/keys";
import { ask, place } from "../lib/route";
import { exact, now, span } from "../lib/time";
import { component, count, dollars, plain } from "../lib/words";
import { Ago, Pill, Problem, Severity } from "../parts/basics";
import { Case } from "../state/case";
import { Actions } from "./incident/actions";
import { Ask } from "./incident/ask";
import { Cause } from "./incident/cause";
import { ContextPanel } from "./incident/context";
import { EvidencePanel } from "./incident/evidence";
import { PostmortemPanel } from "./incident/postmortem";
import { Say } from "./incident/say";
import { Timeline } from "./incident/timeline";

const OVER = ["resolved", "dismissed"];

function Head({ incident, waiting }: { incident: IncidentDetail; waiting: string | null }) {
  const over = OVER.includes(incident.phase);
  const starts = typeof incident.metadata["starts_at"] === "string" ? incident.metadata["starts_at"] : null;
  const since = starts ?? incident.created_at;
  const { spent, budget } = incident;
  const took = Date.parse(incident.updated_at) - Date.parse(since);
  return (
    <header class="casehead">
      <p class="crumbs"><a href="/">Incidents</a> <span aria-hidden="true">/</span> <code>{incident.id}</code></p>
      <h1>{incident.title}</h1>
      <p class="facts">
        <Severity word={incident.severity} /><Pill word={incident.phase} />
        {incident.resolution && <span>{plain(incident.resolution)}</span>}
        <span>{over ? <>took {span(took)}, began <Ago at={since} /></> : <>for <b><time dateTime={since} title={exact(since)}>{span(Math.floor((now.value - Date.parse(since)) / 1000) * 1000)}</time></b></>}</span>
        <span class="quiet">{incident.signal_type}</span>
        {incident.first_hypothesis_at && <span class="quiet">first hypothesis after {span(Date.parse(incident.first_hypothesis_at) - Date.parse(incident.created_at))}</span>}
        <span class="quiet" title={`of ${budget.turns ?? "?"} turns, ${(budget.tokens ?? 0).toLocaleString()} tokens, ${dollars(budget.micro_usd ?? 0)}, ${budget.deeds ?? "?"} deeds`}>{count(spent.turns ?? 0, "turn")} · {count(spent.tokens ?? 0, "token")} · {dollars(spent.micro_usd ?? 0)}</span>
        {incident.tags.map((tag) => <span key={tag} class="tag">{tag}</span>)}
      </p>
      {incident.description && incident.description !== incident.title && <pre class="told" tabIndex={0} aria-label="what was told">{incident.description}</pre>}
      {incident.alerts.length > 1 && <details><summary>{count(incident.alerts.length, "alert")}, {incident.alerts.filter((one) => one.firing).length} firing</summary><ul class="plainlist">{incident.alerts.map((one) => <li key={one.fingerprint}><Severity word={one.severity} /> {one.title} <span class="quiet">{one.firing ? "firing" : "over"} · {count(one.count, "signal")}</span></li>)}</ul></details>}
      {waiting && <p class="waitsfor"><span aria-hidden="true">! </span>Waits for a decision: {waiting} <a href="#action">Review it</a></p>}
    </header>
  );
}

function useAt(): [number | null, (at: number | null) => void] {
  const text = place.value.query.get("at");
  const at = text !== null && /^\d+$/.test(text) ? Number(text) : null;
  return [at, (to) => ask({ at: to === null ? undefined : String(to) })];
}

function useHash(): string {
  const [hash, set] = useState(location.hash.slice(1));
  useEffect(() => {
    const changed = () => set(location.hash.slice(1));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return hash;
}

export function IncidentPage({ id }: { id: string }) {
  const [held] = useState(() => new Case(id));
  useEffect(() => held.start(), [held]);
  const [at, setAt] = useAt();
  const hash = useHash();
  const state = held.state.value;
  const { incident, entries } = state;
  useEffect(() => void (document.title = incident ? `${plain(incident.phase)} · ${incident.title}` : "Sentinell"), [incident?.phase, incident?.title]);
  useKeys({ a: () => { document.getElementById("action")?.scrollIntoView({ block: "start" }); document.getElementById("approve")?.focus(); } });
  const past = at !== null && at < (entries.at(-1)?.seq ?? 0);
  const upTo = useMemo(() => (past ? entries.filter((entry) => entry.seq <= at) : entries), [past, at, entries]);
  const then = useMemo(() => (past ? known(upTo) : null), [past, upTo]);
  const shown = then ?? state;
  const over = incident !== null && OVER.includes(incident.phase);
  // Notes and the like come by the hundred; what is believed and seen is drawn again only when it has changed.
  const reads = upTo.filter((entry) => entry.type === "queries_opened" || entry.type === "evidence_gathered").length;
  const asked = useMemo(() => queriesOf(upTo), [reads, past]);
  const cause = useMemo(() => <Cause hypotheses={shown.hypotheses} ruledOut={shown.ruledOut} gaps={shown.gaps} evidence={shown.evidence} over={over && !past} />, [shown.hypotheses, shown.ruledOut, shown.gaps, shown.evidence, over, past]);
  const found = useMemo(() => <EvidencePanel evidence={shown.evidence} hypotheses={shown.hypotheses} asked={asked} hash={hash} />, [shown.evidence, shown.hypotheses, asked, hash]);
  if (!incident) return <main id="main" class="page" tabIndex={-1}>{state.error ? <><h1>Incident</h1><Problem text={state.error} /><p><a href="/">All incidents</a></p></> : <p class="quiet" role="status">reading…</p>}</main>;
  const waiting = past ? undefined : state.actions.find((action) => action.state === "awaiting_approval");
  return (
    <main id="main" class="case" tabIndex={-1}>
      <div class="story">
        <Head incident={incident} waiting={waiting ? `${waiting.kind} on ${component(waiting.target)}` : null} />
        <Problem text={state.error} />
        {past && <p class="banner calm" role="status">As it was known at entry {at} of {entries.at(-1)?.seq}. <button type="button" class="small" onClick={() => setAt(null)}>Back to now</button></p>}
        {cause}
        <Actions incident={id} actions={shown.actions} notPlanned={shown.notPlanned} evidence={shown.evidence} entries={upTo} past={past} onDone={() => void held.read()} />
        {found}
        {!past && <Ask id={id} evidence={state.evidence} />}
        {!past && <Say id={id} over={over} phase={incident.phase} />}
        {!past && <PostmortemPanel id={id} seq={incident.seq} />}
        {!past && <ContextPanel id={id} />}
      </div>
      <Timeline entries={entries} writing={state.writing} at={past ? at : null} onAt={setAt} over={over} />
    </main>
  );
}

// What is believed, what speaks for and against it, what was ruled out, and what could not be seen.
import { useState } from "preact/hooks";
import type { Evidence, Gap, Hypothesis, RuledOut } from "../../api/types";
import { component, count, percent, plain } from "../../lib/words";
import { Panel } from "../../parts/basics";

/** A claim's evidence as links to where it stands on this page. */
export function Cites({ ids, evidence, long = false }: { ids: string[]; evidence: Evidence[]; long?: boolean }) {
  if (!long) return <span class="cites">{ids.map((id) => <a key={id} href={`#${id}`} title={evidence.find((one) => one.id === id)?.summary}>{id}</a>)}</span>;
  return (
    <ul class="citelist">
      {ids.map((id) => {
        const found = evidence.find((one) => one.id === id);
        return <li key={id}><a href={`#${id}`}>{id}</a> <span>{found ? found.summary : "not among the evidence shown here"}</span></li>;
      })}
    </ul>
  );
}

export function Confidence({ value }: { value: number }) {
  return <span class="confidence"><meter min={0} max={1} value={value} aria-label="confidence" />{percent(value)} sure</span>;
}

function Leading({ best, evidence }: { best: Hypothesis; evidence: Evidence[] }) {
  return (
    <>
      <div class="leading">
        <p class="statement">{best.statement}</p>
        <p class="facts"><code title={best.component}>{component(best.component)}</code><span>{plain(best.fault)}</span><Confidence value={best.confidence} /></p>
      </div>
      {best.supports.length > 0 && <><h3>Speaks for it</h3><Cites ids={best.supports} evidence={evidence} long /></>}
      {best.contradicts.length > 0 && <><h3>Speaks against it</h3><Cites ids={best.contradicts} evidence={evidence} long /></>}
    </>
  );
}

const FEW = 6;

function Long<T>({ items, children }: { items: T[]; children: (item: T) => preact.ComponentChildren }) {
  const [all, showAll] = useState(false);
  return (
    <>
      <ul class="plainlist">{(all ? items : items.slice(0, FEW)).map((item, n) => <li key={n}>{children(item)}</li>)}</ul>
      {items.length > FEW && !all && <button type="button" class="small" onClick={() => showAll(true)}>{items.length - FEW} more</button>}
    </>
  );
}

export function Cause({ hypotheses, ruledOut, gaps, evidence, over }: { hypotheses: Hypothesis[]; ruledOut: RuledOut[]; gaps: Gap[]; evidence: Evidence[]; over: boolean }) {
  const [best, ...others] = hypotheses;
  return (
    <Panel title="Cause">
      {best ? <Leading best={best} evidence={evidence} /> : <p class="quiet">{over ? "No cause was named: the evidence did not suffice." : "No hypothesis yet."}</p>}
      {others.length > 0 && (
        <>
          <h3>Other explanations</h3>
          <ul class="others">{others.map((one) => <li key={one.id}><Confidence value={one.confidence} /><span><code>{component(one.component)}</code> {one.statement} <Cites ids={one.supports} evidence={evidence} />{one.contradicts.length > 0 && <span class="quiet"> against: <Cites ids={one.contradicts} evidence={evidence} /></span>}</span></li>)}</ul>
        </>
      )}
      {ruledOut.length > 0 && <><h3>Ruled out</h3><Long items={ruledOut}>{(one) => <><code>{plain(component(one.what))}</code> <span class="quiet">{one.why}</span> <Cites ids={one.because} evidence={evidence} /></>}</Long></>}
      {gaps.length > 0 && <><h3 class="gap">Could not be seen <span class="quiet">· {count(gaps.length, "gap")}</span></h3><Long items={gaps}>{(gap) => <><b>{gap.what}</b> <span class="quiet">{gap.why}</span></>}</Long></>}
    </Panel>
  );
}

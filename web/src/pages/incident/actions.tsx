// What would be done, exactly; a person's decision about it; and whether it helped.
import { useState } from "preact/hooks";
import { api, Refused } from "../../api/client";
import type { Action, Deed, Entry, Evidence, NotPlanned, Verification } from "../../api/types";
import { checks } from "../../lib/journal";
import { clock, exact, now, span } from "../../lib/time";
import { component, count, plain } from "../../lib/words";
import { Panel, Pill, Problem } from "../../parts/basics";
import { may } from "../../state/session";
import { Cites } from "./cause";

/** A deed as it would run: every argument in a frame of its own, so that no blank or quote can hide. */
export function Exact({ deed }: { deed: Deed }) {
  if (deed.argv) return <div class="argv" role="group" aria-label="command">{deed.argv.map((arg, n) => <code key={n}>{arg === "" ? "''" : arg}</code>)}</div>;
  return <pre tabIndex={0} aria-label="deed">{JSON.stringify(deed, null, 2)}</pre>;
}

function Check({ verification }: { verification: Verification }) {
  const { every_seconds: every, hold_seconds: hold, within_seconds: within, expect = {}, queries = [] } = verification;
  const bounds = [expect.at_least !== undefined && `at least ${expect.at_least}`, expect.at_most !== undefined && `at most ${expect.at_most}`].filter(Boolean).join(" and ");
  const what = expect.kind === "last_value" ? <>newest <code>{expect.metric}</code> {bounds}</> : expect.kind === "findings_gone" ? <>nothing found any more at <code>{expect.subject}</code></> : <code>{JSON.stringify(expect)}</code>;
  return (
    <>
      {what}
      {hold !== undefined && <>, for {span(hold * 1000)}{within !== undefined && <> within {span(within * 1000)}</>}{every !== undefined && <>, looking every {span(every * 1000)}</>}</>}
      {queries.map((query) => <div key={query.id} class="quiet"><code>{query.tool} {Object.entries(query.args).map(([key, value]) => `${key}=${value}`).join(" ")}</code></div>)}
    </>
  );
}

function Decide({ incident, action, onDone }: { incident: string; action: Action; onDone: () => void }) {
  const [step, setStep] = useState<"" | "approve" | "reject">("");
  const [comment, setComment] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  if (!may("operator")) return <p class="note"><a href="/sign-in">Sign in</a> as an operator to approve or reject.</p>;
  const send = async () => {
    setBusy(true);
    setError(null);
    const path = { path: { id: incident } };
    const words = comment.trim() ? { comment: comment.trim() } : {};
    try {
      if (step === "approve") await api.post("/api/incidents/{id}/approve", { ...path, body: { action_id: action.id, hash: action.hash, ...words } });
      else await api.post("/api/incidents/{id}/reject", { ...path, body: { action_id: action.id, ...words } });
    } catch (refused) {
      setError(refused instanceof Refused ? refused.message : "it was not sent; try again");
    }
    setBusy(false);
    onDone();
  };
  if (step === "") return <div class="decide"><button type="button" class="primary big" id="approve" onClick={() => setStep("approve")}>Approve…</button><button type="button" class="big" onClick={() => setStep("reject")}>Reject…</button></div>;
  return (
    <form class="confirm" onSubmit={(event) => { event.preventDefault(); void send(); }}>
      <p>{step === "approve" ? <>You approve exactly what is shown above, on <b>{component(action.target)}</b> in <b>{action.environment}</b>.</> : <>The investigation goes on without <b>{action.kind}</b>.</>}</p>
      <label>Comment <span class="quiet">(goes into the journal)</span><input value={comment} maxLength={10000} onInput={(event) => setComment(event.currentTarget.value)} /></label>
      <Problem text={error} />
      <div class="decide">
        <button type="submit" class={step === "approve" ? "primary big" : "danger big"} disabled={busy} ref={(button) => { if (button && document.activeElement === document.body) button.focus(); }}>{step === "approve" ? "Approve and run" : "Reject"}</button>
        <button type="button" class="big" onClick={() => setStep("")}>Back</button>
      </div>
    </form>
  );
}

function Left({ until }: { until: string }) {
  const left = Date.parse(until) - now.value;
  return <time dateTime={until} title={exact(until)} class={left < 120_000 ? "soon" : ""}>{left > 0 ? `${span(Math.ceil(left / 1000) * 1000)} left, until ${clock(until)}` : `ended ${clock(until)}`}</time>;
}

function Outcome({ action, entries }: { action: Action; entries: Entry[] }) {
  const seen = checks(entries, action.id);
  if (seen.length === 0 && !action.output) return null;
  return (
    <div class="outcome">
      <h3>What happened</h3>
      {action.output && <pre tabIndex={0} aria-label="output">{action.output}</pre>}
      {seen.length > 0 && (
        <table><thead><tr><th>When</th><th>Looked</th><th>Saw</th></tr></thead>
          <tbody>{seen.map((one, n) => <tr key={n}><td><time dateTime={one.at} title={exact(one.at)}>{clock(one.at)}</time></td><td>{one.after ? "after" : "before"}</td><td><span class={`pill ${one.health === "healthy" ? "good" : one.health === "unhealthy" ? "bad" : "warn"}`}>{one.health}</span> {one.note}</td></tr>)}</tbody></table>
      )}
    </div>
  );
}

function Card({ incident, action, evidence, entries, past, onDone }: { incident: string; action: Action; evidence: Evidence[]; entries: Entry[]; past: boolean; onDone: () => void }) {
  const waiting = action.state === "awaiting_approval";
  return (
    <article class={`action${waiting ? " waiting" : ""}`} aria-label={`${action.kind} on ${action.target}`}>
      <div class="heading"><h3><code>{action.kind}</code> on <b>{component(action.target)}</b></h3><Pill word={action.state} />{waiting && <Left until={action.expires_at} />}</div>
      <Exact deed={action.deed} />
      <dl class="facts">
        <dt>Why</dt><dd>{action.why} <Cites ids={action.evidence} evidence={evidence} /></dd>
        <dt>Where</dt><dd>{action.environment}{action.precondition && <span class="quiet"> · only if {action.precondition}</span>}</dd>
        <dt>Reaches</dt><dd>{action.blast_radius.description}{action.blast_radius.objects !== undefined && <span class="quiet"> · {count(action.blast_radius.objects, "object")}</span>}</dd>
        <dt>Undo</dt><dd>{action.undo ? <Exact deed={action.undo} /> : "cannot be undone"}</dd>
        <dt>Check</dt><dd><Check verification={action.verification} /></dd>
        {action.ruling && <><dt>Policy</dt><dd>{plain(action.ruling.verdict)}: {action.ruling.why}{(action.ruling.approvals ?? 1) > 1 && <> · {action.ruling.approvals} different people</>}{action.ruling.role && <> · role {action.ruling.role}</>}</dd></>}
        {action.decided_by && <><dt>Decided by</dt><dd>{action.decided_by}</dd></>}
        <dt>Hash</dt><dd><code class="hash" title="SHA-256 of what is shown: an approval is for this and nothing else">{action.hash}</code></dd>
      </dl>
      {waiting && !past && <Decide incident={incident} action={action} onDone={onDone} />}
      <Outcome action={action} entries={entries} />
    </article>
  );
}

interface Props { incident: string; actions: Action[]; notPlanned: NotPlanned[]; evidence: Evidence[]; entries: Entry[]; past: boolean; onDone: () => void }

export function Actions(props: Props) {
  const { actions, notPlanned } = props;
  if (actions.length === 0 && notPlanned.length === 0) return null;
  return (
    <Panel title="Action" id="action">
      {[...actions].reverse().map((action) => <Card key={action.id} {...props} action={action} />)}
      {notPlanned.length > 0 && <><h3>Would help, but could not be planned</h3><ul class="plainlist">{notPlanned.map((one, n) => <li key={n}><code>{one.kind}</code> on {component(one.target)} <span class="quiet">{one.why}</span></li>)}</ul></>}
    </Panel>
  );
}

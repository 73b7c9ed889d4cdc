// What may be done: the versions of the policy, and the switch that stops every deed.
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { Ago, Panel, Problem } from "../../parts/basics";
import { may } from "../../state/session";
import { said, useReading } from "./reading";

function Edit({ start, onDone, onCancel }: { start: unknown; onDone: () => void; onCancel: () => void }) {
  const [text, setText] = useState(() => {
    const rest = Object.entries(start as Record<string, unknown>).filter(([name]) => name !== "kill_switch");
    return JSON.stringify(Object.fromEntries(rest), null, 2);
  });
  const [why, setWhy] = useState("");
  const [error, setError] = useState<string | null>(null);
  const send = async () => {
    let policy: Record<string, never>;
    try {
      policy = JSON.parse(text) as Record<string, never>;
    } catch (wrong) {
      return setError(`this is not JSON: ${wrong instanceof Error ? wrong.message : "check commas and quotes"}`);
    }
    try {
      await api.post("/api/policies", { body: { policy, why } });
      onDone();
    } catch (refused) {
      setError(said(refused));
    }
  };
  return (
    <form onSubmit={(event) => { event.preventDefault(); void send(); }}>
      <label>Policy, as JSON<textarea class="code" rows={16} spellcheck={false} value={text} onInput={(event) => setText(event.currentTarget.value)} /></label>
      <label>Why it changes<input required maxLength={1000} value={why} onInput={(event) => setWhy(event.currentTarget.value)} /></label>
      <Problem text={error} />
      <div class="buttons"><button type="submit" class="primary">Put into force</button><button type="button" onClick={onCancel}>Cancel</button></div>
    </form>
  );
}

export function Policies() {
  const { found, error, again } = useReading(async () => (await api.get("/api/policies")).policies);
  const [editing, edit] = useState(false);
  const current = found?.[0];
  const autonomy = (policy: unknown): string => (policy as { autonomy?: string }).autonomy ?? "";
  return (
    <>
      <Problem text={error} />
      {current && (
        <Panel title={`In force: version ${current.version}`} aside={<><span class="quiet">{current.by ?? "built in"}{current.at && <> · <Ago at={current.at} /></>}</span><span class="grow" />{may("admin") ? !editing && <button type="button" class="small" onClick={() => edit(true)}>New version</button> : <span class="quiet">Changing needs an admin: <a href="/sign-in">sign in</a>.</span>}</>}>
          <p>Autonomy <b>{autonomy(current.policy)}</b> · {current.why}</p>
          {editing ? <Edit start={current.policy} onCancel={() => edit(false)} onDone={() => { edit(false); again(); }} /> : <pre tabIndex={0} aria-label="policy in force">{JSON.stringify(current.policy, null, 2)}</pre>}
        </Panel>
      )}
      {found && found.length > 1 && (
        <Panel title="Earlier versions">
          {found.slice(1).map((version) => <details key={version.version}><summary>Version {version.version}: {autonomy(version.policy)} <span class="quiet">{version.by} · {version.at && <Ago at={version.at} />} · {version.why}</span></summary><pre tabIndex={0} aria-label={`version ${version.version}`}>{JSON.stringify(version.policy, null, 2)}</pre></details>)}
        </Panel>
      )}
    </>
  );
}

export function KillSwitch() {
  const { found, error, again } = useReading(() => api.get("/api/kill-switch"), 10_000);
  const [why, setWhy] = useState("");
  const [refused, setRefused] = useState<string | null>(null);
  const set = async (on: boolean) => {
    try {
      await api.put("/api/kill-switch", { body: { on, why } });
      setWhy("");
      setRefused(null);
      again();
    } catch (problem) {
      setRefused(said(problem));
    }
  };
  return (
    <Panel title={found?.on ? "On: every deed is stopped" : "Off: deeds follow the policy"}>
      <Problem text={error} />
      <p>While it is on, nothing is changed anywhere, whatever the policy says and whoever approves. Investigations go on looking.</p>
      {found?.on && <p>{found.by}{found.at && <> · <Ago at={found.at} /></>}{found.why && <> · {found.why}</>}</p>}
      {found && (may("operator")
        ? <form onSubmit={(event) => { event.preventDefault(); void set(!found.on); }}><label>Why<input required maxLength={1000} value={why} onInput={(event) => setWhy(event.currentTarget.value)} /></label><Problem text={refused} /><div class="buttons"><button type="submit" class={found.on ? "primary" : "danger"}>{found.on ? "Let deeds go on" : "Stop every deed"}</button></div></form>
        : <p class="note"><a href="/sign-in">Sign in</a> as an operator to set it.</p>)}
    </Panel>
  );
}

// Who may come in. A secret is shown once.
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { Ago, Command, Panel, Problem } from "../../parts/basics";
import { may } from "../../state/session";
import { said, useReading } from "./reading";

type Role = "sender" | "viewer" | "responder" | "operator" | "admin";
const ROLES: [Role, string][] = [["sender", "posts signals, no more"], ["viewer", "reads"], ["responder", "notes, hints, cancels, retries"], ["operator", "approves and rejects"], ["admin", "changes configuration"]];

export function Tokens() {
  if (!may("admin")) return <p class="note">Tokens are for admins: <a href="/sign-in">sign in</a> as one.</p>;
  return <Known />;
}

function Known() {
  const { found, error, again } = useReading(async () => (await api.get("/api/tokens")).tokens);
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [minted, mint] = useState<{ name: string; token: string } | null>(null);
  const [refused, setRefused] = useState<string | null>(null);
  const make = async () => {
    try {
      const made = await api.post("/api/tokens", { body: { name, role } });
      mint({ name: made.name, token: made.token });
      setName("");
      setRefused(null);
      again();
    } catch (problem) {
      setRefused(said(problem));
    }
  };
  const revoke = (id: string) => api.delete("/api/tokens/{id}", { path: { id } }).then(again, (problem: unknown) => setRefused(said(problem)));
  return (
    <>
      <Panel title="New token">
        <form class="inline" onSubmit={(event) => { event.preventDefault(); void make(); }}>
          <label>Whose<input required maxLength={100} placeholder="alertmanager" value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
          <label>Role<select value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}>{ROLES.map(([word, what]) => <option key={word} value={word}>{word}: {what}</option>)}</select></label>
          <button type="submit" class="primary">Make</button>
        </form>
        <Problem text={refused} />
        {minted && <div role="status"><p>The token of <b>{minted.name}</b>, shown this once:</p><Command text={minted.token} /></div>}
      </Panel>
      <Problem text={error} />
      {found?.length === 0 && <p class="nothing">No tokens yet, besides the operator's own.</p>}
      {found && found.length > 0 && <div class="scroll" tabIndex={0} role="group" aria-label="tokens"><table><thead><tr><th>Whose</th><th>Role</th><th>Made</th><th>Last used</th><th><span class="hidden">Do</span></th></tr></thead>
        <tbody>{found.map((one) => <tr key={one.id} class={one.revoked_at ? "gone" : ""}><td><b>{one.name}</b></td><td>{one.role}</td><td><Ago at={one.created_at} /></td><td>{one.last_used_at ? <Ago at={one.last_used_at} /> : "never"}</td><td class="do">{one.revoked_at ? <>revoked <Ago at={one.revoked_at} /></> : <button type="button" class="small" onClick={() => void revoke(one.id)}>Revoke</button>}</td></tr>)}</tbody></table></div>}
    </>
  );
}

// What leaves the house: notices on their way, and those that nobody took.
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { plain } from "../../lib/words";
import { Ago, Problem } from "../../parts/basics";
import { may } from "../../state/session";
import { said, useReading } from "./reading";

export function Notices() {
  const { found, error, again } = useReading(() => api.get("/api/outbox"), 5000);
  const [refused, setRefused] = useState<string | null>(null);
  const retry = (id: string) => api.post("/api/outbox/{id}/retry", { path: { id } }).then(again, (problem: unknown) => setRefused(said(problem)));
  return (
    <>
      <Problem text={error ?? refused} />
      {found && found.destinations.length > 0 && <div class="cards">{found.destinations.map((one) => <div key={one.name} class="panel"><b>{one.name}</b><p>{one.waiting} waiting{one.dead > 0 && <>, <span class="pill bad">{one.dead} given up</span></>}{one.closed_at && <>, closed <Ago at={one.closed_at} /></>}</p></div>)}</div>}
      {found?.outbox.length === 0 && <p class="nothing">No notices yet. Destinations are in the operator's configuration file, under <code>[notify]</code>.</p>}
      {found && found.outbox.length > 0 && <div class="scroll" tabIndex={0} role="group" aria-label="notices"><table><thead><tr><th>State</th><th>To</th><th>What</th><th>Incident</th><th>Tries</th><th>Since</th><th>Answer</th><th><span class="hidden">Do</span></th></tr></thead>
        <tbody>{found.outbox.map((one) => <tr key={one.id}><td><span class={`pill ${one.state === "delivered" ? "good" : one.state === "dead" ? "bad" : "busy"}`}>{plain(one.state)}</span></td><td>{one.destination}</td><td>{plain(one.kind)}</td><td><a href={`/incidents/${one.incident_id}`}>{one.incident_id.slice(0, 12)}…</a></td><td>{one.attempts}</td><td><Ago at={one.created_at} /></td><td class="answer">{one.answer}</td><td class="do">{one.state === "dead" && may("operator") && <button type="button" class="small" onClick={() => void retry(one.id)}>Send again</button>}</td></tr>)}</tbody></table></div>}
    </>
  );
}

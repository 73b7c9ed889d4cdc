// What came in lately, and what became of it.
import { api } from "../../api/client";
import { plain } from "../../lib/words";
import { Ago, Problem, Severity } from "../../parts/basics";
import { useReading } from "./reading";

interface Signal { id: string; source: string; title: string; severity: string; state?: string; received_at: string; incident_id?: string | null; decision?: string }

export function Signals() {
  const { found, error } = useReading(async () => (await api.get("/api/signals", { query: { limit: 200 } })).signals as unknown as Signal[], 5000);
  return (
    <>
      <Problem text={error} />
      {found?.length === 0 && <p class="nothing">Nothing came in yet. <a href="/api/docs">The API</a> lists what senders can post.</p>}
      {found && found.length > 0 && <div class="scroll" tabIndex={0} role="group" aria-label="signals"><table><thead><tr><th>When</th><th>From</th><th>How bad</th><th>What</th><th>Became</th></tr></thead>
        <tbody>{found.map((one) => <tr key={one.id}><td><Ago at={one.received_at} /></td><td>{one.source}</td><td><Severity word={one.severity} /></td><td>{one.title}</td><td>{one.incident_id ? <a href={`/incidents/${one.incident_id}`}>{plain(one.decision ?? "incident")}</a> : plain(one.decision ?? "")}</td></tr>)}</tbody></table></div>}
    </>
  );
}

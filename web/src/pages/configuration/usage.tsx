// What the reasoners cost.
import { api } from "../../api/client";
import { dollars } from "../../lib/words";
import { Problem } from "../../parts/basics";
import { useReading } from "./reading";

export function UsagePage() {
  const { found, error } = useReading(() => api.get("/api/usage"));
  const most = Math.max(1, ...(found?.days ?? []).map((day) => day.turns));
  return (
    <>
      <Problem text={error} />
      {found?.days.length === 0 && <p class="nothing">No turns were taken yet.</p>}
      {found && found.days.length > 0 && (
        <div class="scroll" tabIndex={0} role="group" aria-label="usage"><table class="numbers">
          <thead><tr><th>Day (UTC)</th><th>Reasoner</th><th>Turns</th><th>Tokens in</th><th>From cache</th><th>Into cache</th><th>Tokens out</th><th>Cost</th></tr></thead>
          <tbody>{found.days.map((day) => <tr key={`${day.day}${day.reasoner}`}><td>{day.day}</td><td>{day.reasoner}</td><td><meter min={0} max={most} value={day.turns} aria-hidden="true" />{day.turns.toLocaleString()}</td><td>{day.input_tokens.toLocaleString()}</td><td>{day.cache_read_tokens.toLocaleString()}</td><td>{day.cache_written_tokens.toLocaleString()}</td><td>{day.output_tokens.toLocaleString()}</td><td>{dollars(day.micro_usd)}</td></tr>)}</tbody>
          <tfoot><tr><td colSpan={2}>Total</td><td>{found.total.turns.toLocaleString()}</td><td>{found.total.input_tokens.toLocaleString()}</td><td>{found.total.cache_read_tokens.toLocaleString()}</td><td>{found.total.cache_written_tokens.toLocaleString()}</td><td>{found.total.output_tokens.toLocaleString()}</td><td>{dollars(found.total.micro_usd)}</td></tr></tfoot>
        </table></div>
      )}
    </>
  );
}

// Whether the house itself is well.
import { api, Refused } from "../../api/client";
import { span } from "../../lib/time";
import { Panel, Problem } from "../../parts/basics";
import { useReading } from "./reading";

async function look() {
  const health = await api.get("/api/health");
  try {
    return { health, ready: await api.get("/api/ready"), why: null };
  } catch (refused) {
    if (!(refused instanceof Refused) || refused.status !== 503) throw refused;
    return { health, ready: null, why: refused.message };
  }
}

export function Health() {
  const { found, error } = useReading(look, 5000);
  return (
    <>
      <Problem text={error} />
      {found && (
        <Panel title={found.ready ? "Ready" : "Not ready"}>
          <Problem text={found.why} />
          <dl class="facts">
            <dt>Version</dt><dd>{found.health.version}</dd>
            {found.ready && <><dt>Workers</dt><dd>{found.ready.workers}</dd><dt>Waiting wake-ups</dt><dd>{found.ready.queue_depth}</dd><dt>Oldest due</dt><dd>{span(found.ready.queue_lag_seconds * 1000)}</dd></>}
          </dl>
        </Panel>
      )}
      <p class="quiet">More in <code>/metrics</code> (Prometheus) and with <code>sentinell doctor</code>, which checks every connection that the configuration names.</p>
    </>
  );
}

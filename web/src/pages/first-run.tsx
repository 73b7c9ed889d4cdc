// Nothing happened yet: from here to a first incident.
import { Command } from "../parts/basics";

const signal = () => `curl -sS ${location.origin}/api/signals/alertmanager -H 'Content-Type: application/json' -d '{
  "alerts": [{"status": "firing", "startsAt": "${new Date().toISOString()}",
    "labels": {"alertname": "HighErrorRate", "service": "checkout", "severity": "warning"},
    "annotations": {"summary": "more than 5 % of requests fail"}}]}'`;

export function FirstRun({ onReport }: { onReport: () => void }) {
  return (
    <div class="first">
      <h2>No incidents yet</h2>
      <p>Three ways to a first one:</p>
      <ol>
        <li><h3>Send a signal</h3><p>What Alertmanager would send. Where reading is not open, add <code>-H "Authorization: Bearer …"</code>.</p><Command text={signal()} /></li>
        <li><h3>Tell it in your own words</h3><p><button type="button" onClick={onReport}>Report an issue</button></p></li>
        <li><h3>Watch a town break and be mended</h3><p>A simulated town on this machine, with a server and a database of its own; about ten seconds.</p><Command text="sentinell demo --keep" /></li>
      </ol>
      <p>Then point your own senders here: <a href="/api/docs">the API</a> lists what it takes (Alertmanager, Grafana, PagerDuty, Sentry, Datadog, GitHub, Slack).</p>
    </div>
  );
}

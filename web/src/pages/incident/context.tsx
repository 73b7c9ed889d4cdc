// What was read, as it was read: lines, messages, commits. Fetched only when somebody asks, since it can be long.
import { useState } from "preact/hooks";
import { api, Refused } from "../../api/client";
import { exact, clock } from "../../lib/time";
import { count } from "../../lib/words";
import { Panel, Problem } from "../../parts/basics";

interface Context {
  log_windows: { source_id: string | null; started_at: string | null; ended_at: string | null; lines: string[] }[];
  slack_messages: { channel_id: string; message_ts: string; text: string; user: string | null }[];
  commits: { sha: string; author: string | null; title: string; committed_at: string; stats: { files?: string[] } }[];
}

function Lines({ found }: { found: Context["log_windows"][number] }) {
  const [open, show] = useState(false);
  return (
    <details onToggle={(event) => show(event.currentTarget.open)}>
      <summary>{found.source_id ?? "log"} <span class="quiet">{count(found.lines.length, "line")}{found.started_at && found.ended_at && `, ${clock(found.started_at)} to ${clock(found.ended_at)}`}</span></summary>
      {open && <pre class="long" tabIndex={0} aria-label={found.source_id ?? "log"}>{found.lines.join("\n")}</pre>}
    </details>
  );
}

export function ContextPanel({ id }: { id: string }) {
  const [found, find] = useState<Context | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const read = async () => {
    setBusy(true);
    try {
      find((await api.get("/api/incidents/{id}/context", { path: { id } })) as unknown as Context);
    } catch (refused) {
      setError(refused instanceof Refused ? refused.message : "it could not be read; try again");
    }
    setBusy(false);
  };
  const none = found && found.log_windows.length + found.slack_messages.length + found.commits.length === 0;
  return (
    <Panel title="As it was read" aside={!found && <button type="button" class="small" disabled={busy} onClick={() => void read()}>Show lines, messages, commits</button>}>
      <Problem text={error} />
      {none && <p class="quiet">No log lines, messages or commits are kept of this incident.</p>}
      {found && found.log_windows.map((one, n) => <Lines key={n} found={one} />)}
      {found && found.slack_messages.length > 0 && <><h3>Slack</h3><ul class="plainlist">{found.slack_messages.map((one) => <li key={one.message_ts}><b>{one.user ?? "somebody"}</b> <span class="quiet">{one.channel_id}</span><pre>{one.text}</pre></li>)}</ul></>}
      {found && found.commits.length > 0 && <><h3>Commits</h3><ul class="plainlist">{found.commits.map((one) => <li key={one.sha}><code>{one.sha.slice(0, 10)}</code> {one.title} <span class="quiet">{one.author} <time dateTime={one.committed_at} title={exact(one.committed_at)}>{clock(one.committed_at)}</time></span>{one.stats.files && <div class="quiet">{one.stats.files.join(" · ")}</div>}</li>)}</ul></>}
    </Panel>
  );
}

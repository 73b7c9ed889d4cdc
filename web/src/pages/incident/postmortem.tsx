// The postmortem: a reading of the journal so far, from the server's own structure; Markdown only leaves, it never comes in.
import { useEffect, useState } from "preact/hooks";
import { address, api, Refused, request } from "../../api/client";
import type { Postmortem } from "../../api/types";
import { clock, exact, span } from "../../lib/time";
import { Copy, Panel, Problem } from "../../parts/basics";

function Part({ title, items }: { title: string; items: string[] }) {
  return items.length > 0 ? <><h3>{title}</h3><ul class="plainlist">{items.map((item, n) => <li key={n}>{item}</li>)}</ul></> : null;
}

export function PostmortemPanel({ id, seq }: { id: string; seq: number }) {
  const [found, find] = useState<Postmortem | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    const reading = new AbortController();
    api.get("/api/incidents/{id}/postmortem", { path: { id }, query: { format: "json" }, signal: reading.signal })
      .then((answer) => find(answer as unknown as Postmortem))
      .catch((refused: unknown) => { if (!reading.signal.aborted) setError(refused instanceof Refused ? refused.message : "it could not be read; reload the page"); });
    return () => reading.abort();
  }, [id, seq]);
  const markdown = address("/api/incidents/{id}/postmortem", { path: { id }, query: { format: "markdown" } });
  const text = async () => (await request("get", markdown, { headers: { Accept: "text/markdown" } })).text();
  return (
    <Panel title="Postmortem" id="postmortem" aside={<><span class="grow" /><Copy text={text} label="Copy as Markdown" /><a class="button small" href={markdown} download={`${id}.md`}>Export</a></>}>
      <Problem text={error} />
      {found && (
        <div class="postmortem">
          <p class="statement">{found.title}</p>
          <dl class="facts">
            <dt>Outcome</dt><dd>{found.outcome}</dd>
            {found.cause && <><dt>Cause</dt><dd>{found.cause}</dd></>}
            {found.duration_millis !== null && <><dt>Took</dt><dd>{span(found.duration_millis)}</dd></>}
          </dl>
          <Part title="Rests on" items={found.supported_by} />
          <Part title="Ruled out" items={found.ruled_out} />
          <Part title="Could not be seen" items={found.gaps} />
          <Part title="Actions" items={found.actions} />
          <Part title="Notes" items={found.notes} />
          <details><summary>Timeline, {found.timeline.length} lines</summary><ol class="plainlist">{found.timeline.map((line, n) => <li key={n}><time dateTime={line.at} title={exact(line.at)}>{clock(line.at)}</time> <span class="quiet">{line.node}</span> {line.what}</li>)}</ol></details>
        </div>
      )}
    </Panel>
  );
}

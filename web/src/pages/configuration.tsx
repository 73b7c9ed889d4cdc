// Configuration: what REST has of it, a page a subject.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Channels, LogSources, Repositories } from "./configuration/registry";
import { Health } from "./configuration/health";
import { KillSwitch, Policies } from "./configuration/policies";
import { Notices } from "./configuration/notices";
import { Tokens } from "./configuration/tokens";
import { UsagePage } from "./configuration/usage";
import { Signals } from "./configuration/signals";

const PAGES: [string, string, () => ComponentChildren][] = [
  ["repositories", "Repositories", Repositories], ["log-sources", "Log sources", LogSources], ["slack-channels", "Slack channels", Channels],
  ["policies", "Policies", Policies], ["kill-switch", "Kill switch", KillSwitch], ["tokens", "Tokens", Tokens],
  ["notices", "Notices", Notices], ["signals", "Signals", Signals], ["usage", "Usage", UsagePage], ["health", "Health", Health],
];

export function ConfigurationPage({ page }: { page: string }) {
  const found = PAGES.find(([name]) => name === page);
  useEffect(() => void (document.title = `${found?.[1] ?? "Configuration"} · Sentinell`), [page]);
  const Shown = found?.[2];
  return (
    <main id="main" class="configuration" tabIndex={-1}>
      <nav aria-label="Configuration">{PAGES.map(([name, title]) => <a key={name} href={`/configuration/${name}`} aria-current={name === page ? "page" : undefined}>{title}</a>)}</nav>
      <div class="content">{Shown ? <><h1>{found[1]}</h1><Shown key={page} /></> : <><h1>Configuration</h1><p>There is no such page.</p></>}</div>
    </main>
  );
}

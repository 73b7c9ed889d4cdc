// What is going on: every incident, live.
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Incident } from "../api/types";
import { useKeys } from "../lib/keys";
import { ask, go, place } from "../lib/route";
import { count, NEEDS_A_PERSON, plain } from "../lib/words";
import { Ago, Pill, Problem, Severity } from "../parts/basics";
import { kept } from "../parts/kept";
import { Rows } from "../parts/rows";
import { further, list, look, needy, want, type Wanted, type Which } from "../state/incidents";
import { FirstRun } from "./first-run";
import { Report } from "./report";

const VIEWS: [Which, string][] = [["all", "All"], ["needs", "Need a person"], ["open", "Open"], ["closed", "Closed"]];
const PHASES = ["queued", "observing", "reasoning", "awaiting_approval", "acting", "in_doubt", "verifying", "resolved", "escalated", "dismissed", "dead_letter"];
const SEVERITIES = ["critical", "high", "medium", "low"];

export function wantedOf(query: URLSearchParams): Wanted {
  const which = VIEWS.find(([name]) => name === query.get("view"))?.[0] ?? "all";
  const known = (name: string, words: readonly string[]) => words.find((word) => word === query.get(name)) ?? "";
  return { which, phase: known("phase", PHASES), severity: known("severity", SEVERITIES), q: query.get("q") ?? "", sort: known("sort", ["severity", "changed", "oldest"]) };
}

function useNarrow(): boolean {
  const wide = matchMedia("(max-width: 47em)");
  const [narrow, set] = useState(wide.matches);
  useEffect(() => {
    const changed = () => set(wide.matches);
    wide.addEventListener("change", changed);
    return () => wide.removeEventListener("change", changed);
  }, []);
  return narrow;
}

/** Where one is, also when one comes back. */
const chosenId = signal<string | null>(null);
const choose = (id: string): void => void (chosenId.value = id);

function Filters({ wanted, search }: { wanted: Wanted; search: { current: HTMLInputElement | null } }) {
  const [text, setText] = useState(wanted.q);
  // What was asked for from here comes back as the address: letters typed since then stay.
  const asked = useRef(wanted.q);
  useEffect(() => { if (wanted.q !== asked.current) setText(asked.current = wanted.q); }, [wanted.q]);
  useEffect(() => {
    if (text === wanted.q) return;
    const timer = setTimeout(() => ask({ q: asked.current = text }), 200);
    return () => clearTimeout(timer);
  }, [text]);
  const select = (name: string, label: string, value: string, options: [string, string][]) => (
    <label class="choice"><span class="hidden">{label}</span>
      <select value={value} onChange={(event) => ask({ [name]: event.currentTarget.value })}>{options.map(([word, shown]) => <option key={word} value={word}>{shown}</option>)}</select>
    </label>
  );
  return (
    <div class="filters" role="search">
      <input ref={search} type="search" placeholder="Search titles and texts  ( / )" aria-label="Search titles and texts" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      <div class="tabs" role="group" aria-label="Which incidents">
        {VIEWS.map(([which, shown]) => (
          <button key={which} type="button" aria-pressed={!wanted.phase && wanted.which === which} onClick={() => ask({ view: which === "all" ? "" : which, phase: "" }, {})}>
            {shown}{which === "needs" && needy.value.count > 0 && <span class="badge">{needy.value.count}{needy.value.more ? "+" : ""}</span>}
          </button>
        ))}
      </div>
      {select("phase", "Phase", wanted.phase, [["", "any phase"], ...PHASES.map((phase) => [phase, plain(phase)] as [string, string])])}
      {select("severity", "Severity", wanted.severity, [["", "any severity"], ...SEVERITIES.map((word) => [word, word] as [string, string])])}
      {select("sort", "Order", wanted.sort, [["", "newest first"], ["changed", "last changed first"], ["severity", "gravest first"], ["oldest", "oldest first"]])}
    </div>
  );
}

function Row({ incident, current }: { incident: Incident; current: boolean }) {
  const link = useRef<HTMLAnchorElement>(null);
  useLayoutEffect(() => {
    // The focus goes from row to row, and is taken from nobody who types.
    const at = document.activeElement;
    if (current && (at === null || at === document.body || at.id === "main" || at.classList.contains("row"))) link.current?.focus({ preventScroll: true });
  }, [current]);
  const needs = (NEEDS_A_PERSON as readonly string[]).includes(incident.phase);
  return (
    <a ref={link} class={`row${needs ? " needs" : ""}`} href={`/incidents/${encodeURIComponent(incident.id)}`} aria-current={current ? "true" : undefined} onFocus={() => choose(incident.id)}>
      <Severity word={incident.severity} />
      <Pill word={incident.phase} />
      <span class="title" title={incident.title}>{incident.title}</span>
      <span class="kind">{incident.resolution ? plain(incident.resolution) : incident.signal_type}</span>
      <Ago at={incident.created_at} />
    </a>
  );
}

const KeptRow = kept(Row, (before, now) => before.incident === now.incident && before.current === now.current);

export function ListPage() {
  const wanted = wantedOf(place.value.query);
  const { rows, loading, more, error, read } = list.value;
  const chosen = chosenId.value;
  const [reporting, report] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  const narrow = useNarrow();
  useEffect(() => void want(wanted), [place.value.query.toString()]);
  useEffect(look, []);
  useEffect(() => void (document.title = needy.value.count > 0 ? `(${needy.value.count}) Sentinell` : "Sentinell"), [needy.value]);

  const index = chosen === null ? -1 : rows.findIndex((row) => row.id === chosen);
  const move = (to: number) => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, to))];
    if (row) choose(row.id);
  };
  useKeys({
    j: () => move(index + 1),
    k: () => move(index - 1),
    ArrowDown: (event) => { event.preventDefault(); move(index + 1); },
    ArrowUp: (event) => { event.preventDefault(); move(index - 1); },
    g: () => move(0),
    G: () => move(rows.length - 1),
    n: () => report(true),
    Enter: (event) => { if (chosen !== null && event.target instanceof HTMLElement && (event.target === document.body || event.target.id === "main")) go(`/incidents/${encodeURIComponent(chosen)}`); },
    "/": (event) => { event.preventDefault(); search.current?.focus(); search.current?.select(); },
    Escape: () => search.current?.blur(),
  });

  const filtered = wanted.which !== "all" || wanted.phase !== "" || wanted.severity !== "" || wanted.q !== "";
  const first = read && rows.length === 0 && !filtered && !loading && error === null;
  return (
    <main id="main" class="list" tabIndex={-1}>
      <h1 class="hidden">Incidents</h1>
      <Filters wanted={wanted} search={search} />
      <div class="counts" role="status">
        <span>{read ? (more ? `the newest ${rows.length.toLocaleString()} of more` : count(rows.length, "incident")) : "reading…"}</span>
        <span class="grow" />
        <button type="button" class="small" onClick={() => report(true)}>Report an issue</button>
      </div>
      <Problem text={error} />
      {first ? <FirstRun onReport={() => report(true)} /> : (
        <Rows items={rows} height={narrow ? 72 : 40} label="Incidents" chosen={index} keyOf={(row) => row.id} onEnd={() => void further()}>
          {(row) => <KeptRow incident={row} current={row.id === chosen} />}
        </Rows>
      )}
      {read && rows.length === 0 && filtered && !loading && <p class="nothing">Nothing here. <a href="/">Show all incidents</a></p>}
      {reporting && <Report onClose={() => report(false)} />}
    </main>
  );
}

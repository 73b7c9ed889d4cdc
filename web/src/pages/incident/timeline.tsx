// The loop as it happens, and as it happened: every entry of the journal, pausable, and replayed at any speed.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Entry } from "../../api/types";
import { lines, type Line } from "../../lib/journal";
import { useKeys } from "../../lib/keys";
import { clock, exact } from "../../lib/time";
import { clip, count } from "../../lib/words";
import { kept } from "../../parts/kept";

const NODES: Record<string, string> = { observe: "observe", reason: "reason", act: "act", evaluate: "evaluate" };
const CUT = 280;
/** So many of the newest entries are drawn; more when somebody asks. */
const FEW = 300;

function Item({ line }: { line: Line }) {
  const { entry } = line;
  const [open, show] = useState(false);
  return (
    <li class={`line ${line.tone}`}>
      <time dateTime={entry.at} title={exact(entry.at)}>{clock(entry.at, true)}</time>
      <span class={`node n-${entry.node}`}>{NODES[entry.node] ?? entry.node}</span>
      <div>
        <p><span class="what">{line.title}</span><span class="aside">{line.aside}<button type="button" class="more" aria-expanded={open} aria-label={`whole entry ${entry.seq}`} title="the whole entry" onClick={() => show(!open)}>{"{ }"}</button></span></p>
        {line.call && <p><code class="call">{clip(line.call, CUT)}</code></p>}
        {line.detail && <p class="detail">{clip(line.detail, CUT)}</p>}
        {open && <pre tabIndex={0} aria-label={`entry ${entry.seq}`}>{clip(JSON.stringify(entry.data, null, 1), 60_000)}</pre>}
      </div>
    </li>
  );
}

/** An entry never changes: what was drawn of it stays. */
const KeptItem = kept(Item, (before: { line: Line }, now: { line: Line }) => before.line.entry === now.line.entry);

const SPEEDS: [number, string][] = [[1, "1×"], [4, "4×"], [16, "16×"], [100, "100×"]];

/** Moves through the journal with the time that it took, made shorter. */
function usePlay(entries: Entry[], at: number | null, go: (at: number | null) => void): { playing: boolean; play: (on: boolean) => void; speed: number; setSpeed: (speed: number) => void } {
  const [playing, play] = useState(false);
  const [speed, setSpeed] = useState(4);
  useEffect(() => {
    if (!playing || at === null) return;
    const here = entries.find((entry) => entry.seq === at);
    const next = entries.find((entry) => entry.seq === at + 1);
    if (!here || !next) return play(false);
    const wait = Math.min(1500, Math.max(30, (Date.parse(next.at) - Date.parse(here.at)) / speed));
    const timer = setTimeout(() => go(next.seq), wait);
    return () => clearTimeout(timer);
  }, [playing, at, speed, entries.length]);
  return { playing, play, speed, setSpeed };
}

interface Props { entries: Entry[]; writing: { by: string; text: string } | null; at: number | null; onAt: (at: number | null) => void; over: boolean }

export function Timeline({ entries, writing, at, onAt, over }: Props) {
  const [paused, pause] = useState<number | null>(null);
  const [waits, showWaits] = useState(false);
  const box = useRef<HTMLOListElement>(null);
  const [many, show] = useState(FEW);
  const { playing, play, speed, setSpeed } = usePlay(entries, at, onAt);
  const last = entries.at(-1)?.seq ?? 0;
  const end = at ?? paused ?? last;
  const all = lines(entries.filter((entry) => entry.seq <= end)).filter((line) => waits || line.entry.type !== "wait_ended");
  const shown = all.slice(-many);
  const hidden = entries.filter((entry) => entry.type === "wait_ended" && entry.seq <= end).length;
  const toggle = (): void => {
    if (at !== null) onAt(null);
    pause(paused === null && at === null ? last : null);
  };
  useKeys({ p: toggle });
  const sticky = useRef(true);
  useEffect(() => {
    const list = box.current;
    if (list && sticky.current && (at !== null || !over)) list.scrollTop = list.scrollHeight;
  }, [all.length, writing?.text.length]);
  const begin = (): void => {
    if (at === null || at >= last) onAt(entries[0]?.seq ?? 1);
    play(true);
  };
  let round = -1;
  return (
    <section class="panel timeline" aria-label="Timeline">
      <div class="heading">
        <h2>Timeline</h2>
        <span class="quiet">{count(entries.length, "entry", "entries")}</span>
        <span class="grow" />
        {!over && at === null && <button type="button" class="small" aria-pressed={paused !== null} onClick={toggle}>{paused === null ? "Pause" : last > paused ? `Follow (${last - paused} new)` : "Follow"}</button>}
      </div>
      <div class="replay">
        <button type="button" class="small" disabled={entries.length < 2} onClick={() => (playing ? play(false) : begin())}>{playing ? "Stop" : "Replay"}</button>
        <input type="range" min={entries[0]?.seq ?? 0} max={last} value={end} aria-label="Place in the journal" aria-valuetext={`entry ${end} of ${last}`} disabled={entries.length < 2}
          onInput={(event) => { play(false); const to = Number(event.currentTarget.value); onAt(to >= last ? null : to); }} />
        <label><span class="hidden">Speed</span><select value={speed} onChange={(event) => setSpeed(Number(event.currentTarget.value))}>{SPEEDS.map(([value, name]) => <option key={value} value={value}>{name}</option>)}</select></label>
        {at !== null && <button type="button" class="small" onClick={() => { play(false); onAt(null); }}>Now</button>}
      </div>
      <ol class="lines" ref={box} tabIndex={0} aria-label="Journal" onScroll={(event) => { const list = event.currentTarget; sticky.current = list.scrollHeight - list.scrollTop - list.clientHeight < 40; }}>
        {all.length > shown.length && <li class="earlier"><button type="button" class="small" onClick={() => show(many + 1000)}>{(all.length - shown.length).toLocaleString()} earlier</button></li>}
        {shown.map((line) => {
          const head = line.round !== round;
          round = line.round;
          return [head && line.round > 0 && <li key={`r${line.round}`} class="round">Round {line.round}</li>, <KeptItem key={line.entry.seq} line={line} />];
        })}
        {writing && at === null && paused === null && <li class="line writing"><span /><span class="node n-reason">reason</span><div><p><span class="what">{writing.by} writes</span></p><pre>{clip(writing.text.slice(-2000), 2000)}</pre></div></li>}
      </ol>
      {hidden > 0 && <label class="check"><input type="checkbox" checked={waits} onChange={(event) => showWaits(event.currentTarget.checked)} />show {count(hidden, "ended wait")}</label>}
    </section>
  );
}

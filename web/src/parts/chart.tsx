// Small charts of what the evidence holds, and nothing else.
import { clock } from "../lib/time";
import { figure } from "../lib/words";

const LEFT = 52;
const RIGHT = 8;
const TOP = 10;
const BOTTOM = 22;

type Point = [number, number];
export interface Mark { at: number; label: string }

export function median(values: number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return null;
  return sorted.length % 2 ? (sorted[middle] ?? null) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Counts over time in so many columns. */
export function columns(points: Point[], from: number, to: number, many: number): number[] {
  const counts = new Array<number>(many).fill(0);
  for (const [at, n] of points) {
    const column = Math.min(many - 1, Math.floor(((at - from) / Math.max(1, to - from)) * many));
    if (column >= 0) counts[column] = (counts[column] ?? 0) + n;
  }
  return counts;
}

interface Props { points: Point[]; window?: { start_ms: number; end_ms: number } | undefined; marks: Mark[]; label: string; kind: "line" | "bars" }

export function Chart({ points, window: seen, marks, label, kind }: Props) {
  // Text in a chart keeps its size on a phone.
  const WIDTH = innerWidth < 700 ? 340 : 640;
  const HEIGHT = kind === "line" ? 132 : 84;
  // Lines of a new kind are out of the ordinary from the first to the last.
  const window = kind === "line" ? seen : undefined;
  const clean = points.filter(([at, value]) => Number.isFinite(at) && Number.isFinite(value));
  const times = clean.map(([at]) => at);
  const from = Math.min(...times, window?.start_ms ?? Infinity);
  const to = Math.max(...times, from + 1);
  if (clean.length < 2) return null;
  const many = 48;
  const bars = kind === "bars" ? columns(clean, from, to, many) : [];
  const values = kind === "bars" ? bars : clean.map(([, value]) => value);
  const low = kind === "bars" ? 0 : Math.min(0, ...values);
  const high = Math.max(...values, low + Number.EPSILON);
  const x = (at: number): number => LEFT + ((at - from) / (to - from)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const before = window ? median(clean.filter(([at]) => at < window.start_ms).map(([, value]) => value)) : null;
  const shown = marks.filter(({ at }) => at >= from && at <= to);
  const wide = (WIDTH - LEFT - RIGHT) / many;
  return (
    <figure class="chart">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
        {window && window.end_ms > window.start_ms && <rect class="window" x={x(Math.max(from, window.start_ms))} y={TOP} width={Math.max(2, x(Math.min(to, window.end_ms)) - x(Math.max(from, window.start_ms)))} height={HEIGHT - TOP - BOTTOM} />}
        <line class="axis" x1={LEFT} x2={WIDTH - RIGHT} y1={y(low)} y2={y(low)} />
        <text class="tick" x={LEFT - 6} y={y(high) + 8} text-anchor="end">{figure(high)}</text>
        <text class="tick" x={LEFT - 6} y={y(low)} text-anchor="end">{figure(low)}</text>
        <text class="tick" x={LEFT} y={HEIGHT - 6}>{clock(from)}</text>
        <text class="tick" x={WIDTH - RIGHT} y={HEIGHT - 6} text-anchor="end">{clock(to)}</text>
        {before !== null && <line class="baseline" x1={LEFT} x2={WIDTH - RIGHT} y1={y(before)} y2={y(before)} />}
        {kind === "line"
          ? <polyline class="line" points={clean.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ")} />
          : bars.map((value, n) => value > 0 && <rect key={n} class="bar" x={LEFT + n * wide + 0.5} y={y(value)} width={Math.max(1, wide - 1)} height={y(0) - y(value)} />)}
        {shown.map(({ at, label: name }) => <line key={`${at}${name}`} class="mark" x1={x(at)} x2={x(at)} y1={TOP} y2={HEIGHT - BOTTOM}><title>{name}</title></line>)}
      </svg>
      <figcaption>
        {window && <span><i class="key window" />out of the ordinary from {clock(window.start_ms)}</span>}
        {before !== null && <span><i class="key baseline" />median before: {figure(before)}</span>}
        {kind === "bars" && <span><i class="key bar" />lines over time</span>}
        {shown.map(({ at, label: name }) => <span key={`${at}${name}`}><i class="key mark" />{clock(at)} {name}</span>)}
      </figcaption>
    </figure>
  );
}

// Who calls whom, with suspicion on it.
import type { Entity } from "../api/types";
import { clip, percent } from "../lib/words";

export const nameOf = (entity: Entity): string => `${entity.kind}/${entity.namespace ? `${entity.namespace}/` : ""}${entity.name}`;

/** A column for everybody: callers left of callees; whoever is in a circle stays where the circle was entered. */
export function layers(calls: [Entity, Entity][]): string[][] {
  const names = [...new Set(calls.flatMap(([a, b]) => [nameOf(a), nameOf(b)]))].sort();
  const depth = new Map(names.map((name) => [name, 0]));
  for (let round = 0; round < Math.min(names.length, 12); round += 1) {
    for (const [a, b] of calls) {
      const next = (depth.get(nameOf(a)) ?? 0) + 1;
      if (next > (depth.get(nameOf(b)) ?? 0) && next <= 8 && nameOf(a) !== nameOf(b)) depth.set(nameOf(b), next);
    }
  }
  const columns: string[][] = [];
  for (const name of names) (columns[depth.get(name) ?? 0] ??= []).push(name);
  return columns.filter((column) => column.length > 0);
}

const WIDE = 150;
const HIGH = 30;

export function Graph({ calls, suspicion }: { calls: [Entity, Entity][]; suspicion: Map<string, number> }) {
  const columns = layers(calls);
  const rows = Math.max(...columns.map((column) => column.length));
  const place = new Map(columns.flatMap((column, n) => column.map((name, m) => [name, { x: n * (WIDE + 50) + 4, y: m * (HIGH + 14) + 4 + ((rows - column.length) * (HIGH + 14)) / 2 }] as const)));
  const width = columns.length * (WIDE + 50) - 42;
  const height = rows * (HIGH + 14);
  if (place.size > 60) return <p class="quiet">{place.size} components: too many to draw.</p>;
  return (
    <div class="graph" tabIndex={0} role="group" aria-label="dependencies between components">
      <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={`${calls.length} dependencies between ${place.size} components`}>
        {calls.map(([a, b]) => {
          const [from, to] = [place.get(nameOf(a)), place.get(nameOf(b))];
          if (!from || !to) return null;
          const [x1, y1, x2, y2] = [from.x + WIDE, from.y + HIGH / 2, to.x, to.y + HIGH / 2];
          return <path key={`${nameOf(a)} ${nameOf(b)}`} class="edge" d={`M${x1} ${y1} C${x1 + 25} ${y1} ${x2 - 25} ${y2} ${x2} ${y2}`} />;
        })}
        {[...place].map(([name, { x, y }]) => {
          const sure = suspicion.get(name);
          const short = name.split("/").at(-1) ?? name;
          return (
            <g key={name} class={sure === undefined ? "node" : sure >= 0.6 ? "node bad" : "node warn"}>
              <title>{name}</title>
              <rect x={x} y={y} width={WIDE} height={HIGH} rx="5" />
              <text x={x + 10} y={y + 20}>{clip(short, sure === undefined ? 18 : 13)}</text>
              {sure !== undefined && <text class="share" x={x + WIDE - 8} y={y + 20} text-anchor="end">{percent(sure)}</text>}
            </g>
          );
        })}
      </svg>
    </div>
  );
}

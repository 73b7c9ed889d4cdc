// Thousands of rows of one height; only those in sight exist.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props<T> {
  items: T[];
  height: number;
  label: string;
  chosen: number;
  keyOf: (item: T) => string;
  children: (item: T, index: number) => ComponentChildren;
  onEnd: () => void;
}

const BEYOND = 8;

/** Which rows to draw for a place of the scroll bar. */
export function inSight(top: number, view: number, height: number, count: number): { from: number; to: number } {
  const from = Math.max(0, Math.floor(top / height) - BEYOND);
  return { from: Math.min(from, count), to: Math.min(count, Math.ceil((top + view) / height) + BEYOND) };
}

export function Rows<T>({ items, height, label, chosen, keyOf, children, onEnd }: Props<T>) {
  const frame = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState({ from: 0, to: 40 });
  const look = (): void => {
    const box = frame.current;
    if (!box) return;
    const next = inSight(box.scrollTop, box.clientHeight, height, items.length);
    setRange((old) => (old.from === next.from && old.to === next.to ? old : next));
    if (next.to >= items.length - 40) onEnd();
  };
  useLayoutEffect(look, [items.length, height]);
  useEffect(() => {
    const box = frame.current;
    if (!box) return;
    const watch = new ResizeObserver(look);
    watch.observe(box);
    return () => watch.disconnect();
  });
  useLayoutEffect(() => {
    const box = frame.current;
    if (!box || chosen < 0) return;
    const top = chosen * height;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + height > box.scrollTop + box.clientHeight) box.scrollTop = top + height - box.clientHeight;
  }, [chosen]);
  return (
    <div class="rows" ref={frame} onScroll={look}>
      <ol aria-label={label} style={{ height: `${items.length * height}px` }}>
        {items.slice(range.from, range.to).map((item, n) => {
          const index = range.from + n;
          return <li key={keyOf(item)} aria-setsize={items.length} aria-posinset={index + 1} style={{ transform: `translateY(${index * height}px)`, height: `${height}px` }}>{children(item, index)}</li>;
        })}
      </ol>
    </div>
  );
}

// Times: relative for a glance, exact for the record, in the reader's zone.
import { signal } from "@preact/signals";

/** The present, moved on by itself while anybody looks. */
export const now = signal(Date.now());
let ticking: ReturnType<typeof setInterval> | undefined;

export function tick(every = 1000): void {
  clearInterval(ticking);
  ticking = setInterval(() => {
    if (!document.hidden) now.value = Date.now();
  }, every);
}

export function span(millis: number): string {
  const ms = Math.max(0, millis);
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (ms < 9950 && ms % 1000 !== 0) return `${(ms / 1000).toFixed(1)} s`;
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

/** How long ago, in one unit. */
export function ago(at: string, present: number): string {
  const seconds = Math.round((present - Date.parse(at)) / 1000);
  if (Number.isNaN(seconds)) return "";
  const ahead = seconds < -1;
  const size = Math.abs(seconds);
  const [value, unit] = size < 60 ? [size, "s"] : size < 3600 ? [Math.floor(size / 60), "min"] : size < 172_800 ? [Math.floor(size / 3600), "h"] : [Math.floor(size / 86_400), "d"];
  if (size < 5) return "now";
  return ahead ? `in ${value} ${unit}` : `${value} ${unit} ago`;
}

export const exact = (at: string): string => {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? at : `${date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" })} · ${date.toISOString()}`;
};

export const clock = (at: string | number, millis = false): string => {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return "";
  const text = date.toLocaleTimeString(undefined, { hour12: false });
  return millis ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
};

// Following the journal: one WebSocket that comes back by itself, resumes by position, and gives every entry out once.
import { signal } from "@preact/signals";
import type { Entry } from "../api/types";

export type Connection = "connecting" | "live" | "away";
export interface Partial { incident_id: string; at: string; data: { by: string; text: string } }

/** Where the connection stands, and since when it has been gone. */
export const connection = signal<{ state: Connection; since: number }>({ state: "connecting", since: Date.now() });

/** What one frame means; keeps the position, so that nothing is taken twice and a hole is noticed. */
export class Reel {
  position: number | null = null;

  /** The entry, if it is new; null for one that was seen. */
  take(entry: Entry): Entry | null {
    if (this.position !== null && entry.position <= this.position) return null;
    this.position = entry.position;
    return entry;
  }

  /** Where to resume. */
  get after(): string {
    return this.position === null ? "" : `?after=${this.position}`;
  }
}

interface Listener { entries(batch: Entry[]): void; partial?(piece: Partial): void; /** The stream cannot be resumed without a gap. */ restart?(): void }

const listeners = new Set<Listener>();
const reel = new Reel();
let socket: WebSocket | null = null;
let wait = 500;
let waiting: ReturnType<typeof setTimeout> | undefined;
let batch: Entry[] = [];
let flushing: ReturnType<typeof setTimeout> | undefined;

function flush(): void {
  flushing = undefined;
  const entries = batch;
  batch = [];
  for (const listener of listeners) listener.entries(entries);
}

function heard(text: string): void {
  const frame = JSON.parse(text) as Entry | { type: "lagged"; resume_after: number } | ({ type: "partial" } & Partial);
  if ("resume_after" in frame) {
    reel.position = frame.resume_after;
  } else if ("position" in frame) {
    const entry = reel.take(frame);
    if (!entry) return;
    batch.push(entry);
    // A storm is drawn a few times a second, however many entries it brings.
    flushing ??= setTimeout(flush, 100);
  } else if ("incident_id" in frame) {
    for (const listener of listeners) listener.partial?.(frame);
  }
}

function restart(): void {
  reel.position = null;
  for (const listener of listeners) listener.restart?.();
}

function connect(): void {
  clearTimeout(waiting);
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const resumed = reel.position !== null;
  let opened = false;
  const mine = new WebSocket(`${scheme}://${location.host}/stream${reel.after}`);
  socket = mine;
  mine.onopen = () => {
    opened = true;
    wait = 500;
    connection.value = { state: "live", since: Date.now() };
    // Without a position there may be a gap between what was read and what is heard from now on.
    if (!resumed) for (const listener of listeners) listener.restart?.();
  };
  mine.onmessage = (message: MessageEvent<string>) => {
    heard(message.data);
  };
  mine.onclose = () => {
    if (socket !== mine) return;
    if (connection.value.state !== "away") connection.value = { state: "away", since: Date.now() };
    // A position that the server no longer keeps is refused before the upgrade; start afresh then.
    if (!opened && resumed && wait > 4000) restart();
    waiting = setTimeout(connect, wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, 10_000);
  };
}

export function follow(): void {
  if (!socket) connect();
}

/** Tries at once: after signing in, or when somebody asks. */
export function reconnect(): void {
  const old = socket;
  wait = 500;
  socket = null;
  old?.close();
  connect();
}

export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function watchVisibility(): void {
  const retry = (): void => {
    if (!document.hidden && connection.value.state === "away") reconnect();
  };
  document.addEventListener("visibilitychange", retry);
  addEventListener("online", retry);
}

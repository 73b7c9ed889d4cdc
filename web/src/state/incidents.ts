// The list: pages from the server, kept true by the stream. What a view contains is decided by the server's own filters.
import { signal } from "@preact/signals";
import { api, Refused } from "../api/client";
import type { Entry, Incident } from "../api/types";
import { listen } from "../lib/stream";
import { NEEDS_A_PERSON } from "../lib/words";

export type Which = "all" | "needs" | "open" | "closed";
export interface Wanted { which: Which; phase: string; severity: string; q: string; sort: string }

const PAGE = 500;
/** Above so many changed incidents the list is read again rather than one incident each. */
const SINGLY = 8;

type Filter = Record<string, string>;

/** The server filters by one word at a time: some views are several lists put together. */
function filtersOf(wanted: Wanted): Filter[] {
  const common: Filter = {};
  if (wanted.severity) common["severity"] = wanted.severity;
  if (wanted.q.trim()) common["q"] = wanted.q.trim();
  if (wanted.phase) return [{ ...common, phase: wanted.phase }];
  if (wanted.which === "needs") return NEEDS_A_PERSON.map((phase) => ({ ...common, phase }));
  if (wanted.which === "open") return [{ ...common, status: "queued" }, { ...common, status: "processing" }];
  if (wanted.which === "closed") return [{ ...common, status: "resolved" }];
  return [common];
}

/** Whether an incident belongs into a view; full-text search is the server's business. */
export function belongs(incident: Incident, wanted: Wanted): boolean {
  if (wanted.severity && incident.severity !== wanted.severity) return false;
  if (wanted.phase) return incident.phase === wanted.phase;
  if (wanted.which === "needs") return (NEEDS_A_PERSON as readonly string[]).includes(incident.phase);
  if (wanted.which === "open") return incident.status !== "resolved";
  if (wanted.which === "closed") return incident.status === "resolved";
  return true;
}

const SEVERITIES = ["low", "medium", "high", "critical"];

export function sorted(rows: Iterable<Incident>, sort: string): Incident[] {
  const newest = (a: Incident, b: Incident): number => (a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : a.id < b.id ? 1 : -1);
  const by: Record<string, (a: Incident, b: Incident) => number> = {
    severity: (a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) || newest(a, b),
    changed: (a, b) => (a.updated_at < b.updated_at ? 1 : a.updated_at > b.updated_at ? -1 : newest(a, b)),
    oldest: (a, b) => newest(b, a),
  };
  return [...rows].sort(by[sort] ?? newest);
}

export interface List { rows: Incident[]; loading: boolean; more: boolean; error: string | null; read: boolean }
export const list = signal<List>({ rows: [], loading: false, more: false, error: null, read: false });
/** How many wait for a person; `more` if there are more than were counted. */
export const needy = signal<{ count: number; more: boolean }>({ count: 0, more: false });

let wanted: Wanted = { which: "all", phase: "", severity: "", q: "", sort: "" };
let rows = new Map<string, Incident>();
let pages: { filter: Filter; cursor: string | null }[] = [];
let turn = 0;

function show(changes: Omit<Partial<List>, "rows"> = {}): void {
  list.value = { ...list.value, ...changes, rows: sorted(rows.values(), wanted.sort), more: pages.some((page) => page.cursor !== null) };
}

async function read(filter: Filter, cursor: string | null, limit: number): Promise<{ incidents: Incident[]; next: string | null }> {
  const page = await api.get("/api/incidents", { query: { ...filter, limit, ...(cursor === null ? {} : { cursor }) } });
  return { incidents: page.incidents as Incident[], next: page.next_cursor ?? null };
}

const said = (error: unknown): string => (error instanceof Refused ? error.message : "the list could not be read; reload the page");

/** Shows another view. */
export async function want(next: Wanted): Promise<void> {
  const resort = JSON.stringify({ ...next, sort: "" }) === JSON.stringify({ ...wanted, sort: "" }) && list.value.read;
  wanted = next;
  if (resort) return show();
  await again(false);
}

/** Reads the view from its beginning; rows stay until the new ones are there. */
async function again(deep: boolean): Promise<void> {
  const mine = ++turn;
  list.value = { ...list.value, loading: true };
  try {
    const limit = deep ? Math.min(1000, Math.max(PAGE, rows.size)) : PAGE;
    const found = await Promise.all(filtersOf(wanted).map(async (filter) => ({ filter, page: await read(filter, null, limit) })));
    if (mine !== turn) return;
    const fresh = new Map(found.flatMap(({ page }) => page.incidents.map((incident) => [incident.id, incident] as const)));
    if (deep && rows.size > limit) {
      // Rows beyond the first page stay as they were read.
      for (const [id, incident] of rows) if (!fresh.has(id) && belongs(incident, wanted)) fresh.set(id, incident);
    } else {
      pages = found.map(({ filter, page }) => ({ filter, cursor: page.next }));
    }
    rows = fresh;
    show({ loading: false, error: null, read: true });
  } catch (error) {
    if (mine === turn) list.value = { ...list.value, loading: false, error: said(error) };
  }
}

/** Reads on where the view ended so far. */
export async function further(): Promise<void> {
  if (list.value.loading || !pages.some((page) => page.cursor !== null)) return;
  const mine = turn;
  list.value = { ...list.value, loading: true };
  try {
    const next = await Promise.all(pages.map(async (page) => {
      if (page.cursor === null) return page;
      const { incidents, next } = await read(page.filter, page.cursor, 1000);
      if (mine === turn) for (const incident of incidents) rows.set(incident.id, incident);
      return { filter: page.filter, cursor: next };
    }));
    if (mine !== turn) return;
    pages = next;
    show({ loading: false, error: null });
  } catch (error) {
    if (mine === turn) list.value = { ...list.value, loading: false, error: said(error) };
  }
}

async function countNeedy(): Promise<void> {
  const found = await Promise.all(NEEDS_A_PERSON.map((phase) => read({ phase }, null, 100)));
  needy.value = { count: found.reduce((sum, page) => sum + page.incidents.length, 0), more: found.some((page) => page.next !== null) };
}

let looking = false;
let stale = false;

/** Somebody looks at the list; while nobody does, it is only counted who waits. */
export function look(): () => void {
  looking = true;
  if (stale && list.value.read) void again(true);
  stale = false;
  return () => (looking = false);
}

const changed = new Set<string>();
let due: ReturnType<typeof setTimeout> | undefined;
let lastCount = 0;

async function catchUp(): Promise<void> {
  due = undefined;
  const ids = [...changed];
  changed.clear();
  const searching = wanted.q.trim() !== "" && ids.some((id) => !rows.has(id));
  if (!looking) {
    stale = true;
  } else if (ids.length > SINGLY || searching) {
    await again(true);
  } else {
    const read = await Promise.all(ids.map((id) => api.get("/api/incidents/{id}", { path: { id } }).catch(() => null)));
    for (const incident of read as (Incident | null)[]) {
      if (!incident) continue;
      if (belongs(incident, wanted)) rows.set(incident.id, incident);
      else rows.delete(incident.id);
    }
    show();
  }
  if (Date.now() - lastCount > 1500) {
    lastCount = Date.now();
    await countNeedy().catch(() => undefined);
  } else {
    soon(1600);
  }
}

function soon(after = changed.size > SINGLY ? 1500 : 300): void {
  due ??= setTimeout(() => void catchUp(), after);
}

/** Keeps the list true while this is in use. */
export function keepTrue(): () => void {
  void countNeedy().catch(() => undefined);
  return listen({
    entries(batch: Entry[]) {
      for (const entry of batch) changed.add(entry.incident_id);
      soon();
    },
    restart() {
      if (list.value.read) void again(true);
      void countNeedy().catch(() => undefined);
    },
  });
}

// One incident: the server's readings of it, its journal, and what is heard live.
import { signal } from "@preact/signals";
import { api, Refused } from "../api/client";
import type { Action, Entry, Evidence, Gap, Hypothesis, IncidentDetail, NotPlanned, RuledOut } from "../api/types";
import { listen } from "../lib/stream";

export interface CaseState {
  incident: IncidentDetail | null;
  hypotheses: Hypothesis[];
  ruledOut: RuledOut[];
  actions: Action[];
  notPlanned: NotPlanned[];
  evidence: Evidence[];
  gaps: Gap[];
  entries: Entry[];
  /** A model's text on its way; never part of the journal. */
  writing: { by: string; text: string } | null;
  error: string | null;
}

const EMPTY: CaseState = { incident: null, hypotheses: [], ruledOut: [], actions: [], notPlanned: [], evidence: [], gaps: [], entries: [], writing: null, error: null };
const WRITING_LIMIT = 20_000;
const ENTRIES_LIMIT = 20_000;

/** Adds what was heard, once and in order; whether something is missing in between. */
export function grown(entries: Entry[], heard: Entry[]): { entries: Entry[]; gap: boolean } {
  const fresh: Entry[] = [];
  let last = entries.at(-1)?.seq ?? 0;
  for (const entry of [...heard].sort((a, b) => a.seq - b.seq)) {
    if (entry.seq <= last) continue;
    if (entry.seq > last + 1) return { entries: fresh.length ? [...entries, ...fresh] : entries, gap: true };
    fresh.push(entry);
    last = entry.seq;
  }
  return { entries: fresh.length ? [...entries, ...fresh] : entries, gap: false };
}

/** The old value where the new one says the same: what has not changed is not drawn again. */
function kept<T>(old: T, fresh: unknown): T {
  return JSON.stringify(old) === JSON.stringify(fresh) ? old : (fresh as T);
}

export class Case {
  readonly state = signal<CaseState>(EMPTY);
  private readonly path: { path: { id: string } };
  private due: ReturnType<typeof setTimeout> | undefined;
  private reading = false;
  private again = false;
  private took = 0;
  private closed = false;

  constructor(readonly id: string) {
    this.path = { path: { id } };
  }

  start(): () => void {
    const stop = listen({
      entries: (batch) => this.heard(batch.filter((entry) => entry.incident_id === this.id)),
      partial: (piece) => {
        if (piece.incident_id === this.id) this.write(piece.data);
      },
      restart: () => void this.read(),
    });
    void this.read();
    return () => {
      this.closed = true;
      clearTimeout(this.due);
      stop();
    };
  }

  private change(changes: Partial<CaseState>): void {
    if (!this.closed) this.state.value = { ...this.state.value, ...changes };
  }

  private write({ by, text }: { by: string; text: string }): void {
    const before = this.state.value.writing;
    const whole = (before?.by === by ? before.text : "") + text;
    this.change({ writing: { by, text: whole.slice(-WRITING_LIMIT) } });
  }

  private heard(batch: Entry[]): void {
    if (batch.length === 0) return;
    const { entries, gap } = grown(this.state.value.entries, batch);
    const said = batch.some((entry) => ["turn_taken", "model_failed", "reasoner_failed", "doubted", "answer_held"].includes(entry.type));
    this.change({ entries, ...(said ? { writing: null } : {}) });
    // A long journal takes the server longer to read: it is asked for less often then.
    this.due ??= setTimeout(() => {
      this.due = undefined;
      void this.read(gap);
    }, Math.max(200, 3 * this.took));
  }

  /** Reads everything again: the journal from where it is known. */
  async read(journal = true): Promise<void> {
    if (this.reading) {
      this.again = true;
      return;
    }
    this.reading = true;
    const began = performance.now();
    try {
      const [incident, believed, deeds, seen] = await Promise.all([
        api.get("/api/incidents/{id}", this.path), api.get("/api/incidents/{id}/hypotheses", this.path),
        api.get("/api/incidents/{id}/actions", this.path), api.get("/api/incidents/{id}/evidence", this.path),
      ]);
      const old = this.state.value;
      this.change({
        incident: incident as unknown as IncidentDetail, hypotheses: kept(old.hypotheses, believed.hypotheses), ruledOut: kept(old.ruledOut, believed.ruled_out),
        actions: kept(old.actions, deeds.actions), notPlanned: kept(old.notPlanned, deeds.not_planned), evidence: kept(old.evidence, seen.evidence), gaps: kept(old.gaps, seen.gaps), error: null,
      });
      if (journal || (this.state.value.entries.at(-1)?.seq ?? 0) < (incident as unknown as IncidentDetail).seq) await this.readJournal();
    } catch (error) {
      this.change({ error: error instanceof Refused ? error.message : "the incident could not be read; reload the page" });
    } finally {
      this.reading = false;
      this.took = performance.now() - began;
    }
    if (this.again) {
      this.again = false;
      await this.read();
    }
  }

  private async readJournal(): Promise<void> {
    for (;;) {
      const last = this.state.value.entries.at(-1)?.seq;
      const page = await api.get("/api/incidents/{id}/journal", { ...this.path, query: { limit: 1000, ...(last === undefined ? {} : { cursor: `s${last}` }) } });
      const { entries } = grown(this.state.value.entries, page.entries as unknown as Entry[]);
      this.change({ entries });
      if (this.closed || !page.next_cursor || entries.length > ENTRIES_LIMIT) return;
    }
  }
}

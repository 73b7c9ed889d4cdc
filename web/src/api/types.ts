// Names for what the description generated, and shapes of what it leaves open: a journal's facts are read defensively.
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Incident = Omit<Schemas["Incident"], "severity" | "signal_type" | "resolution" | "metadata"> & { metadata: Record<string, unknown>; severity: string; signal_type: string; resolution: string | null };
export type IncidentDetail = Incident & {
  seq: number;
  alerts: { fingerprint: string; title: string; firing: boolean; severity: string; count: number }[];
  gaps: Gap[];
  spent: Spent;
  budget: Spent & { minutes?: number };
  first_hypothesis_at: string | null;
};
export interface Spent { turns?: number; tokens?: number; micro_usd?: number; deeds?: number }
export interface Gap { what: string; why: string }
export interface Entry { position: number; incident_id: string; seq: number; at: string; node: string; type: string; data: Fact }
export type Fact = Record<string, unknown>;
export interface Query { id: string; tool: string; args: Record<string, string>; why: string }
export interface Finding {
  subject?: { kind: string; name: string; namespace?: string };
  kind?: string;
  fault?: string;
  window?: { start_ms: number; end_ms: number };
  excerpt?: string;
  points?: [number, number][];
  calls?: [Entity, Entity][];
}
export interface Entity { kind: string; name: string; namespace?: string }
export interface Evidence {
  id: string; query: string; subject: string; kind: string; summary: string; strength: number; source: string;
  outsider_can_write: boolean; finding: Finding | null;
}
export interface Hypothesis { id: string; component: string; fault: string; confidence: number; statement: string; supports: string[]; contradicts: string[] }
export interface RuledOut { what: string; why: string; because: string[] }
export interface Deed { argv?: string[]; http?: { method: string; url: string; body?: unknown } }
export interface Verification { every_seconds?: number; hold_seconds?: number; within_seconds?: number; expect?: { kind?: string; metric?: string; subject?: string; at_least?: number; at_most?: number }; queries?: Query[] }
export interface Action {
  id: string; hash: string; kind: string; deed: Deed; target: string; environment: string; undo: Deed | null; verification: Verification;
  blast_radius: { description?: string; objects?: number }; evidence: string[]; ruling: { verdict: string; why: string; approvals?: number; role?: string } | null; state: string;
  expires_at: string; why: string; hypothesis_id: string; precondition: string; decided_by: string | null; attempts: number; output: string;
}
export interface NotPlanned { kind: string; target: string; why: string }
export interface Postmortem {
  title: string; phase: string; outcome: string; duration_millis: number | null; cause: string | null; supported_by: string[]; ruled_out: string[];
  gaps: string[]; actions: string[]; notes: string[]; timeline: { at: string; node: string; what: string }[];
}
export type Repo = Schemas["Repo"];

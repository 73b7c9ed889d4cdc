// Reading a journal: what was known at any of its entries, and what each entry says in one line.
import type { Action, Deed, Entry, Evidence, Fact, Gap, Hypothesis, NotPlanned, Query, RuledOut } from "../api/types";
import { component, count, dollars, percent, plain } from "./words";


/** What was known when an entry had been written. */
export interface Known {
  evidence: Evidence[];
  gaps: Gap[];
  hypotheses: Hypothesis[];
  ruledOut: RuledOut[];
  actions: Action[];
  notPlanned: NotPlanned[];
  node: string;
  resolution: string | null;
}

const list = <T>(value: unknown): T[] => (Array.isArray(value) ? (value as T[]) : []);
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number => (typeof value === "number" ? value : 0);
const fact = (value: unknown): Fact => (typeof value === "object" && value !== null ? (value as Fact) : {});

const STATES: Record<string, (data: Fact) => string> = {
  approval_requested: () => "awaiting_approval",
  approval_granted: () => "authorized",
  approval_rejected: () => "rejected",
  approval_expired: () => "expired",
  deed_blocked: () => "blocked",
  action_started: () => "started",
  action_finished: (data) => (data["ok"] === true ? "done" : "failed"),
  verified: (data) => (data["outcome"] === "fixed" ? "fixed" : "unhelpful"),
};

function proposed(data: Fact): Action {
  const action = fact(data["action"]);
  return {
    id: text(action["id"]), hash: text(data["hash"]), kind: text(action["kind"]), deed: fact(action["deed"]), target: text(action["target"]),
    environment: text(action["environment"]), undo: action["undo"] ? (fact(action["undo"])) : null, verification: fact(action["verification"]),
    blast_radius: fact(action["blast_radius"]), evidence: list<string>(action["evidence"]), ruling: null, state: "proposed", expires_at: text(action["expires_at"]),
    why: text(action["why"]), hypothesis_id: text(action["because"]), precondition: text(action["precondition"]), decided_by: null, attempts: 0, output: "",
  };
}

/** What a journal's beginning tells. The server's own readings are the truth of the present; this is for the past. */
export function known(entries: Entry[]): Known {
  const so: Known = { evidence: [], gaps: [], hypotheses: [], ruledOut: [], actions: [], notPlanned: [], node: "observe", resolution: null };
  for (const { type, data, node } of entries) {
    so.node = node;
    if (type === "evidence_gathered") {
      so.evidence.push(...list<Evidence>(data["evidence"]));
      so.gaps.push(...list<Gap>(data["gaps"]));
    } else if (type === "query_failed") {
      so.gaps.push(fact(data["gap"]) as unknown as Gap);
    } else if (type === "hypotheses_formed") {
      so.hypotheses = list<Hypothesis>(data["hypotheses"]);
      so.ruledOut = list<RuledOut>(data["ruled_out"]);
      so.gaps.push(...list<Gap>(data["gaps"]));
    } else if (type === "action_proposed") {
      so.actions.push(proposed(data));
    } else if (type === "action_not_planned") {
      const draft = fact(data["draft"]);
      so.notPlanned.push({ kind: text(draft["kind"]), target: text(draft["target"]), why: text(data["why"]) });
    } else if (type === "resolved") {
      so.resolution = text(data["resolution"]);
    }
    const action = so.actions.find((one) => one.id === data["action"]);
    if (!action) continue;
    action.state = STATES[type]?.(data) ?? action.state;
    if (type === "action_ruled") {
      action.ruling = fact(data["ruling"]) as unknown as Action["ruling"];
      if (action.ruling?.verdict === "deny") action.state = "denied";
    } else if (type === "approval_granted") {
      // Where two are needed, the deed waits for the other one.
      const given = [...(action.decided_by?.split(", ") ?? []), text(data["by"])];
      action.decided_by = given.join(", ");
      if (given.length < (action.ruling?.approvals ?? 1)) action.state = "awaiting_approval";
    } else if (type === "approval_rejected") action.decided_by = text(data["by"]);
    else if (type === "action_finished") action.output = text(data["output"]);
    else if (type === "action_started") action.attempts = number(data["attempt"]);
  }
  return so;
}

/** One line of the timeline. */
export interface Line {
  entry: Entry;
  /** Which turn of the reasoner it belongs to; 0 before the first. */
  round: number;
  title: string;
  detail: string;
  /** A call as a person could repeat it. */
  call: string;
  aside: string;
  tone: "" | "good" | "warn" | "bad" | "quiet";
}

type Said = Partial<Omit<Line, "entry" | "round">> & { title: string };

function cost(data: Fact): string {
  const usage = fact(data["usage"]);
  const tokens = number(usage["input_tokens"]) + number(usage["output_tokens"]) + number(usage["cache_read_tokens"]) + number(usage["cache_written_tokens"]);
  return tokens === 0 ? "" : `${count(tokens, "token")} · ${dollars(number(usage["micro_usd"]))}`;
}

const by = (data: Fact): string => text(data["by"]);
const why = (data: Fact): string => text(data["why"]);
export const argv = (deed: Deed | null): string => (deed?.argv ? deed.argv.join(" ") : deed?.http ? `${deed.http.method} ${deed.http.url}` : "");

const WORDS: Record<string, (data: Fact, queries: Map<string, Query>) => Said> = {
  opened: (data) => ({ title: `opened by ${text(fact(data["signal"])["source"]) || "a signal"}`, detail: text(fact(data["signal"])["title"]) }),
  alert_joined: (data) => ({ title: "another alert joined", detail: [text(data["title"]), why(data)].filter(Boolean).join(" · ") }),
  alert_resolved: () => ({ title: "an alert is over, says its sender", tone: "good" }),
  reopened: () => ({ title: "the same alert came back", tone: "warn" }),
  turn_taken: (data) => ({ title: `${by(data)} took a turn`, aside: cost(data), detail: text(fact(data["reply"])["text"]) }),
  model_failed: (data) => ({ title: `${by(data)} gave nothing to use`, detail: why(data), tone: "bad", aside: cost(data) }),
  evidence_shown: (data) => ({ title: "asked to see more evidence", detail: list<string>(data["evidence"]).join(", ") }),
  answer_held: () => ({ title: "the answer is held for a second look" }),
  doubted: (data) => ({ title: `second look by ${by(data)}`, detail: why(data) || list<{ hypothesis: string; confidence: number }>(data["verdicts"]).map((one) => `${one.hypothesis}: at most ${percent(one.confidence)}`).join(", "), aside: cost(data) }),
  queries_opened: (data) => ({ title: `asks ${count(list(data["queries"]).length, "read")}`, detail: [...new Set(list<Query>(data["queries"]).map((one) => one.tool))].join(", ") }),
  evidence_gathered: (data, queries) => {
    const found = list(data["evidence"]).length;
    const query = queries.get(text(data["query"]));
    return { title: query?.why ?? "read", call: text(data["call"]), aside: `${count(found, "finding")} · ${number(data["millis"]).toLocaleString()} ms`, tone: found === 0 ? "quiet" : "" };
  },
  query_deferred: (data, queries) => ({ title: `${queries.get(text(data["query"]))?.tool ?? "a read"} is tried again`, detail: why(data), tone: "warn" }),
  query_failed: (data) => ({ title: `could not read ${text(fact(data["gap"])["what"])}`, detail: text(fact(data["gap"])["why"]), tone: "warn" }),
  wait_ended: () => ({ title: "a wait is over", tone: "quiet" }),
  hypotheses_formed: (data) => {
    const best = list<Hypothesis>(data["hypotheses"])[0];
    return best ? { title: `believes ${component(best.component)}: ${plain(best.fault)}`, detail: best.statement, aside: percent(best.confidence) } : { title: "has no hypothesis" };
  },
  turn_refused: (data) => ({ title: "a turn was not accepted", detail: why(data), tone: "warn" }),
  reasoner_failed: (data) => ({ title: "the reasoner did not answer and is asked again", detail: why(data), tone: "warn", aside: cost(data) }),
  action_not_planned: (data) => ({ title: `${text(fact(data["draft"])["kind"])} would help, but cannot be planned`, detail: why(data), tone: "warn" }),
  action_proposed: (data) => ({ title: `proposes ${text(fact(data["action"])["kind"])} on ${component(text(fact(data["action"])["target"]))}`, call: argv(fact(fact(data["action"])["deed"])) }),
  action_ruled: (data) => ({ title: `policy: ${text(fact(data["ruling"])["verdict"])}`, detail: text(fact(data["ruling"])["why"]), tone: fact(data["ruling"])["verdict"] === "deny" ? "bad" : "" }),
  approval_requested: (data) => ({ title: `waits for a person to approve ${text(data["action"])}`, tone: "warn" }),
  approval_granted: (data) => ({ title: `${by(data)} approved ${text(data["action"])}`, detail: text(data["comment"]), tone: "good" }),
  approval_rejected: (data) => ({ title: `${by(data)} rejected ${text(data["action"])}`, detail: text(data["comment"]), tone: "bad" }),
  approval_expired: (data) => ({ title: `nobody decided on ${text(data["action"])} in time`, tone: "bad" }),
  state_checked: (data) => ({ title: text(fact(data["reading"])["health"]) || "looked", detail: text(fact(data["reading"])["note"]), tone: fact(data["reading"])["health"] === "healthy" ? "good" : fact(data["reading"])["health"] === "unhealthy" ? "bad" : "warn" }),
  deed_blocked: (data) => ({ title: `${text(data["action"])} was not done`, detail: why(data), tone: "warn" }),
  action_started: (data) => ({ title: `${text(data["action"])} starts, attempt ${number(data["attempt"])}` }),
  action_finished: (data) => ({ title: `${text(data["action"])} ${data["ok"] === true ? "done" : "failed"}`, detail: text(data["output"]), tone: data["ok"] === true ? "good" : "bad" }),
  reconciled: (data) => ({ title: `looked whether ${text(data["action"])} was done: ${text(data["applied"])}`, detail: text(data["note"]) }),
  verified: (data) => ({ title: data["outcome"] === "fixed" ? `${text(data["action"])} helped` : `${text(data["action"])}: ${text(data["outcome"])}`, detail: text(data["note"]), tone: data["outcome"] === "fixed" ? "good" : "bad" }),
  resolved: (data) => ({ title: `resolved: ${plain(text(data["resolution"]))}`, detail: why(data), tone: "good" }),
  escalated: (data) => ({ title: "handed over to a person", detail: why(data), tone: "bad" }),
  dismissed: (data) => ({ title: `${by(data)} dismissed it`, detail: why(data) }),
  retried: (data) => ({ title: `${by(data)} wants another try`, detail: why(data) }),
  dead_lettered: (data) => ({ title: "set aside after crashes without progress", detail: why(data), tone: "bad" }),
  hint_given: (data) => ({ title: `${by(data)} gave a hint`, detail: [text(data["text"]), data["suspect"] ? `suspect ${text(data["suspect"])}` : "", data["exclude"] ? `leave out ${text(data["exclude"])}` : ""].filter(Boolean).join(" · ") }),
  note_added: (data) => ({ title: `${by(data)} notes`, detail: text(data["text"]) }),
  merged_into: (data) => ({ title: `went on as part of ${text(data["into"])}` }),
  split_off: (data) => ({ title: `some alerts went on as ${text(data["into"])}` }),
};

/** The timeline of a journal. A kind of entry that this page does not know is shown by its name. */
export function lines(entries: Entry[]): Line[] {
  const queries = new Map<string, Query>();
  let round = 0;
  return entries.map((entry) => {
    if (entry.type === "turn_taken") round += 1;
    if (entry.type === "queries_opened") for (const query of list<Query>(entry.data["queries"])) queries.set(query.id, query);
    const said = WORDS[entry.type]?.(entry.data, queries) ?? { title: plain(entry.type) };
    return { entry, round, detail: "", call: "", aside: "", tone: "", ...said };
  });
}

/** Every query that was opened, by its id. */
export function queriesOf(entries: Entry[]): Map<string, Query & { call: string; millis: number | null }> {
  const found = new Map<string, Query & { call: string; millis: number | null }>();
  for (const { type, data } of entries) {
    if (type === "queries_opened") for (const query of list<Query>(data["queries"])) found.set(query.id, { ...query, call: "", millis: null });
    const query = type === "evidence_gathered" ? found.get(text(data["query"])) : undefined;
    if (query) {
      query.call = text(data["call"]);
      query.millis = number(data["millis"]);
    }
  }
  return found;
}

/** Looks at the world for a deed: before it and after it. */
export function checks(entries: Entry[], action: string): { at: string; after: boolean; health: string; note: string }[] {
  let after = false;
  const found: { at: string; after: boolean; health: string; note: string }[] = [];
  for (const { at, type, data } of entries) {
    if (data["action"] !== action) continue;
    if (type === "action_started") after = true;
    if (type === "state_checked") found.push({ at, after, health: text(fact(data["reading"])["health"]), note: text(fact(data["reading"])["note"]) });
  }
  return found;
}

import { describe, expect, test } from "vitest";
import type { Entry, Incident } from "../api/types";
import { address } from "../api/client";
import { columns, median } from "../parts/chart";
import { layers } from "../parts/graph";
import { inSight } from "../parts/rows";
import { grown } from "../state/case";
import { belongs, sorted } from "../state/incidents";
import { checks, known, lines, queriesOf } from "./journal";
import { viewOf } from "./route";
import { Reel } from "./stream";
import { ago, span } from "./time";
import { dollars, figure } from "./words";

let position = 0;
const entry = (seq: number, type: string, data: Entry["data"] = {}, node = "observe"): Entry => ({ position: ++position, incident_id: "inc_1", seq, at: "2026-01-01T00:00:00Z", node, type, data });

describe("addresses", () => {
  test("every view has one", () => {
    expect(viewOf("/")).toEqual({ name: "list" });
    expect(viewOf("/incidents/inc_1")).toEqual({ name: "incident", id: "inc_1" });
    expect(viewOf("/configuration")).toEqual({ name: "configuration", page: "repositories" });
    expect(viewOf("/configuration/tokens")).toEqual({ name: "configuration", page: "tokens" });
    expect(viewOf("/elsewhere")).toEqual({ name: "nothing" });
  });
  test("a broken escape is a name like any other", () => {
    expect(viewOf("/incidents/%E0%A4%A")).toEqual({ name: "incident", id: "%E0%A4%A" });
  });
  test("names cannot leave their place in a path", () => {
    expect(address("/api/incidents/{id}", { path: { id: "../tokens?x" } })).toBe("/api/incidents/..%2Ftokens%3Fx");
    expect(address("/api/incidents", { query: { q: "a&b", phase: "", limit: 5 } })).toBe("/api/incidents?q=a%26b&limit=5");
  });
});

describe("the stream", () => {
  test("gives every entry out once and resumes after the last", () => {
    const reel = new Reel();
    expect(reel.after).toBe("");
    const [one, two] = [entry(1, "opened"), entry(2, "turn_taken")];
    expect(reel.take(one)).toBe(one);
    expect(reel.take(two)).toBe(two);
    expect(reel.take(two)).toBeNull();
    expect(reel.take(one)).toBeNull();
    expect(reel.after).toBe(`?after=${two.position}`);
  });
  test("a journal grows in order, once, and a hole is noticed", () => {
    const [a, b, c, d] = [entry(1, "opened"), entry(2, "turn_taken"), entry(3, "wait_ended"), entry(4, "resolved")];
    expect(grown([a], [c, b, a])).toEqual({ entries: [a, b, c], gap: false });
    expect(grown([a, b], [d])).toEqual({ entries: [a, b], gap: true });
    const same = [a, b];
    expect(grown(same, [a, b]).entries).toBe(same);
  });
});

describe("a journal", () => {
  const story = [
    entry(1, "opened", { signal: { source: "alertmanager", title: "errors" } }),
    entry(2, "turn_taken", { by: "deterministic", usage: { input_tokens: 0 } }, "reason"),
    entry(3, "queries_opened", { queries: [{ id: "q1", tool: "logs", args: {}, why: "what till writes" }] }),
    entry(4, "evidence_gathered", { query: "q1", evidence: [{ id: "e1" }], gaps: [{ what: "traces", why: "none" }], call: "logs till", millis: 12 }),
    entry(5, "hypotheses_formed", { hypotheses: [{ id: "h1", component: "service/till", fault: "bad_change", confidence: 0.8, statement: "x", supports: ["e1"], contradicts: [] }], ruled_out: [], gaps: [] }, "reason"),
    entry(6, "action_proposed", { action: { id: "a1", kind: "undo", target: "service/till", deed: { argv: ["undo"] }, evidence: ["e1"] }, hash: "ab" }, "reason"),
    entry(7, "approval_requested", { action: "a1" }, "act"),
    entry(8, "approval_granted", { action: "a1", by: "ann", comment: "" }, "act"),
    entry(9, "state_checked", { action: "a1", reading: { health: "unhealthy", note: "0.3" } }, "evaluate"),
    entry(10, "action_started", { action: "a1", attempt: 1 }, "act"),
    entry(11, "state_checked", { action: "a1", reading: { health: "healthy", note: "0.0" } }, "evaluate"),
    entry(12, "verified", { action: "a1", outcome: "fixed", note: "" }, "evaluate"),
    entry(13, "resolved", { resolution: "verified_fix", why: "" }, "evaluate"),
  ];
  test("is known only as far as it was written", () => {
    expect(known(story.slice(0, 3)).evidence).toHaveLength(0);
    expect(known(story.slice(0, 4)).gaps).toHaveLength(1);
    expect(known(story.slice(0, 5)).hypotheses[0]?.confidence).toBe(0.8);
    expect(known(story.slice(0, 7)).actions[0]?.state).toBe("awaiting_approval");
    const all = known(story);
    expect(all.actions[0]).toMatchObject({ state: "fixed", decided_by: "ann", hash: "ab" });
    expect(all.resolution).toBe("verified_fix");
  });
  test("waits for the second of two people", () => {
    const ruled = entry(7, "action_ruled", { action: "a1", ruling: { verdict: "ask", why: "w", approvals: 2 } }, "act");
    const granted = (seq: number, by: string) => entry(seq, "approval_granted", { action: "a1", by, comment: "" }, "act");
    const one = [...story.slice(0, 6), ruled, granted(8, "ann")];
    expect(known(one).actions[0]).toMatchObject({ state: "awaiting_approval", decided_by: "ann" });
    expect(known([...one, granted(9, "bob")]).actions[0]).toMatchObject({ state: "authorized", decided_by: "ann, bob" });
  });
  test("tells a call with its purpose, its time and what it found", () => {
    const told = lines(story);
    expect(told[3]).toMatchObject({ round: 1, title: "what till writes", call: "logs till", aside: "1 finding · 12 ms" });
    expect(queriesOf(story).get("q1")).toMatchObject({ call: "logs till", millis: 12 });
    expect(lines([entry(1, "an_event_of_tomorrow")])[0]?.title).toBe("an event of tomorrow");
  });
  test("keeps looks before a deed apart from those after it", () => {
    expect(checks(story, "a1").map((look) => [look.after, look.health])).toEqual([[false, "unhealthy"], [true, "healthy"]]);
  });
  test("of nonsense is read without falling over", () => {
    const odd = [entry(1, "evidence_gathered", { evidence: "no" }), entry(2, "hypotheses_formed", { hypotheses: null }), entry(3, "action_proposed", {}), entry(4, "queries_opened", { queries: 5 })];
    expect(known(odd).hypotheses).toEqual([]);
    expect(lines(odd)).toHaveLength(4);
  });
});

describe("the list", () => {
  const row = (id: string, phase: string, severity: string, created_at: string): Incident => ({ id, phase, severity, created_at, updated_at: created_at, status: phase === "resolved" ? "resolved" : "processing" }) as Incident;
  const [a, b, c] = [row("a", "resolved", "low", "2026-01-01"), row("b", "escalated", "critical", "2026-01-02"), row("c", "reasoning", "high", "2026-01-03")];
  const rows = [a, b, c];
  const all = { which: "all", phase: "", severity: "", q: "", sort: "" } as const;
  test("shows who belongs into a view", () => {
    expect(rows.filter((one) => belongs(one, { ...all, which: "needs" }))).toEqual([b]);
    expect(rows.filter((one) => belongs(one, { ...all, which: "open" }))).toEqual([b, c]);
    expect(rows.filter((one) => belongs(one, { ...all, severity: "low" }))).toEqual([a]);
  });
  test("is ordered as asked", () => {
    expect(sorted(rows, "").map((one) => one.id)).toEqual(["c", "b", "a"]);
    expect(sorted(rows, "severity").map((one) => one.id)).toEqual(["b", "c", "a"]);
  });
  test("draws only what is in sight", () => {
    const { from, to } = inSight(200_000, 800, 40, 10_000);
    expect(from).toBeLessThanOrEqual(5000);
    expect(to).toBeGreaterThanOrEqual(5020);
    expect(to - from).toBeLessThan(50);
    expect(inSight(0, 800, 40, 3)).toEqual({ from: 0, to: 3 });
  });
});

test("charts count and compare what is there", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([])).toBeNull();
  expect(columns([[0, 1], [5, 2], [10, 4]], 0, 10, 2)).toEqual([1, 6]);
});

test("callers stand left of whom they call, and a circle ends", () => {
  const service = (name: string) => ({ kind: "service", name });
  expect(layers([[service("web"), service("till")], [service("till"), service("db")]])).toEqual([["service/web"], ["service/till"], ["service/db"]]);
  expect(layers([[service("a"), service("b")], [service("b"), service("a")]]).flat().sort()).toEqual(["service/a", "service/b"]);
});

test("figures read like figures", () => {
  expect([span(12), span(1500), span(61_000), span(7_200_000), span(300_000_000)]).toEqual(["12 ms", "1.5 s", "1 min 1 s", "2 h", "3 d"]);
  const noon = Date.parse("2026-01-01T12:00:00Z");
  expect([ago("2026-01-01T11:57:00Z", noon), ago("2026-01-01T12:10:00Z", noon), ago("nonsense", noon)]).toEqual(["3 min ago", "in 10 min", ""]);
  expect([dollars(0), dollars(3), dollars(1_230_000)]).toEqual(["$0", "< $0.01", "$1.23"]);
  expect([figure(0.35093), figure(12_345), figure(0.00004)]).toEqual(["0.351", "12 k", "4.0e-5"]);
});

// The status page: reads only the public REST interface and the stream. All text goes in as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const state = { csrf: null, chosen: null, incidents: new Map(), position: 0, retry: 500, timer: null };

function el(name, props, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
}

async function call(path, options) {
  const headers = { Accept: "application/json" };
  if (options && options.body) headers["Content-Type"] = "application/json";
  if (options && state.csrf) headers["X-CSRF-Token"] = state.csrf;
  const answer = await fetch(path, { ...options, headers, credentials: "same-origin" });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(body.detail || answer.statusText), { status: answer.status });
  return body;
}

const tone = (phase) =>
  ({ resolved: "good", awaiting_approval: "warn", in_doubt: "bad", escalated: "bad", dead_letter: "bad" })[phase] || "";
const words = (text) => String(text).replaceAll("_", " ");
const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false });
const pill = (text, kind) => el("span", { class: `pill ${kind || ""}` }, words(text));

function drawList() {
  const all = [...state.incidents.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1)).slice(0, 200);
  $("none").hidden = all.length > 0;
  $("incidents").replaceChildren(...all.map((incident) =>
    el("li", {}, el("button", { "aria-current": String(incident.id === state.chosen), onclick: () => choose(incident.id) },
      el("span", { class: "title" }, incident.title),
      el("span", { class: "meta" }, pill(incident.phase, tone(incident.phase)), el("span", {}, incident.severity), el("span", {}, clock(incident.created_at)))))));
}

function hypothesis(h) {
  return el("div", { class: "card" },
    el("div", { class: "top" }, el("strong", {}, h.statement),
      el("meter", { min: 0, max: 1, value: h.confidence, "aria-label": "confidence" }),
      el("span", { class: "quiet" }, `${Math.round(h.confidence * 100)} % sure`)),
    el("dl", {}, el("dt", {}, "component"), el("dd", {}, h.component), el("dt", {}, "rests on"),
      el("dd", {}, h.supports.join(", ") || "—"),
      h.contradicts.length ? [el("dt", {}, "against"), el("dd", {}, h.contradicts.join(", "))] : []));
}

function action(id, a) {
  const deed = a.deed.argv ? a.deed.argv.join(" ") : JSON.stringify(a.deed, null, 2);
  const undo = a.undo ? (a.undo.argv ? a.undo.argv.join(" ") : JSON.stringify(a.undo)) : "none";
  const decide = (what, body) => async (event) => {
    const buttons = event.target.parentNode.querySelectorAll("button");
    buttons.forEach((button) => (button.disabled = true));
    try { await call(`/api/incidents/${encodeURIComponent(id)}/${what}`, { method: "POST", body: JSON.stringify(body) }); }
    catch (error) { window.alert(error.message); }
    await drawIncident();
  };
  const waiting = a.state === "awaiting_approval";
  return el("div", { class: "card" },
    el("div", { class: "top" }, el("strong", {}, `${a.kind} · ${a.target}`), pill(a.state, waiting ? "warn" : a.state === "fixed" ? "good" : "")),
    el("pre", {}, deed),
    el("dl", {}, el("dt", {}, "why"), el("dd", {}, a.why), el("dt", {}, "environment"), el("dd", {}, a.environment),
      el("dt", {}, "reaches"), el("dd", {}, a.blast_radius.description), el("dt", {}, "undo"), el("dd", {}, undo),
      el("dt", {}, "policy"), el("dd", {}, a.ruling ? `${a.ruling.verdict}: ${a.ruling.why}` : "not judged yet"),
      a.decided_by ? [el("dt", {}, "decided by"), el("dd", {}, a.decided_by)] : [],
      el("dt", {}, waiting ? "open until" : "expires"), el("dd", {}, clock(a.expires_at)),
      el("dt", {}, "hash"), el("dd", {}, el("code", {}, a.hash.slice(0, 16) + "…"))),
    a.output ? el("pre", {}, a.output) : null,
    waiting ? el("div", { class: "buttons" },
      el("button", { class: "approve", onclick: decide("approve", { action_id: a.id, hash: a.hash }) }, "Approve"),
      el("button", { onclick: decide("reject", { action_id: a.id }) }, "Reject")) : null);
}

function detail(entry) {
  const d = entry.data;
  const first = (list, pick) => (list && list.length ? list.map(pick).join(" · ") : "");
  return first(d.evidence, (e) => `${e.id}: ${e.summary}`) || first(d.hypotheses, (h) => h.statement)
    || first(d.queries, (q) => `${q.tool}: ${q.why}`) || (d.ruling && `${d.ruling.verdict}: ${d.ruling.why}`)
    || (d.reading && `${d.reading.health}: ${d.reading.note}`) || (d.action && d.action.why && `${d.action.kind} · ${d.action.why}`)
    || (d.call && `${d.call}: nothing unusual`) || (entry.type === "turn_taken" && d.by) || d.why || d.text || d.note || d.output || (d.signal && d.signal.title) || (d.gap && `${d.gap.what}: ${d.gap.why}`) || "";
}

function timelineItem(entry) {
  return el("li", {}, el("time", { datetime: entry.at }, clock(entry.at)), el("span", { class: "node" }, entry.node),
    el("span", {}, words(entry.type), " ", el("span", { class: "detail" }, String(detail(entry)).slice(0, 600))));
}

async function drawIncident() {
  const id = state.chosen;
  if (!id) return;
  const at = `/api/incidents/${encodeURIComponent(id)}`;
  const [incident, believed, deeds, journal] = await Promise.all([
    call(at), call(`${at}/hypotheses`), call(`${at}/actions`), call(`${at}/journal?limit=1000`)]);
  if (state.chosen !== id) return;
  state.incidents.set(id, incident);
  const section = (title, items) => (items.length ? [el("h3", {}, title), ...items] : []);
  $("incident").replaceChildren(
    el("h2", {}, incident.title),
    el("div", { class: "meta" }, pill(incident.phase, tone(incident.phase)), incident.resolution ? pill(incident.resolution, "good") : null,
      pill(incident.severity), el("span", { class: "quiet" }, `${incident.signal_type} · ${new Date(incident.created_at).toLocaleString()}`),
      el("a", { href: `${at}/postmortem?format=markdown` }, "postmortem")),
    el("pre", {}, incident.description),
    ...section("Hypotheses", believed.hypotheses.map(hypothesis)),
    ...section("Actions", deeds.actions.map((a) => action(id, a))),
    ...section("Could not be read", incident.gaps.slice(0, 20).map((gap) => el("div", { class: "quiet" }, `${gap.what}: ${gap.why}`))),
    el("h3", {}, "Timeline"), el("ol", { class: "timeline" }, journal.entries.map(timelineItem)));
  drawList();
}

function soon(work) {
  if (state.timer) return;
  state.timer = setTimeout(() => { state.timer = null; work().catch(() => {}); }, 150);
}

async function choose(id) {
  state.chosen = id;
  history.replaceState(null, "", `#${id}`);
  drawList();
  await drawIncident().catch((error) => $("incident").replaceChildren(el("p", { class: "quiet" }, error.message)));
}

async function drawAll() {
  const { incidents } = await call("/api/incidents?limit=200");
  state.incidents = new Map(incidents.map((incident) => [incident.id, incident]));
  const { on } = await call("/api/kill-switch");
  $("switch").hidden = !on;
  if (!state.chosen && incidents.length) {
    const wanted = location.hash.slice(1);
    state.chosen = state.incidents.has(wanted) ? wanted : incidents[0].id;
  }
  drawList();
  await drawIncident();
}

function live(text, kind) {
  $("live").textContent = text;
  $("live").className = `pill ${kind}`;
}

function follow() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const after = state.position ? `?after=${state.position}` : "";
  const socket = new WebSocket(`${scheme}://${location.host}/stream${after}`);
  socket.onopen = () => { live("live", "good"); state.retry = 500; soon(drawAll); };
  socket.onmessage = (message) => {
    const frame = JSON.parse(message.data);
    if (frame.type === "lagged") state.position = frame.resume_after;
    else if (frame.position) { state.position = frame.position; soon(drawAll); }
  };
  socket.onclose = () => {
    live("reconnecting…", "warn");
    setTimeout(follow, state.retry);
    state.retry = Math.min(state.retry * 2, 10000);
  };
}

async function start() {
  try {
    const session = await call("/api/session");
    state.csrf = session.csrf;
    $("who").textContent = session.actor ? `${session.actor} (${session.role})` : "reading only; sign in to approve";
    await drawAll();
    follow();
  } catch (error) {
    live("signed out", "warn");
    $("incident").replaceChildren(el("p", {}, error.message));
  }
}

start();

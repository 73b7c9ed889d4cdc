// The pages in a real Chromium against real servers: what a person does, and what an attacker's text must not do.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, afterEach, before, test } from "node:test";
import { chromium } from "playwright-core";
import { endAll, serve, TOKEN, town } from "./house.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE = 15_000;
let browser;

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
});
afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  await endAll();
});
after(() => browser?.close());

/** A page that fails the test for whatever must never happen: an error, a refused policy, a request to elsewhere, a box. */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const wrong = [];
  await page.addInitScript(() => {
    window.refused = [];
    addEventListener("securitypolicyviolation", (event) => window.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  let home = null;
  page.on("request", (request) => {
    const url = new URL(request.url());
    home ??= url.host;
    if (url.host !== home) wrong.push(`request to ${url.host}`);
  });
  const done = async () => {
    wrong.push(...(await page.evaluate(() => window.refused ?? [])).map((one) => `policy: ${one}`));
    await context.close();
    assert.deepEqual(wrong, []);
  };
  return { page, done };
}

async function accessible(page, where) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  const told = found.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html).join(" | ")}`);
  assert.deepEqual(told, [], where);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${where}: wider than the window by ${over}`);
}

async function signIn(page, base) {
  await page.goto(`${base}/sign-in`);
  await page.getByLabel("Access token").fill(TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

const alert = (name, text) => ({ alerts: [{ status: "firing", startsAt: new Date().toISOString(), labels: { alertname: name, service: name, severity: "warning" }, annotations: { summary: text } }] });

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };
const CONFIGURATION = ["repositories", "log-sources", "slack-channels", "policies", "kill-switch", "tokens", "notices", "signals", "usage", "health"];

test("from nothing to a first incident, live", async () => {
  const house = await serve();
  const { page, done } = await open();
  await page.goto(house.base);
  await page.getByRole("heading", { name: "No incidents yet" }).waitFor();
  await accessible(page, "first run");
  await house.post("/api/signals/alertmanager", alert("till", "half of the payments fail"));
  await page.getByRole("link", { name: /half of the payments fail/ }).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/incidents\/inc_/);
  await page.getByRole("heading", { level: 1, name: /half of the payments fail/ }).waitFor();
  await page.keyboard.press("u");
  await page.keyboard.press("n");
  await page.getByLabel("What is wrong").fill("checkout is slow");
  await page.getByLabel("What you know").fill("since the release at noon");
  await page.getByRole("button", { name: "Report", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "checkout is slow" }).waitFor();
  await page.goBack();
  await page.getByRole("link", { name: /half of the payments fail/ }).waitFor();
  await page.waitForTimeout(100);
  await page.keyboard.press("/");
  // So slowly that every letter is asked for by itself, while another row is the chosen one.
  await page.keyboard.type("checkout", { delay: 300 });
  await page.waitForURL(/q=checkout/);
  await page.getByText("1 incident", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await accessible(page, "keys");
  await done();
  await house.end();
});

test("an approval by keyboard alone, and its replay", async () => {
  const demo = await town(7);
  const { page, done } = await open();
  await page.goto(demo.login);
  await page.getByText("Need a person").waitFor();
  await page.locator(".row .pill", { hasText: "awaiting approval" }).waitFor({ timeout: 30_000 });
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Approve…" }).waitFor();
  await accessible(page, "waiting for approval");
  const shown = await page.locator(".action.waiting .hash").textContent();
  await page.keyboard.press("a");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Approve and run" }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByText("verified fix").first().waitFor({ timeout: 60_000 });
  const id = page.url().split("/").at(-1);
  const { entries } = await (await fetch(`${demo.base}/api/incidents/${id}/journal?limit=1000`)).json();
  const granted = entries.find((entry) => entry.type === "approval_granted");
  assert.equal(granted.data.hash, shown, "what was signed is what was shown");
  assert.equal(granted.data.by, "operator");
  await page.getByLabel(/ended wait/).check();
  await page.waitForFunction((many) => document.querySelectorAll(".lines .line").length === many, entries.length);
  await accessible(page, "resolved");
  await page.goto(`${demo.base}/incidents/${id}?at=3`);
  await page.getByText("As it was known at entry 3").waitFor();
  assert.equal(await page.getByText("No hypothesis yet").count(), 1);
  await page.getByRole("button", { name: "Back to now" }).click();
  await page.getByRole("link", { name: "e1", exact: true }).first().click();
  await page.locator("#e1:target").waitFor();
  await page.getByLabel(/A question about this incident/).fill("why?");
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByLabel("answer").filter({ hasText: "cooper" }).waitFor();
  await page.getByRole("button", { name: "Show lines" }).click();
  await page.getByText(/^logs of/).first().waitFor();
  await done();
  await demo.end();
});

test("a refusal on a phone, and what a person says", async () => {
  const demo = await town(8);
  const { page, done } = await open({ ...PHONE, colorScheme: "dark" });
  await page.goto(demo.login);
  await page.locator(".row .pill", { hasText: "awaiting approval" }).waitFor({ timeout: 30_000 });
  await accessible(page, "the list on a phone");
  await page.locator("a.row").first().click();
  await page.getByRole("link", { name: "Review it" }).click();
  await page.getByRole("button", { name: "Reject…" }).click();
  await page.getByLabel(/Comment/).fill("not at this hour");
  await page.getByRole("button", { name: "Reject", exact: true }).click();
  await page.locator(".action .pill", { hasText: "rejected" }).waitFor();
  await page.getByLabel("A remark for the journal").fill("taking over from here");
  await page.getByRole("button", { name: "Add the note" }).click();
  await page.getByText(/operator notes/).waitFor();
  await accessible(page, "an incident on a phone");
  await done();
  await demo.end();
});

test("configuration is changed, and refusals say what to do", async () => {
  const house = await serve();
  const { page, done } = await open();
  await page.goto(`${house.base}/sign-in`);
  await page.getByLabel("Access token").fill("not a token");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").filter({ hasText: "not known" }).waitFor();
  await signIn(page, house.base);
  await page.goto(`${house.base}/configuration/repositories`);
  await page.getByRole("button", { name: "Add a repository" }).click();
  await page.getByLabel(/^Name/).fill("till");
  await page.getByLabel(/^URL/).fill("https://127.0.0.1/till");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  await page.getByLabel(/^URL/).fill("https://github.com/acme/till");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("cell", { name: "till", exact: true }).waitFor();
  await page.goto(`${house.base}/configuration/policies`);
  await page.getByRole("button", { name: "New version" }).click();
  const editor = page.getByLabel("Policy, as JSON");
  await editor.fill((await editor.inputValue()).replace('"observe"', '"suggest"'));
  await page.getByLabel("Why it changes").fill("the team wants proposals");
  await page.getByRole("button", { name: "Put into force" }).click();
  await page.getByRole("heading", { name: "In force: version 1" }).waitFor();
  await page.goto(`${house.base}/configuration/tokens`);
  await page.getByLabel("Whose").fill("ann");
  await page.getByRole("button", { name: "Make" }).click();
  await page.getByText("shown this once").waitFor();
  await page.goto(`${house.base}/configuration/kill-switch`);
  await page.getByLabel("Why").fill("a rehearsal");
  await page.getByRole("button", { name: "Stop every deed" }).click();
  await page.getByRole("button", { name: "Let deeds go on" }).waitFor();
  for (const name of CONFIGURATION) {
    await page.goto(`${house.base}/configuration/${name}`);
    await page.getByText("The kill switch is on").waitFor();
    await accessible(page, name);
  }
  await done();
  for (const options of [{ ...PHONE, colorScheme: "dark" }, { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 }]) {
    const again = await open(options);
    await signIn(again.page, house.base);
    for (const name of CONFIGURATION) {
      await again.page.goto(`${house.base}/configuration/${name}`);
      await again.page.getByRole("heading", { level: 1 }).waitFor();
      await accessible(again.page, `${name} at ${options.viewport.width} pixels`);
    }
    await again.done();
  }
  await house.end();
});

test("a server that goes away comes back, and nothing is missing", async () => {
  const house = await serve();
  const { page, done } = await open();
  await house.post("/api/signals/alertmanager", alert("one", "first trouble"));
  await page.goto(house.base);
  await page.getByText("first trouble").waitFor();
  await page.getByText("live", { exact: true }).waitFor();
  await house.stop("SIGKILL");
  await page.getByRole("alert").filter({ hasText: "No connection" }).waitFor();
  await accessible(page, "without a connection");
  await house.start();
  await house.post("/api/signals/alertmanager", alert("two", "second trouble"));
  await page.getByText("second trouble").waitFor({ timeout: 30_000 });
  await page.getByText("live", { exact: true }).waitFor();
  assert.equal(await page.locator("a.row").count(), 2);
  await done();
  await house.end();
});

const HOSTILE = [
  "<script>alert(1)</script>", "<img src=x onerror=alert(2)>", "\"><svg onload=alert(3)>", "javascript:alert(4)", "<iframe srcdoc='<script>alert(5)</script>'>",
  "<a href='https://evil.example/'>click</a>", "![x](https://evil.example/x.png)", "[x](javascript:alert(6))", "{{constructor.constructor('alert(7)')()}}", "</title><script>alert(8)</script>",
  "<style>@import 'https://evil.example/x.css'</style>", "<link rel=stylesheet href=https://evil.example/x.css>", "<meta http-equiv=refresh content='0;url=https://evil.example'>", "<base href=https://evil.example>",
  "<form action=https://evil.example><button>", "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(9)>", "<details open ontoggle=alert(10)>", "<video><source onerror=alert(11)>", "${alert(12)}", "'-alert(13)-'",
  "\u202Egnp.exe", "<object data='data:text/html,<script>alert(14)</script>'>", "<svg><use href='data:image/svg+xml,<svg/>#x'/></svg>", "%3Cscript%3Ealert(15)%3C/script%3E", "&lt;script&gt;alert(16)&lt;/script&gt;",
];

test("hostile text stays text wherever it comes in", async () => {
  const house = await serve();
  const { page, done } = await open();
  const more = (process.env.HOSTILE_FILES ?? "").split(":").filter(Boolean).flatMap((file) => {
    const read = readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
    return read.map((one) => one.value ?? one.payload ?? "").filter((text) => text.trim() !== "");
  });
  const all = [...HOSTILE, ...more];
  const first = await house.post("/api/issues", { title: HOSTILE[0], description: HOSTILE.join("\n"), reporter: HOSTILE[1], tags: HOSTILE.slice(0, 8), severity: "high" });
  for (let n = 0; n < all.length; n += 20) {
    await Promise.all(all.slice(n, n + 20).map((text, m) => house.post("/api/issues", { title: text.slice(0, 900), description: text, tags: [text.slice(0, 60)], severity: "low" }).catch((refused) => {
      // What is not text (a lone NUL, say) may be refused; it never is our fault.
      assert.match(refused.message, /: 4\d\d /, `${n + m}`);
    })));
  }
  await house.post(`/api/incidents/${first.id}/notes`, { text: HOSTILE.join("\n") });
  await house.post(`/api/incidents/${first.id}/hint`, { text: HOSTILE[2], suspect: HOSTILE[3], exclude: HOSTILE[4] });
  await house.post("/api/repos", { name: HOSTILE[1], repo_url: "https://github.com/acme/till", description: HOSTILE.join(" ") });
  await house.post("/api/slack/channels", { team_id: "T1", channel_id: "C1", channel_name: HOSTILE[2], description: HOSTILE[5] });
  await signIn(page, house.base);
  await page.goto(house.base);
  await page.locator("a.row").first().waitFor();
  const frame = page.locator(".rows");
  for (let top = 0; top < all.length * 40; top += 800) {
    await frame.evaluate((box, to) => (box.scrollTop = to), top);
    await page.waitForTimeout(20);
  }
  for (const path of [`/incidents/${first.id}`, "/configuration/repositories", "/configuration/slack-channels", "/configuration/signals", `/?q=${encodeURIComponent(HOSTILE[1])}`, `/incidents/${encodeURIComponent(HOSTILE[1])}`, `/configuration/${encodeURIComponent(HOSTILE[0])}`]) {
    await page.goto(house.base + path);
    await page.waitForTimeout(300);
    const made = await page.evaluate(() => document.querySelectorAll("main :is(script, iframe, object, embed, img, video, base, link, meta, math), main a[href^='javascript'], main a[href*='evil.example']").length);
    assert.equal(made, 0, path);
  }
  await done();
  await house.end();
});

test("a server that knows its readers shows nothing to others", async () => {
  const house = await serve();
  const answer = await fetch(house.base, { headers: { Accept: "text/html" } });
  const policy = answer.headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'; script-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|https?:/);
  const text = await answer.text();
  assert.doesNotMatch(text, /<script(?![^>]*src=)|<style|style=|\son\w+=|https?:/);
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(text)[1];
  const packed = await fetch(house.base + script, { headers: { "Accept-Encoding": "br" } });
  assert.equal(packed.headers.get("content-encoding"), "br");
  assert.match(packed.headers.get("cache-control"), /immutable/);
  await packed.arrayBuffer();
  const known = await fetch(house.base, { headers: { Accept: "text/html", "If-None-Match": answer.headers.get("etag") } });
  assert.ok([200, 304].includes(known.status));
  await house.end();
});

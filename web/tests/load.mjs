// How the pages bear thousands of incidents and a storm of events; prints figures. `node tests/load.mjs`
import { chromium } from "playwright-core";
import { serve } from "./house.mjs";

const MANY = Number(process.env.MANY ?? 10_000);
const RATE = Number(process.env.RATE ?? 200);
const SECONDS = Number(process.env.STORM_SECONDS ?? 60);

async function together(many, width, work) {
  let next = 0;
  await Promise.all(Array.from({ length: width }, async () => {
    while (next < many) await work(next++);
  }));
}

const patiently = async (send) => {
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (!/: (429|503) /.test(error.message)) throw error;
      await new Promise((later) => setTimeout(later, 300));
    }
  }
};

const house = await serve({ SRE_ENABLE_AGENT_WORKER: "false" });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--js-flags=--expose-gc"] });
try {
  let began = Date.now();
  const ids = [];
  await together(MANY, 64, async (n) => {
    const made = await patiently(() => house.post("/api/issues", { title: `number ${n}: the ${["till", "cart", "search"][n % 3]} is slow`, description: "slow", severity: ["low", "medium", "high", "critical"][n % 4] }));
    if (ids.length < 20) ids.push(made.id);
  });
  console.log(`${MANY} incidents made in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  await page.addInitScript(() => {
    window.long = [];
    new PerformanceObserver((list) => window.long.push(...list.getEntries().map((one) => Math.round(one.duration)))).observe({ type: "longtask", buffered: true });
  });
  began = Date.now();
  await page.goto(house.base);
  await page.locator("a.row").first().waitFor();
  console.log(`list of ${MANY}: first rows after ${Date.now() - began} ms; long tasks while loading: ${JSON.stringify(await page.evaluate(() => window.long.splice(0)))}`);
  const scrolled = await page.evaluate(async (many) => {
    const box = document.querySelector(".rows");
    const frames = [];
    let last = performance.now();
    for (let turn = 0; turn < 3000; turn += 1) {
      await new Promise((next) => requestAnimationFrame(next));
      const now = performance.now();
      frames.push(now - last);
      last = now;
      box.scrollTop += 400;
      const seen = document.querySelectorAll("a.row").length;
      if (seen === 0) throw new Error("nothing in sight");
      const end = Number(document.querySelector(".rows li:last-child")?.getAttribute("aria-posinset"));
      if (end >= many) break;
    }
    frames.sort((a, b) => a - b);
    return { frames: frames.length, median: Math.round(frames[frames.length >> 1]), longest: Math.round(frames.at(-1)), over50: frames.filter((one) => one > 50).length, rows: document.querySelectorAll("a.row").length };
  }, MANY);
  console.log(`scrolled through: ${JSON.stringify(scrolled)}; long tasks: ${JSON.stringify(await page.evaluate(() => window.long.splice(0)))}`);
  began = Date.now();
  await page.goto(`${house.base}/?q=number+${MANY - 7}`);
  await page.getByText("1 incident", { exact: true }).waitFor();
  console.log(`searched among ${MANY}: ${Date.now() - began} ms with loading the page`);

  await page.goto(`${house.base}/incidents/${ids[0]}`);
  await page.locator(".lines .line").first().waitFor();
  await page.getByText("live", { exact: true }).waitFor();
  const cdp = await page.context().newCDPSession(page);
  const heap = async () => {
    await cdp.send("HeapProfiler.collectGarbage");
    return Math.round((await cdp.send("Runtime.getHeapUsage")).usedSize / 1024 / 1024 * 10) / 10;
  };
  const heaps = [await heap()];
  await page.evaluate(() => window.long.splice(0));
  let sent = 0;
  began = Date.now();
  const end = began + SECONDS * 1000;
  const failed = [];
  const flying = new Set();
  while (Date.now() < end) {
    const due = Math.floor(((Date.now() - began) / 1000) * RATE);
    while (sent < due && flying.size < 64) {
      const id = ids[sent % ids.length];
      const one = patiently(() => house.post(`/api/incidents/${id}/notes`, { text: `note ${sent}` })).catch((error) => failed.push(error.message)).finally(() => flying.delete(one));
      flying.add(one);
      sent += 1;
    }
    if (Math.floor((Date.now() - began) / 20_000) >= heaps.length) heaps.push(await heap());
    await new Promise((later) => setTimeout(later, 5));
  }
  await Promise.all(flying);
  const took = (Date.now() - began) / 1000;
  const { seq } = await (await fetch(`${house.base}/api/incidents/${ids[0]}`)).json();
  console.log(`storm over: ${sent} sent, ${failed.length} refused ${failed[0] ?? ""}, ${took.toFixed(1)} s`);
  await page.waitForFunction((many) => document.querySelector(".timeline .heading .quiet")?.textContent?.replace(/\D/g, "") === String(many), seq, { timeout: 30_000 });
  await page.getByRole("button", { name: /earlier/ }).click().catch(() => undefined);
  const seqs = await page.evaluate(() => [...document.querySelectorAll(".lines .more")].map((one) => Number(one.getAttribute("aria-label").replace(/\D/g, ""))));
  heaps.push(await heap());
  const once = new Set(seqs).size === seqs.length;
  console.log(`storm: ${sent} entries in ${took.toFixed(1)} s (${(sent / took).toFixed(0)}/s), ${failed.length} refused; this incident has ${seq} entries, shown ${seqs.length}, each once: ${once}; heap MiB ${heaps.join(" → ")}; long tasks ${JSON.stringify(await page.evaluate(() => window.long.splice(0)))}`);
} finally {
  await browser.close();
  await house.end();
}

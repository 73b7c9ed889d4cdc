// Real servers for the browser: started on free ports with nothing but a folder of their own, stopped by their process.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const program = resolve(process.env.SENTINELL_BIN ?? "../target/debug/sentinell");
export const TOKEN = "an-operator-token-of-the-browser-tests-0123456789";

export async function freePort() {
  return new Promise((found) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });
}

const open = new Set();

/** Ends whatever a test left behind. */
export async function endAll() {
  for (const house of [...open]) await house.end();
}

function run(folder, args, more = {}) {
  const env = { ...more, PATH: process.env.PATH, HOME: folder, TMPDIR: folder, SENTINELL_OPERATOR_TOKEN: TOKEN };
  const child = spawn(program, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  const said = { text: "" };
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (piece) => (said.text = (said.text + piece).slice(-200_000)));
  return { child, said };
}

async function until(what, look, seconds = 30) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    const found = await look();
    if (found) return found;
    await new Promise((later) => setTimeout(later, 50));
  }
  throw new Error(`${what}: not within ${seconds} s`);
}

const stopped = async (child, signal = "SIGTERM") => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once("exit", done));
  child.kill(signal);
  await ended;
};

/** A server of one's own, which can be stopped and started again over the same database. */
export async function serve(settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), "sentinell-web-"));
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  let running = null;
  const house = {
    base,
    async start() {
      running = run(folder, ["serve", "--listen", `127.0.0.1:${port}`, "--database", `sqlite://${folder}/house.db`], settings);
      await until(`the server (${running.said.text})`, () => fetch(`${base}/api/health`).then((answer) => answer.ok, () => false));
    },
    stop: (signal) => stopped(running.child, signal),
    async end() {
      if (!open.delete(house)) return;
      await house.stop();
      rmSync(folder, { recursive: true, force: true });
    },
    async post(path, body) {
      const answer = await fetch(base + path, { method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${TOKEN}` }, body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return answer.json();
    },
  };
  open.add(house);
  await house.start();
  return house;
}

/** The demo town, waiting for somebody to approve in the browser. */
export async function town(seed) {
  const folder = mkdtempSync(join(tmpdir(), "sentinell-web-"));
  const { child, said } = run(folder, ["demo", "--keep", "--yourself", "--seed", String(seed)]);
  const house = {
    async end() {
      if (!open.delete(house)) return;
      await stopped(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  open.add(house);
  const login = await until("the town's link", () => /http:\/\/\S+login\?ticket=\w+/.exec(said.text)?.[0]);
  return Object.assign(house, { base: new URL(login).origin, login });
}

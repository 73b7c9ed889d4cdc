// The bar over every page, and what has to be said before anything else.
import { useEffect, useState } from "preact/hooks";
import { api } from "../api/client";
import { view } from "../lib/route";
import { connection, listen, reconnect } from "../lib/stream";
import { now, span } from "../lib/time";
import { needy } from "../state/incidents";
import { signOut, who } from "../state/session";

const LIVE = { connecting: "connecting", live: "live", away: "reconnecting" } as const;

function Live() {
  const { state } = connection.value;
  return <span class={`live ${state}`} role="status" title="the connection to the server's stream"><span class="dot" aria-hidden="true" />{LIVE[state]}</span>;
}

function Me() {
  const me = who.value;
  if (me === "unknown") return null;
  if (me === "out" || me.actor === null) return <a href="/sign-in">Sign in</a>;
  return (
    <span class="me">
      <span title={`role: ${me.role ?? "none"}`}>{me.actor}<span class="role"> · {me.role}</span></span>
      <button type="button" class="small" onClick={() => void signOut()}>Sign out</button>
    </span>
  );
}

function useKillSwitch(): { on: boolean; by?: string | null; why?: string | null } {
  const [held, hold] = useState<{ on: boolean; by?: string | null; why?: string | null }>({ on: false });
  useEffect(() => {
    if (typeof who.value !== "object") return;
    const look = (): void => void api.get("/api/kill-switch").then(hold).catch(() => undefined);
    look();
    const timer = setInterval(look, 30_000);
    const stop = listen({ entries: () => undefined, restart: look });
    return () => {
      clearInterval(timer);
      stop();
    };
  }, [who.value]);
  return held;
}

function Banners() {
  const held = useKillSwitch();
  const { state, since } = connection.value;
  const gone = state === "away" ? now.value - since : 0;
  return (
    <div class="banners">
      {gone > 1500 && (
        <p class="banner warn" role="alert">
          No connection for {span(Math.floor(gone / 1000) * 1000)}: what you see may be old. This page reconnects by itself and then shows what it missed.{" "}
          <button type="button" class="small" onClick={reconnect}>Try now</button>
        </p>
      )}
      {held.on && (
        <p class="banner bad" role="status">
          The kill switch is on: nothing is changed anywhere{held.by ? `, says ${held.by}` : ""}{held.why ? `: ${held.why}` : "."} <a href="/configuration/kill-switch">Kill switch</a>
        </p>
      )}
    </div>
  );
}

export function Top() {
  const name = view.value.name;
  const waiting = needy.value;
  const current = (names: string[]) => (names.includes(name) ? "page" : undefined);
  return (
    <>
      <header class="top">
        <a class="skip" href="#main">Skip to content</a>
        <a class="brand" href="/" aria-label="Sentinell: incidents"><svg viewBox="0 0 20 20" aria-hidden="true"><path d="M2 10h4l2-6 4 12 2-6h4" /></svg><span>Sentinell</span></a>
        <nav aria-label="Pages">
          <a href="/" aria-current={current(["list", "incident"])}>Incidents{waiting.count > 0 && <span class="badge" title="incidents that wait for a person">{waiting.count}{waiting.more ? "+" : ""}<span class="hidden"> wait for a person</span></span>}</a>
          <a href="/configuration" aria-current={current(["configuration"])}>Configuration</a>
          <a class="wide" href="/api/docs">API</a>
        </nav>
        <span class="grow" />
        <Live />
        <Me />
      </header>
      <Banners />
    </>
  );
}

// Who sits here, and what they may do.
import { computed, signal } from "@preact/signals";
import { api, keepCsrf, onStranger, Refused, request } from "../api/client";
import { reconnect } from "../lib/stream";

export interface Who { actor: string | null; role: string | null }
export const who = signal<Who | "unknown" | "out">("unknown");

const ROLES = ["sender", "viewer", "responder", "operator", "admin"];

export const mayRead = computed(() => who.value !== "out" && who.value !== "unknown");

/** Whether the one who sits here has at least this role. */
export function may(role: "responder" | "operator" | "admin"): boolean {
  const me = who.value;
  return typeof me === "object" && me.role !== null && ROLES.indexOf(me.role) >= ROLES.indexOf(role);
}

export async function learn(): Promise<void> {
  try {
    const session = await api.get("/api/session");
    keepCsrf(session.csrf ?? null);
    who.value = { actor: session.actor ?? null, role: session.role ?? null };
  } catch (error) {
    if (error instanceof Refused && error.status === 401) who.value = "out";
    else throw error;
  }
}

/** Looks again who sits here: a session ends by itself after some hours. */
export function lookAgain(): void {
  learn().catch(() => undefined);
}
onStranger(lookAgain);

export async function signIn(token: string): Promise<void> {
  await request("post", "/api/session", { headers: { Authorization: `Bearer ${token}` } });
  await learn();
  reconnect();
}

export async function signOut(): Promise<void> {
  await api.delete("/api/session");
  keepCsrf(null);
  await learn();
  reconnect();
}

// The one place that speaks to the server. Paths, bodies and answers are typed by the server's own description.
import type { paths } from "./schema";

type Method = "get" | "post" | "put" | "patch" | "delete";
type PathsWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never }[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? O : never;
type Body<O> = O extends { requestBody: { content: { "application/json": infer B } } } ? B : undefined;
type Good<R> = R extends Record<200, infer A> ? A : R extends Record<201, infer A> ? A : R extends Record<202, infer A> ? A : never;
type Answer<O> = O extends { responses: infer R } ? (Good<R> extends { content: { "application/json": infer J } } ? J : undefined) : never;

export interface Options<B> {
  /** Fills `{name}` in the path. */
  path?: Record<string, string>;
  query?: Record<string, string | number | undefined>;
  body?: B;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** What the server said no with; `message` says what to do. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
    /** Which fields of the body, and why. */
    readonly fields: { pointer: string; detail: string }[] = [],
  ) {
    super(detail);
  }
}

let strangers = (): void => undefined;
/** What to do when the server no longer knows who sits here. */
export function onStranger(act: () => void): void {
  strangers = act;
}

let csrf: string | null = null;
export function keepCsrf(token: string | null): void {
  csrf = token;
}

export function address(path: string, options: { path?: Record<string, string>; query?: Record<string, string | number | undefined> } = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(options.path?.[name] ?? ""));
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(options.query ?? {})) if (value !== undefined && value !== "") query.set(key, String(value));
  const text = query.toString();
  return text ? `${filled}?${text}` : filled;
}

async function refusal(answer: Response): Promise<Refused> {
  const problem = (await answer.json().catch(() => null)) as { detail?: string; title?: string; errors?: { pointer?: string; detail?: string }[] } | null;
  const detail = problem?.detail ?? problem?.title ?? `the server answered ${answer.status}`;
  const fields = (problem?.errors ?? []).map((error) => ({ pointer: error.pointer ?? "", detail: error.detail ?? "" }));
  return new Refused(answer.status, detail, fields);
}

export async function request(method: Method, url: string, options: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "get" && csrf) headers["X-CSRF-Token"] = csrf;
  const init: RequestInit = { method: method.toUpperCase(), headers, credentials: "same-origin" };
  if (options.body !== undefined) init.body = JSON.stringify(options.body);
  if (options.signal) init.signal = options.signal;
  let answer: Response;
  try {
    answer = await fetch(url, init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Refused(0, "the server cannot be reached; this page tries again by itself");
  }
  if (answer.ok) return answer;
  if (answer.status === 401 && !options.headers?.["Authorization"] && url !== "/api/session") strangers();
  throw await refusal(answer);
}

async function call(method: Method, path: string, options: Options<unknown>): Promise<unknown> {
  const answer = await request(method, address(path, options), options);
  if (answer.status === 204) return undefined;
  const type = answer.headers.get("content-type") ?? "";
  return type.includes("json") ? ((await answer.json()) as unknown) : answer.text();
}

type Call<M extends Method> = <P extends PathsWith<M>>(path: P, options?: Options<Body<Operation<P, M>>>) => Promise<Answer<Operation<P, M>>>;

function caller<M extends Method>(method: M): Call<M> {
  return ((path: string, options: Options<unknown> = {}) => call(method, path, options)) as Call<M>;
}

export const api = { get: caller("get"), post: caller("post"), put: caller("put"), patch: caller("patch"), delete: caller("delete") };

// The address bar is the state: every view is a link, and back means back.
import { computed, signal } from "@preact/signals";

interface Place { path: string; query: URLSearchParams; hash: string }

function here(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search), hash: location.hash.slice(1) };
}

export const place = signal<Place>({ path: "/", query: new URLSearchParams(), hash: "" });

export type View = { name: "list" } | { name: "incident"; id: string } | { name: "configuration"; page: string } | { name: "sign-in" } | { name: "nothing" };

export function viewOf(path: string): View {
  const parts = path.split("/").filter(Boolean).map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  const [first, second] = parts;
  if (first === undefined) return { name: "list" };
  if (first === "incidents" && second !== undefined && parts.length === 2) return { name: "incident", id: second };
  if (first === "configuration" && parts.length <= 2) return { name: "configuration", page: second ?? "repositories" };
  if (first === "sign-in" && parts.length === 1) return { name: "sign-in" };
  return { name: "nothing" };
}

export const view = computed(() => viewOf(place.value.path));

export function go(href: string, options: { replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  place.value = here();
}

/** Changes parts of the query; an empty value leaves the address. */
export function ask(changes: Record<string, string | undefined>, options: { replace?: boolean } = { replace: true }): void {
  const query = new URLSearchParams(place.value.query);
  for (const [key, value] of Object.entries(changes)) {
    if (value) query.set(key, value);
    else query.delete(key);
  }
  const text = query.toString();
  go(`${place.value.path}${text ? `?${text}` : ""}${place.value.hash ? `#${place.value.hash}` : ""}`, options);
}

/** Follows the address bar and turns plain clicks on our own links into moves. */
export function followAddress(): void {
  // Notices and older links name an incident after the hash.
  const old = /^#(inc_\w+)$/.exec(location.hash);
  if (location.pathname === "/" && old?.[1]) history.replaceState(null, "", `/incidents/${old[1]}`);
  place.value = here();
  addEventListener("popstate", () => (place.value = here()));
  addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.origin !== location.origin || link.target || link.hasAttribute("download")) return;
    if (link.pathname.startsWith("/api/") || link.pathname === "/login") return;
    if (link.pathname === location.pathname && link.hash) return;
    event.preventDefault();
    if (link.href !== location.href) go(link.pathname + link.search + link.hash);
    if (!link.hash) scrollTo(0, 0);
  });
}

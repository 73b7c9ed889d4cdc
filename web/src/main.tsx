import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useKeys } from "./lib/keys";
import { followAddress, go, place, view } from "./lib/route";
import { connection, follow, watchVisibility } from "./lib/stream";
import { tick } from "./lib/time";
import { Box } from "./parts/basics";
import { Top } from "./parts/top";
import { ConfigurationPage } from "./pages/configuration";
import { IncidentPage } from "./pages/incident";
import { ListPage } from "./pages/list";
import { SignIn } from "./pages/sign-in";
import { keepTrue } from "./state/incidents";
import { learn, lookAgain, mayRead, who } from "./state/session";
import "./style.css";

const KEYS: [string, string][] = [
  ["j  k", "next, previous incident (also ↓ ↑)"], ["g  G", "first, last incident"], ["Enter", "open the chosen incident"], ["/", "search"], ["n", "report an issue"],
  ["a", "go to the action that waits for approval"], ["p", "pause or follow the timeline"], ["u", "back to the list"], ["?", "these keys"], ["Esc", "leave a field or a box"],
];

function Keys({ onClose }: { onClose: () => void }) {
  return <Box title="Keys" onClose={onClose}><dl class="keys">{KEYS.map(([key, what]) => <div key={key}><dt>{key.split("  ").map((one) => <kbd key={one}>{one}</kbd>)}</dt><dd>{what}</dd></div>)}</dl></Box>;
}

function Page() {
  const where = view.value;
  if (where.name === "sign-in") return <SignIn />;
  if (who.value === "out") return <SignIn asked />;
  if (who.value === "unknown") return <main id="main" class="page" />;
  switch (where.name) {
    case "list": return <ListPage />;
    case "incident": return <IncidentPage key={where.id} id={where.id} />;
    case "configuration": return <ConfigurationPage page={where.page} />;
    default: return <main id="main" class="page"><h1>Nothing here</h1><p>There is no page at this address. <a href="/">Incidents</a></p></main>;
  }
}

function App() {
  const [keys, showKeys] = useState(false);
  useKeys({ "?": () => showKeys(true), u: () => go("/") });
  const reading = mayRead.value;
  const away = connection.value.state === "away";
  // A stream that is refused may mean that the session has ended.
  useEffect(() => {
    if (away) lookAgain();
  }, [away]);
  const path = place.value.path;
  const came = useRef(path);
  useEffect(() => {
    if (came.current !== path) document.getElementById("main")?.focus({ preventScroll: true });
    came.current = path;
  }, [path]);
  useEffect(() => {
    if (!reading) return;
    const stop = keepTrue();
    follow();
    return stop;
  }, [reading]);
  return <><Top /><Page />{keys && <Keys onClose={() => showKeys(false)} />}</>;
}

/** Asks who sits here until the server answers. */
async function start(): Promise<void> {
  for (;;) {
    try {
      return await learn();
    } catch {
      await new Promise((later) => setTimeout(later, 2000));
    }
  }
}

followAddress();
watchVisibility();
tick();
void start();
const root = document.getElementById("app");
if (root) render(<App />, root);

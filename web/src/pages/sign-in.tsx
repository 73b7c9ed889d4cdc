// Signing in with a token: it goes to the server once and becomes a cookie that no script can read.
import { useState } from "preact/hooks";
import { Refused } from "../api/client";
import { go, place } from "../lib/route";
import { Problem } from "../parts/basics";
import { signIn } from "../state/session";

export function SignIn({ asked = false }: { asked?: boolean }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState<string | null>(null);
  const enter = async () => {
    try {
      await signIn(token.trim());
      setToken("");
      if (place.value.path === "/sign-in") go("/", { replace: true });
    } catch (refused) {
      setError(refused instanceof Refused ? refused.message : "that did not work; try again");
    }
  };
  return (
    <main id="main" class="page narrow" tabIndex={-1}>
      <h1>Sign in</h1>
      {asked && <p>This server shows incidents only to those it knows.</p>}
      <form class="panel" onSubmit={(event) => { event.preventDefault(); void enter(); }}>
        <label>Access token<input type="password" autoComplete="current-password" required value={token} onInput={(event) => setToken(event.currentTarget.value)} /></label>
        <p class="quiet">It is sent once and becomes a session of twelve hours; this page keeps no token.</p>
        <Problem text={error} />
        <div class="buttons"><button type="submit" class="primary">Sign in</button></div>
      </form>
      <p class="quiet">No token? The server printed a sign-in link when it started. An admin makes more with <code>sentinell token create</code> or under Configuration, Tokens.</p>
    </main>
  );
}

// What a person says to an investigation: a note, a hint, and the words that end or begin it.
import { useState } from "preact/hooks";
import { api, Refused } from "../../api/client";
import { Box, Panel, Problem } from "../../parts/basics";
import { may } from "../../state/session";

const said = (error: unknown): string => (error instanceof Refused ? error.message : "it was not sent; try again");

type Ending = "cancel" | "retry" | "resolve" | "dismiss";
const ENDINGS: Record<Ending, { label: string; what: string }> = {
  retry: { label: "Try again", what: "The investigation gets a fresh budget. A deed in doubt is looked at again." },
  cancel: { label: "Stop and take over", what: "The investigation stops; you take over." },
  resolve: { label: "Resolve", what: "You say that it is over." },
  dismiss: { label: "Dismiss", what: "You say that it was nothing." },
};

function Reasoned({ id, ending, onClose }: { id: string; ending: Ending; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const [error, setError] = useState<string | null>(null);
  const send = async () => {
    const options = { path: { id }, body: { reason: reason.trim() || null } };
    try {
      if (ending === "cancel") await api.post("/api/incidents/{id}/cancel", options);
      else if (ending === "retry") await api.post("/api/incidents/{id}/retry", options);
      else if (ending === "resolve") await api.post("/api/incidents/{id}/resolve", options);
      else await api.post("/api/incidents/{id}/dismiss", options);
      onClose();
    } catch (refused) {
      setError(said(refused));
    }
  };
  return (
    <Box title={ENDINGS[ending].label} onClose={onClose}>
      <form onSubmit={(event) => { event.preventDefault(); void send(); }}>
        <p>{ENDINGS[ending].what}</p>
        <label>Why <span class="quiet">(goes into the journal)</span><textarea rows={3} maxLength={10000} value={reason} onInput={(event) => setReason(event.currentTarget.value)} /></label>
        <Problem text={error} />
        <div class="buttons"><button type="submit" class="primary">{ENDINGS[ending].label}</button><button type="button" onClick={onClose}>Cancel</button></div>
      </form>
    </Box>
  );
}

export function Say({ id, over, phase }: { id: string; over: boolean; phase: string }) {
  const [kind, setKind] = useState<"note" | "hint">("note");
  const [text, setText] = useState("");
  const [suspect, setSuspect] = useState("");
  const [exclude, setExclude] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [ending, end] = useState<Ending | null>(null);
  if (!may("responder")) return <p class="note"><a href="/sign-in">Sign in</a> as a responder to add notes, give hints, or take over.</p>;
  const send = async () => {
    setError(null);
    try {
      if (kind === "note") await api.post("/api/incidents/{id}/notes", { path: { id }, body: { text } });
      else await api.post("/api/incidents/{id}/hint", { path: { id }, body: { text, suspect: suspect.trim() || null, exclude: exclude.trim() || null } });
      setText("");
      setSuspect("");
      setExclude("");
    } catch (refused) {
      setError(said(refused));
    }
  };
  const endings: Ending[] = over ? ["retry"] : ["awaiting_approval", "queued", "observing", "reasoning", "acting", "verifying"].includes(phase) ? ["cancel", "resolve", "dismiss"] : ["retry", "resolve", "dismiss"];
  return (
    <Panel title="Say something">
      <form onSubmit={(event) => { event.preventDefault(); void send(); }}>
        <div class="tabs" role="group" aria-label="What it is">
          <button type="button" aria-pressed={kind === "note"} onClick={() => setKind("note")}>Note</button>
          <button type="button" aria-pressed={kind === "hint"} onClick={() => setKind("hint")}>Hint</button>
        </div>
        <label>{kind === "note" ? "A remark for the journal" : "What the investigation should know"}<textarea rows={3} maxLength={10000} required={kind === "note"} value={text} onInput={(event) => setText(event.currentTarget.value)} /></label>
        {kind === "hint" && (
          <div class="pair">
            <label>Suspect<input maxLength={300} placeholder="service/shop/cart" value={suspect} onInput={(event) => setSuspect(event.currentTarget.value)} /></label>
            <label>Leave out<input maxLength={300} placeholder="service/shop/web" value={exclude} onInput={(event) => setExclude(event.currentTarget.value)} /></label>
          </div>
        )}
        <Problem text={error} />
        <div class="buttons">
          <button type="submit" class="primary">{kind === "note" ? "Add the note" : "Give the hint"}</button>
          <span class="grow" />
          {endings.map((one) => <button key={one} type="button" onClick={() => end(one)}>{ENDINGS[one].label}…</button>)}
        </div>
      </form>
      {ending && <Reasoned id={id} ending={ending} onClose={() => end(null)} />}
    </Panel>
  );
}

// A person reports an issue.
import { useState } from "preact/hooks";
import { api, Refused } from "../api/client";
import { go } from "../lib/route";
import { Box, Problem } from "../parts/basics";

export function Report({ onClose }: { onClose: () => void }) {
  const [title, setTitle] = useState("");
  const [description, setDescription] = useState("");
  const [severity, setSeverity] = useState<"low" | "medium" | "high" | "critical">("medium");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const send = async () => {
    setBusy(true);
    try {
      const incident = await api.post("/api/issues", { body: { title, description, severity } });
      onClose();
      go(`/incidents/${encodeURIComponent(incident.id)}`);
    } catch (refused) {
      setError(refused instanceof Refused ? refused.message : "it was not sent; try again");
      setBusy(false);
    }
  };
  return (
    <Box title="Report an issue" onClose={onClose}>
      <form onSubmit={(event) => { event.preventDefault(); void send(); }}>
        <label>What is wrong<input required maxLength={1000} value={title} onInput={(event) => setTitle(event.currentTarget.value)} placeholder="checkout answers 502 since 03:10" /></label>
        <label>What you know<textarea required rows={5} value={description} onInput={(event) => setDescription(event.currentTarget.value)} /></label>
        <label>How bad<select value={severity} onChange={(event) => setSeverity(event.currentTarget.value as typeof severity)}>{(["low", "medium", "high", "critical"] as const).map((word) => <option key={word}>{word}</option>)}</select></label>
        <Problem text={error} />
        <div class="buttons"><button type="submit" class="primary" disabled={busy}>Report</button><button type="button" onClick={onClose}>Cancel</button></div>
      </form>
    </Box>
  );
}

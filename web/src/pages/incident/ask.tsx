// A question, answered from the journal and its evidence alone.
import { useState } from "preact/hooks";
import { api, Refused } from "../../api/client";
import type { Evidence } from "../../api/types";
import { Panel, Problem } from "../../parts/basics";
import { Cites } from "./cause";

export function Ask({ id, evidence }: { id: string; evidence: Evidence[] }) {
  const [question, setQuestion] = useState("");
  const [answer, setAnswer] = useState<{ question: string; text: string; evidence: string[] } | null>(null);
  const [error, setError] = useState<string | null>(null);
  const send = async () => {
    try {
      setAnswer({ question, ...(await api.post("/api/incidents/{id}/ask", { path: { id }, body: { question } })) });
      setError(null);
    } catch (refused) {
      setError(refused instanceof Refused ? refused.message : "it was not sent; try again");
    }
  };
  return (
    <Panel title="Ask">
      <form class="inline" onSubmit={(event) => { event.preventDefault(); void send(); }}>
        <label>A question about this incident; name a component to ask about it<input required maxLength={1000} value={question} onInput={(event) => setQuestion(event.currentTarget.value)} /></label>
        <button type="submit">Ask</button>
      </form>
      <Problem text={error} />
      <div role="status">{answer && <><h3>{answer.question}</h3><pre tabIndex={0} aria-label="answer">{answer.text}</pre>{answer.evidence.length > 0 && <Cites ids={answer.evidence} evidence={evidence} />}</>}</div>
    </Panel>
  );
}

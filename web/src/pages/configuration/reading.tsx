// Reading something from the server, and saying so when it cannot be read.
import { useEffect, useState } from "preact/hooks";
import { Refused } from "../../api/client";

export interface Reading<T> { found: T | null; error: string | null; again: () => void }

export const said = (error: unknown): string => {
  if (!(error instanceof Refused)) return "it was not sent; try again";
  const fields = error.fields.map((field) => `${field.pointer.replace(/^\//, "")}: ${field.detail}`).join("; ");
  return fields && !error.message.includes(fields) ? `${error.message} (${fields})` : error.message;
};

export function useReading<T>(read: () => Promise<T>, every?: number): Reading<T> {
  const [found, find] = useState<T | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let gone = false;
    const look = () => read().then((answer) => { if (!gone) { find(answer); setError(null); } }, (refused: unknown) => { if (!gone) setError(said(refused)); });
    void look();
    const timer = every === undefined ? undefined : setInterval(() => void look(), every);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [turn]);
  return { found, error, again: () => setTurn((n) => n + 1) };
}

// Words and figures as people read them.
export const plain = (word: string): string => word.replaceAll("_", " ");

export type Tone = "good" | "warn" | "bad" | "busy" | "calm";

/** How urgent a phase is for a person. */
export function tone(phase: string): Tone {
  switch (phase) {
    case "resolved":
    case "fixed":
    case "done":
      return "good";
    case "awaiting_approval":
      return "warn";
    case "in_doubt":
    case "escalated":
    case "dead_letter":
    case "failed":
    case "unhelpful":
      return "bad";
    case "queued":
    case "dismissed":
    case "rejected":
    case "denied":
    case "expired":
    case "blocked":
      return "calm";
    default:
      return "busy";
  }
}

/** Phases that wait for a person. */
export const NEEDS_A_PERSON = ["awaiting_approval", "in_doubt", "escalated", "dead_letter"] as const;

export const percent = (share: number): string => `${Math.round(share * 100)} %`;

export function dollars(micro: number): string {
  const value = micro / 1_000_000;
  return value === 0 ? "$0" : value < 0.01 ? "< $0.01" : `$${value.toFixed(2)}`;
}

export function figure(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && size < 0.001) return value.toExponential(1);
  if (size >= 1_000_000) return `${(value / 1_000_000).toFixed(1)} M`;
  if (size >= 10_000) return `${Math.round(value / 1000)} k`;
  return String(Number(value.toPrecision(3)));
}

/** A count with its noun. */
export const count = (n: number, one: string, many = `${one}s`): string => `${n.toLocaleString()} ${n === 1 ? one : many}`;

/** `service/shop/cart` without what everybody knows. */
export const component = (name: string): string => name.replace(/^(service|log)\//, "");

export function clip(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}

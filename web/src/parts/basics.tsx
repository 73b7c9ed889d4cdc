// Small things that every page uses.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ago, exact, now } from "../lib/time";
import { plain, tone } from "../lib/words";

/** A moment: relative to read, exact on demand. */
export function Ago({ at }: { at: string }) {
  return <time dateTime={at} title={exact(at)}>{ago(at, now.value)}</time>;
}

const MARKS: Record<string, string> = { good: "✓", warn: "!", bad: "✕", busy: "●", calm: "○" };

/** Where something stands: a mark, a word and a colour, so that none has to carry it alone. */
export function Pill({ word, mark = true }: { word: string; mark?: boolean }) {
  const kind = tone(word);
  return <span class={`pill ${kind}`}>{mark && <span class="mark" aria-hidden="true">{MARKS[kind]}</span>}{plain(word)}</span>;
}

const BARS: Record<string, number> = { low: 1, medium: 2, high: 3, critical: 4 };

/** How bad: as many bars, and the word. */
export function Severity({ word, short = false }: { word: string; short?: boolean }) {
  const bars = BARS[word] ?? 0;
  return (
    <span class={`severity s${bars}`} title={`severity: ${word}`}>
      <i class="bars" aria-hidden="true" />
      <span class={short ? "hidden" : ""}>{word}</span>
    </span>
  );
}

export function Problem({ text }: { text: string | null }) {
  return text ? <p class="problem" role="alert"><span aria-hidden="true">⚠ </span>{text}</p> : null;
}

export function Copy({ text, label = "Copy" }: { text: string | (() => Promise<string>); label?: string }) {
  const [said, say] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(typeof text === "string" ? text : await text());
      say("Copied");
    } catch {
      say("Cannot copy: select it instead");
    }
    setTimeout(() => say(""), 2000);
  };
  return <button type="button" class="small" onClick={() => void copy()}><span aria-live="polite">{said || label}</span></button>;
}

/** A panel with a heading. */
export function Panel({ title, aside, id, children }: { title: string; aside?: ComponentChildren; id?: string; children: ComponentChildren }) {
  return (
    <section class="panel" id={id} aria-label={title}>
      <div class="heading"><h2>{title}</h2>{aside}</div>
      {children}
    </section>
  );
}

/** A command that one copies. */
export function Command({ text }: { text: string }) {
  return <div class="command"><pre tabIndex={0} aria-label="command">{text}</pre><Copy text={text} /></div>;
}

/** Something asked in a box of its own; closes with Escape. */
export function Box({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={box} aria-label={title} onCancel={(event) => { event.preventDefault(); onClose(); }} onClick={(event) => { if (event.target === box.current) onClose(); }}>
      <div class="dialog">
        <div class="heading"><h2>{title}</h2><button type="button" class="small" onClick={onClose}>Close</button></div>
        {children}
      </div>
    </dialog>
  );
}

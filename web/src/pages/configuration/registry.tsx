// What is registered: repositories, log sources, Slack channels. One form, three subjects.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { Ago, Box, Problem } from "../../parts/basics";
import { may } from "../../state/session";
import { said, useReading } from "./reading";

type Row = { id: string; created_at: string } & Record<string, unknown>;
interface Field { name: string; label: string; required?: boolean; placeholder?: string; options?: [string, string][]; /** Cannot be changed once it is there. */ fixed?: boolean; start?: string }
interface Subject {
  one: string;
  empty: string;
  fields: Field[];
  columns: [string, (row: Row) => ComponentChildren][];
  read: () => Promise<Row[]>;
  create: (body: Record<string, string | null>) => Promise<unknown>;
  change: (id: string, body: Record<string, string | null>) => Promise<unknown>;
  remove: (id: string) => Promise<unknown>;
  more?: (row: Row) => ComponentChildren;
}

const word = (value: unknown): string => (typeof value === "string" ? value : "");

function Form({ subject, row, onClose, onDone }: { subject: Subject; row: Row | null; onClose: () => void; onDone: () => void }) {
  const [values, set] = useState<Record<string, string>>(() => Object.fromEntries(subject.fields.map((field) => [field.name, row ? word(row[field.name]) : (field.start ?? "")])));
  const [error, setError] = useState<string | null>(null);
  const fields = subject.fields.filter((field) => !(row && field.fixed));
  const send = async () => {
    const body = Object.fromEntries(fields.flatMap(({ name }): [string, string | null][] => {
      const value = values[name]?.trim() ?? "";
      return value ? [[name, value]] : row ? [[name, null]] : [];
    }));
    try {
      await (row ? subject.change(row.id, body) : subject.create(body));
      onDone();
      onClose();
    } catch (refused) {
      setError(said(refused));
    }
  };
  return (
    <Box title={row ? `Change ${subject.one}` : `Add ${subject.one}`} onClose={onClose}>
      <form onSubmit={(event) => { event.preventDefault(); void send(); }}>
        {fields.map((field) => (
          <label key={field.name}>{field.label}{field.required && <span class="quiet"> (required)</span>}
            {field.options
              ? <select value={values[field.name]} onChange={(event) => set({ ...values, [field.name]: event.currentTarget.value })}>{field.options.map(([value, shown]) => <option key={value} value={value}>{shown}</option>)}</select>
              : <input required={field.required} placeholder={field.placeholder} value={values[field.name]} onInput={(event) => set({ ...values, [field.name]: event.currentTarget.value })} />}
          </label>
        ))}
        <Problem text={error} />
        <div class="buttons"><button type="submit" class="primary">{row ? "Save" : "Add"}</button><button type="button" onClick={onClose}>Cancel</button></div>
      </form>
    </Box>
  );
}

function Remove({ subject, row, onClose, onDone }: { subject: Subject; row: Row; onClose: () => void; onDone: () => void }) {
  const [error, setError] = useState<string | null>(null);
  const send = () => subject.remove(row.id).then(() => { onDone(); onClose(); }, (refused: unknown) => setError(said(refused)));
  return (
    <Box title={`Remove ${subject.one}`} onClose={onClose}>
      <p>Remove <b>{word(row["name"]) || word(row["channel_name"]) || word(row["channel_id"]) || row.id}</b>? Incidents that name it stay as they are.</p>
      <Problem text={error} />
      <div class="buttons"><button type="button" class="danger" onClick={() => void send()}>Remove</button><button type="button" onClick={onClose}>Cancel</button></div>
    </Box>
  );
}

function Registry({ subject }: { subject: Subject }) {
  const { found, error, again } = useReading(subject.read);
  const [edited, edit] = useState<Row | "new" | null>(null);
  const [removed, remove] = useState<Row | null>(null);
  const admin = may("admin");
  return (
    <>
      <div class="heading"><span class="grow" />{admin ? <button type="button" class="primary" onClick={() => edit("new")}>Add {subject.one}</button> : <span class="quiet">Changing needs an admin: <a href="/sign-in">sign in</a>.</span>}</div>
      <Problem text={error} />
      {found?.length === 0 && <p class="nothing">{subject.empty}</p>}
      {found && found.length > 0 && (
        <div class="scroll" tabIndex={0} role="group" aria-label="table"><table>
          <thead><tr>{subject.columns.map(([title]) => <th key={title}>{title}</th>)}<th>Added</th><th><span class="hidden">Do</span></th></tr></thead>
          <tbody>{found.map((row) => (
            <tr key={row.id}>{subject.columns.map(([title, shown]) => <td key={title}>{shown(row)}</td>)}<td><Ago at={row.created_at} /></td>
              <td class="do">{admin && <>{subject.more?.(row)}<button type="button" class="small" onClick={() => edit(row)}>Change</button><button type="button" class="small" onClick={() => remove(row)}>Remove</button></>}</td></tr>
          ))}</tbody>
        </table></div>
      )}
      {edited && <Form subject={subject} row={edited === "new" ? null : edited} onClose={() => edit(null)} onDone={again} />}
      {removed && <Remove subject={subject} row={removed} onClose={() => remove(null)} onDone={again} />}
    </>
  );
}

const rows = (value: unknown): Row[] => (Array.isArray(value) ? (value as Row[]) : []);

/** A repository's check, run now, with what it printed. */
function CheckNow({ row }: { row: Row }) {
  const [answer, setAnswer] = useState<{ title: string; text: string; incident: string | null } | null>(null);
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      const done = await api.post("/api/repos/{id}/poll", { path: { id: row.id } });
      setAnswer({ title: done.success ? "The check succeeded" : `The check failed${done.exit_code === null || done.exit_code === undefined ? "" : `, exit code ${done.exit_code}`}`, text: [done.stdout, done.stderr].filter(Boolean).join("\n"), incident: done.incident_id ?? null });
    } catch (refused) {
      setAnswer({ title: "The check did not run", text: said(refused), incident: null });
    }
    setBusy(false);
  };
  return (
    <>
      <button type="button" class="small" disabled={busy} onClick={() => void run()}>{busy ? "Running…" : "Check now"}</button>
      {answer && <Box title={answer.title} onClose={() => setAnswer(null)}>{answer.text && <pre tabIndex={0}>{answer.text}</pre>}{answer.incident && <p><a href={`/incidents/${answer.incident}`}>The incident it opened</a></p>}</Box>}
    </>
  );
}

export function Repositories() {
  return <Registry subject={{
    one: "a repository", empty: "No repositories yet. One that is added here gives its commits to the incidents that name it, and can be checked.",
    fields: [
      { name: "name", label: "Name", required: true, placeholder: "shop" }, { name: "repo_url", label: "URL", required: true, placeholder: "https://github.com/acme/shop" },
      { name: "default_branch", label: "Branch", placeholder: "main" }, { name: "description", label: "Description" },
    ],
    columns: [["Name", (row) => <b>{word(row["name"])}</b>], ["URL", (row) => <code>{word(row["repo_url"])}</code>], ["Branch", (row) => word(row["default_branch"])], ["Description", (row) => word(row["description"])]],
    read: async () => rows((await api.get("/api/repos")).repos), create: (body) => api.post("/api/repos", { body: body as never }),
    change: (id, body) => api.patch("/api/repos/{id}", { path: { id }, body: body }), remove: (id) => api.delete("/api/repos/{id}", { path: { id } }),
    more: (row) => <CheckNow row={row} />,
  }} />;
}

function useRepos(): { options: [string, string][]; name: (id: unknown) => string } {
  const { found } = useReading(async () => rows((await api.get("/api/repos")).repos));
  const known = found ?? [];
  return { options: [["", "none"], ...known.map((row) => [row.id, word(row["name"])] as [string, string])], name: (id) => word(known.find((row) => row.id === id)?.["name"]) || word(id) };
}

export function LogSources() {
  const repos = useRepos();
  return <Registry subject={{
    one: "a log source", empty: "No log sources yet. One that is added here is read for the incidents of its repository, through a server that the operator configured.",
    fields: [
      { name: "name", label: "Name", required: true, placeholder: "shop in Loki" },
      { name: "source_type", label: "Kind", start: "loki", options: ["loki", "cloudwatch", "elasticsearch", "file", "custom"].map((kind) => [kind, kind]) },
      { name: "repo_id", label: "Repository", options: repos.options }, { name: "endpoint", label: "Endpoint", placeholder: "http://loki:3100" }, { name: "auth_mode", label: "How to sign in there" },
    ],
    columns: [["Name", (row) => <b>{word(row["name"])}</b>], ["Kind", (row) => word(row["source_type"])], ["Repository", (row) => repos.name(row["repo_id"])], ["Endpoint", (row) => <code>{word(row["endpoint"])}</code>]],
    read: async () => rows((await api.get("/api/log-sources")).log_sources), create: (body) => api.post("/api/log-sources", { body: body as never }),
    change: (id, body) => api.patch("/api/log-sources/{id}", { path: { id }, body: body }), remove: (id) => api.delete("/api/log-sources/{id}", { path: { id } }),
  }} />;
}

export function Channels() {
  const repos = useRepos();
  return <Registry subject={{
    one: "a Slack channel", empty: "No Slack channels yet. A message from one that is added here opens an incident of its repository.",
    fields: [
      { name: "team_id", label: "Team", required: true, placeholder: "T0123456789", fixed: true }, { name: "channel_id", label: "Channel", required: true, placeholder: "C0123456789", fixed: true },
      { name: "channel_name", label: "Name", placeholder: "#incidents" }, { name: "repo_id", label: "Repository", options: repos.options }, { name: "description", label: "Description" },
    ],
    columns: [["Channel", (row) => <><b>{word(row["channel_name"]) || word(row["channel_id"])}</b> <code>{word(row["team_id"])}/{word(row["channel_id"])}</code></>], ["Repository", (row) => repos.name(row["repo_id"])], ["Description", (row) => word(row["description"])]],
    read: async () => rows((await api.get("/api/slack/channels")).channels), create: (body) => api.post("/api/slack/channels", { body: body as never }),
    change: (id, body) => api.patch("/api/slack/channels/{id}", { path: { id }, body: body }), remove: (id) => api.delete("/api/slack/channels/{id}", { path: { id } }),
  }} />;
}

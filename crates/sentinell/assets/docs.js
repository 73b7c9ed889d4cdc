// Shows the OpenAPI description of this server. All text goes in as text, never as markup.
"use strict";

function el(name, props, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props || {})) node.setAttribute(key, value);
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) node.append(child);
  return node;
}

const resolve = (api, schema) => {
  const name = schema && schema.$ref && schema.$ref.split("/").pop();
  return name ? { name, ...(api.components.schemas[name] || {}) } : schema || {};
};

function typeOf(api, schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const parts = schema.oneOf || schema.anyOf || schema.allOf;
  if (parts) return parts.map((part) => typeOf(api, part)).join(" | ");
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "any";
  return type.includes("array") ? `${typeOf(api, schema.items)}[]` : schema.format ? `${type} (${schema.format})` : type;
}

function fields(api, schema) {
  const full = resolve(api, schema);
  const parts = full.allOf ? full.allOf.map((part) => resolve(api, part)) : [full];
  const rows = parts.flatMap((part) => Object.entries(part.properties || {}).map(([name, field]) => [
    el("dt", {}, el("code", {}, name), (part.required || []).includes(name) ? " *" : ""),
    el("dd", {}, el("code", {}, typeOf(api, field)), " ", field.description || "")]));
  return rows.length ? el("dl", {}, ...rows) : null;
}

function operation(api, method, path, op) {
  const body = op.requestBody && Object.values(op.requestBody.content)[0];
  const answers = Object.entries(op.responses || {}).map(([status, answer]) => {
    const content = answer.content && Object.entries(answer.content)[0];
    return [el("dt", {}, status), el("dd", {}, answer.description || "", " ",
      content && Number(status) < 400 ? el("code", {}, `${content[0]} ${typeOf(api, content[1].schema)}`) : null,
      content && Number(status) < 300 ? fields(api, content[1].schema) : null)];
  });
  return el("section", { class: "card", id: `${method}${path}` },
    el("div", { class: "top" }, el("span", { class: "pill" }, method.toUpperCase()), el("strong", {}, path)),
    el("p", {}, op.summary || "", op.description ? ` ${op.description}` : ""),
    op.parameters && op.parameters.length ? [el("h3", {}, "Parameters"), el("dl", {}, op.parameters.map((p) => [
      el("dt", {}, el("code", {}, p.name), ` (${p.in})`),
      el("dd", {}, el("code", {}, typeOf(api, p.schema)), " ", p.description || "")]))] : null,
    body ? [el("h3", {}, "Body"), el("code", {}, typeOf(api, body.schema)), fields(api, body.schema)] : null,
    el("h3", {}, "Answers"), el("dl", {}, answers));
}

async function start() {
  const api = await (await fetch("/api/openapi.json")).json();
  const all = Object.entries(api.paths).flatMap(([path, item]) =>
    ["get", "post", "put", "patch", "delete"].filter((method) => item[method]).map((method) => [method, path, item[method]]));
  document.getElementById("docs").replaceChildren(el("p", {}, api.info.description), ...all.map((one) => operation(api, ...one)));
  document.getElementById("index").replaceChildren(...all.map(([method, path]) =>
    el("li", {}, el("a", { href: `#${method}${path}` }, `${method.toUpperCase()} ${path}`))));
}

start();

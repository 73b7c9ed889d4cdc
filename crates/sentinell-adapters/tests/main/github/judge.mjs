// GitHub's own OpenAPI description (npm `@octokit/openapi`) judges the requests of the eye and the hand, and the answers of the fakes:
// every path, parameter, body and value must be described, and so must be every member of an answer. What an answer leaves out is
// not asked for: we have to live without it. Of a body nothing may be missing.
//   node judge.mjs <transcript.json
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const from = createRequire(resolve(process.env.SENTINELL_GITHUB_JUDGE, "judge.js"));
const Ajv = from("ajv").default;
const addFormats = from("ajv-formats").default;
const description = JSON.parse(readFileSync(process.env.SENTINELL_GITHUB_OPENAPI, "utf8"));
const transcript = JSON.parse(readFileSync(0, "utf8"));

// In place: nothing besides what is described, and of answers nothing required; `nullable` without a type as JSON Schema spells it.
const strict = (schema, whole = false) => {
  if (schema === null || typeof schema !== "object") return;
  if (schema.nullable === true && schema.type === undefined) {
    const { nullable: _, ...inner } = schema;
    Object.keys(schema).forEach((key) => delete schema[key]);
    schema.anyOf = [inner, { type: "null" }];
  }
  if (schema.properties && schema.type === "object" && schema.additionalProperties === undefined) {
    if (!whole) delete schema.required;
    schema.additionalProperties = false;
  }
  Object.values(schema).forEach((inner) => strict(inner, whole));
};
strict(description.components.schemas);
const ajv = new Ajv({ strict: false, allErrors: true, coerceTypes: false, logger: false });
addFormats(ajv);
ajv.addSchema(description, "github");
const resolved = (value) => (value.$ref ? value.$ref.slice(2).split("/").reduce((at, part) => at[part.replaceAll("~1", "/")], description) : value);

const problems = [];
const used = new Set();
for (const { method = "GET", path, query, sent, status, body } of transcript) {
  const verb = method.toLowerCase();
  const parts = path.split("/");
  const fits = (template) => {
    const wanted = template.split("/");
    return wanted.length === parts.length && wanted.every((part, at) => part.startsWith("{") || part === parts[at]);
  };
  const template = Object.keys(description.paths).filter((one) => description.paths[one][verb] && fits(one))
    .sort((a, b) => (a.match(/{/g) ?? []).length - (b.match(/{/g) ?? []).length)[0];
  if (!template) { problems.push(`${path}: GitHub has no such ${method}`); continue; }
  used.add(`${method} ${template}`);
  const operation = description.paths[template][verb];
  const known = (operation.parameters ?? []).map(resolved).filter((one) => one.in === "query");
  for (const [name, value] of query) {
    const parameter = known.find((one) => one.name === name);
    if (!parameter) { problems.push(`${template}: no parameter ${name}`); continue; }
    const schema = parameter.schema;
    const typed = schema.type === "integer" ? Number(value) : schema.type === "boolean" ? value === "true" : value;
    // The description's words allow a range where its schema says one moment.
    const each = /date-time range/.test(parameter.description ?? "") ? value.split("..") : [typed];
    if (!each.every((one) => ajv.validate(schema, one))) problems.push(`${template}: ${name}=${value}: ${ajv.errorsText()}`);
  }
  if (operation.requestBody) {
    const wanted = JSON.parse(JSON.stringify(operation.requestBody.content["application/json"].schema).replaceAll('"#/', '"github#/'));
    strict(wanted, true);
    if (!ajv.validate(wanted, sent)) problems.push(`${method} ${template}: ${ajv.errorsText()}`);
  }
  const answer = operation.responses[status];
  if (!answer) { problems.push(`${template}: GitHub never answers ${status}`); continue; }
  const pointer = resolved(answer).content["application/json"].schema;
  const inside = JSON.parse(JSON.stringify(pointer).replaceAll('"#/', '"github#/'));
  strict(inside);
  if (!ajv.validate(inside, body)) problems.push(...ajv.errors.map((one) => `${template}: ${one.instancePath} ${one.message} ${JSON.stringify(one.params)}`));
}
console.log(`${transcript.length} requests to ${used.size} of GitHub's operations judged, ${problems.length} problems`);
problems.slice(0, 20).forEach((problem) => console.log(`  ${problem}`));
process.exit(problems.length === 0 && transcript.length > 0 ? 0 : 1);

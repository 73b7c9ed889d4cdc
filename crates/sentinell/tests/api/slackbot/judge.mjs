// Slack's own libraries judge the workspace of these tests: the client speaks to it, and an app of theirs is given the events
// and presses that the tests make. Says what it saw when its input ends.
//   node judge.mjs <workspace's API> <bot's token> <signing secret>
import { createRequire } from "node:module";
import { resolve } from "node:path";

const from = createRequire(resolve(process.env.SENTINELL_SLACK_JUDGE, "judge.js"));
const { WebClient, LogLevel } = from("@slack/web-api");
const { App } = from("@slack/bolt");
const [api, token, signingSecret] = process.argv.slice(2);
const slackApiUrl = `${api}/`;
const quiet = { slackApiUrl, logLevel: LogLevel.ERROR, retryConfig: { retries: 0 } };

const client = new WebClient(token, quiet);
const blocks = [{ type: "section", text: { type: "plain_text", text: "the wheel jams" } }];
const who = await client.auth.test();
const said = await client.chat.postMessage({ channel: "C1", text: "hello", blocks });
await client.chat.update({ channel: "C1", ts: said.ts, text: "hello again", blocks });
await client.chat.postEphemeral({ channel: "C1", user: "U1", text: "psst" });
const code = async (call) => call.then(() => "taken", (error) => error.data?.error ?? error.code);
const refused = await code(client.chat.postMessage({ channel: "C1", text: "" }));
const stranger = await code(new WebClient("xoxb-nobody", quiet).auth.test());

const seen = { events: [], presses: [] };
const authorize = async () => ({ botToken: token, botUserId: "U0", botId: "B0" });
const app = new App({ signingSecret, authorize, clientOptions: quiet, logLevel: LogLevel.ERROR });
app.event("app_mention", async ({ event, say }) => {
  seen.events.push(event.text);
  await say({ text: "an answer", thread_ts: event.thread_ts });
});
app.message(async ({ message }) => { seen.events.push(message.text); });
app.action(/^sentinell_/, async ({ ack, action, body }) => {
  await ack();
  seen.presses.push({ id: action.action_id, value: action.value, user: body.user.id });
});
const server = await app.start({ port: 0, host: "127.0.0.1" });
console.log(JSON.stringify({ port: server.address().port, team: who.team, refused, stranger }));
process.stdin.resume();
process.stdin.on("end", async () => {
  await app.stop();
  console.log(JSON.stringify(seen));
  process.exit(0);
});

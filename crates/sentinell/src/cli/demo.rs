//! `sentinell demo`: a small town breaks, and one watches it being mended.

use super::client::Client;
use super::incidents::list_in;
use super::tail::follow;
use super::{block_on, out};
use crate::clock::SystemClock;
use crate::config::{Config, Habit, Overrides, Secret, Surroundings, operator};
use crate::report::Paint;
use crate::report::paint::plain;
use crate::report::timeline::{is_last, lines};
use crate::server::{Server, told_to_stop};
use crate::store::{self, Store};
use crate::wire::checks::Checks;
use crate::wire::demo::demo;
use anyhow::{Context, anyhow, bail};
use sentinell_adapters::http::Url;
use sentinell_core::ids::Actor;
use sentinell_core::policy::{Autonomy, Policy};
use sentinell_core::ports::Clock;
use sentinell_core::signal::Signal;
use sentinell_sim::{Approval, Ending, Scene, stories};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Who approves in the town.
const ON_CALL: &str = "ann";
/// The whole story must be over by then.
const PATIENCE: Duration = Duration::from_secs(300);

const EXAMPLES: &str = "\
Examples:
  sentinell demo                       # break the town, watch it being mended; about a minute
  sentinell demo --keep                # then leave the server running, to look around
  sentinell demo --keep --yourself     # approve what is proposed in the browser, yourself
  sentinell demo --story lost_dependency --seed 7
  sentinell demo --list                # what can break
Everything happens on this machine: a private server on a free loopback port, a database in a temporary folder, and a
simulated town. The town has the same authors as the engine: its success says nothing about accuracy.";

/// Breaks a simulated town and mends it on screen.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Which story
    #[arg(long)]
    story: Option<String>,
    /// Names, moments and noise; default: another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// Leave the server running when it is over
    #[arg(long)]
    keep: bool,
    /// Leave the decision to whoever opens the printed link
    #[arg(long)]
    yourself: bool,
    /// Keep the database in this file instead of a temporary folder
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// List the stories and end
    #[arg(long)]
    list: bool,
}

pub(super) fn run(args: Args, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let paint = Paint::for_stdout(around);
    if args.list {
        let line =
            |story: &sentinell_sim::Story| format!("{} {}\n", paint.bold(&format!("{:<24}", story.name)), story.about);
        out::print(&stories().iter().filter(|story| watchable(story)).map(line).collect::<String>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = private_folder(around)?;
    let shown = block_on(play(&args, &folder, around, paint));
    // The folder is ours alone and holds nothing that anybody asked to keep.
    let _ = std::fs::remove_dir_all(&folder);
    shown?;
    Ok(ExitCode::SUCCESS)
}

/// Stories that end well while one watches; the others are for crash tests.
fn watchable(story: &sentinell_sim::Story) -> bool {
    matches!(story.approval, Approval::Granted(_)) && story.ending == Ending::VerifiedFix
}

fn private_folder(around: &Surroundings) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let folder = PathBuf::from(around.get("TMPDIR").unwrap_or("/tmp"))
        .join(format!("sentinell-demo-{}", uuid::Uuid::now_v7().simple()));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
    made.with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn scene(args: &Args, clock: &dyn Clock) -> anyhow::Result<Scene> {
    let now = clock.now();
    let seed = args.seed.unwrap_or_else(|| now.0.unsigned_abs() % 1000);
    let mut stories = stories().into_iter().filter(watchable);
    let story = match &args.story {
        Some(name) => stories.find(|story| story.name == name),
        None => stories.next(),
    };
    let story = story.ok_or_else(|| anyhow!("no such story; `sentinell demo --list` names them"))?;
    Ok(story.stage_live(seed, now, 1))
}

async fn play(args: &Args, folder: &std::path::Path, around: &Surroundings, paint: Paint) -> anyhow::Result<()> {
    let database = args.database.as_ref().map_or_else(|| folder.join("demo.db"), |file| around.folder.join(file));
    let flags =
        Overrides { listen: Some("127.0.0.1:0".into()), database: Some(format!("sqlite://{}", database.display())) };
    // An empty surrounding: whatever is configured on this machine has no business in the town.
    let nowhere = Surroundings { folder: folder.to_owned(), ..Surroundings::default() };
    let file = folder.join("sentinell.toml");
    std::fs::write(&file, format!("[git]\ncache = {:?}\n", folder.join("repos")))?;
    let config = Config::load(&nowhere, Habit::OneShot, Some(&file), flags)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Store::open(config.database.url(), store::Options::default()).await?;
    let policy = Policy { autonomy: Autonomy::Approve, ..Policy::default() };
    store.set_policy(policy, &Actor("demo".into()), "the town lets a person decide", clock.now()).await?;
    let scene = scene(args, clock.as_ref())?;
    let town = demo(&store, &clock, scene)?;
    let operator = operator::mint()?;
    let checks = Arc::new(Checks::of(&config));
    let server = Server::start(&config, &operator, None, store.clone(), clock.clone(), checks).await?;
    let stop = CancellationToken::new();
    let working = tokio::spawn(Arc::clone(&town.worker).run(stop.clone()));
    if args.yourself {
        out::print(&format!("Approve it yourself; sign in, once: {}\n\n", server.login_link().await?))?;
    }
    let watched = watch(&server, &operator, town.town.scene(), args.yourself, paint);
    // Approvals lapse after half an hour by themselves.
    let patience = if args.yourself { 12 * PATIENCE } else { PATIENCE };
    let watched = tokio::time::timeout(patience, watched).await;
    match watched {
        Ok(watched) => watched?,
        Err(_) => bail!("the story did not end within {} minutes", patience.as_secs() / 60),
    }
    if args.keep {
        out::print(&format!(
            "\nThe server goes on at {}\nsign in, once: {}\nCtrl-C ends it.\n",
            paint.bold(&format!("http://{}/", server.address())),
            server.login_link().await?
        ))?;
        told_to_stop().await?;
    }
    stop.cancel();
    server.stop().await?;
    let _ = tokio::time::timeout(Duration::from_secs(5), working).await;
    store.close().await;
    Ok(())
}

/// Sends the town's call for help, shows what happens, lets the person on call approve (unless `yourself` leaves that to
/// whoever watches), and tells how it ended.
async fn watch(server: &Server, operator: &Secret, scene: &Scene, yourself: bool, paint: Paint) -> anyhow::Result<()> {
    let base = Url::parse(&format!("http://{}", server.address()))?;
    let admin = Client::with_token(base.clone(), Some(operator.expose().to_owned()))?;
    let token = admin.post(&["api", "tokens"], &json!({"name": ON_CALL, "role": "operator"})).await?;
    let ann = Client::with_token(base, token["token"].as_str().map(str::to_owned))?;
    out::print(&format!("{}  {}\n\n", paint.bold("The town:"), scene.story.about))?;
    let first = scene.cues().into_iter().next().context("the story has no call for help")?;
    wait_until(first.at).await;
    let began = Instant::now();
    let answer = admin.post(&["api", "signals", "alertmanager"], &notification(&first.signal)).await?;
    let incident = incident_of(&admin, &answer).await?;
    let (send, mut wanted) = tokio::sync::mpsc::unbounded_channel::<()>();
    let approving = async {
        while wanted.recv().await.is_some() {
            if !yourself {
                approve(&ann, &incident).await?;
            }
        }
        anyhow::Ok(())
    };
    let mut hypothesis_after = None;
    let following = async {
        let send = send;
        follow(&admin, Some(&incident), Some(0), |frame, _| {
            if frame.kind != "wait_ended" {
                out::print(&(lines(frame, paint) + "\n"))?;
            }
            match frame.kind.as_str() {
                "hypotheses_formed" if hypothesis_after.is_none() => hypothesis_after = Some(began.elapsed()),
                "approval_requested" => send.send(()).context("nobody is on call")?,
                _ => {}
            }
            Ok(is_last(&frame.kind))
        })
        .await
    };
    tokio::try_join!(following, approving)?;
    ending(&admin, &incident, scene, hypothesis_after, began.elapsed(), paint).await
}

async fn wait_until(moment: sentinell_core::time::Timestamp) {
    let left = moment.millis_since(SystemClock.now()).max(0);
    tokio::time::sleep(Duration::from_millis(left.unsigned_abs())).await;
}

/// The signal as Alertmanager would send it.
fn notification(signal: &Signal) -> Value {
    json!({
        "receiver": "sentinell", "alerts": [{
            "status": "firing", "labels": signal.labels, "startsAt": signal.occurred_at,
            "annotations": {"summary": signal.title, "description": signal.text},
        }],
    })
}

/// The incident that the signal opened.
async fn incident_of(client: &Client, answer: &Value) -> anyhow::Result<String> {
    let named = answer["id"].as_str().or(answer["incident_id"].as_str()).or(answer["incidents"][0]["id"].as_str());
    if let Some(id) = named {
        return Ok(id.to_owned());
    }
    let page = client.get(&["api", "incidents"], &[("limit", "1")]).await?;
    let newest = list_in(&page, "incidents").first().and_then(|incident| incident["id"].as_str());
    newest.map(str::to_owned).context("the signal opened no incident")
}

/// The person on call reads what is proposed and approves exactly that.
async fn approve(ann: &Client, incident: &str) -> anyhow::Result<()> {
    let actions = ann.get(&["api", "incidents", incident, "actions"], &[]).await?;
    let waiting = list_in(&actions, "actions").iter().find(|action| action["state"] == "awaiting_approval");
    let waiting = waiting.context("no action waits")?;
    // As long as a person takes to read it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let body = json!({"action_id": waiting["id"], "hash": waiting["hash"], "comment": "read it, makes sense"});
    ann.post(&["api", "incidents", incident, "approve"], &body).await?;
    Ok(())
}

async fn ending(
    client: &Client,
    incident: &str,
    scene: &Scene,
    hypothesis_after: Option<Duration>,
    took: Duration,
    paint: Paint,
) -> anyhow::Result<()> {
    let postmortem = client.get_markdown(&["api", "incidents", incident, "postmortem"]).await?;
    out::print(&format!("\n{}\n", paint.bold("POSTMORTEM")))?;
    // The timeline was just watched.
    let story = postmortem.split("## Timeline").next().unwrap_or_default().trim_end();
    for line in story.lines() {
        out::print(&format!("  {}\n", plain(line, paint.width.saturating_sub(2))))?;
    }
    if let Some(truth) = scene.truth() {
        out::print(&format!(
            "\n{} {}: {}\n",
            paint.bold("What the town knew all along:"),
            truth.component,
            truth.fault
        ))?;
    }
    let first = hypothesis_after
        .map_or_else(String::new, |after| format!("first hypothesis after {:.2} s, ", after.as_secs_f64()));
    out::print(&paint.dim(&format!("{first}over after {:.1} s\n", took.as_secs_f64())))
}

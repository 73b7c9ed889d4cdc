use super::serve::{Serve, TOKEN, Wishes};
use crate::api::House;
use sentinell::clock::SystemClock;
use sentinell::reasoner::Deterministic;
use sentinell::store::{self, Filter, Options, Store, Stored, manifest_of};
use sentinell::worker::{Options as WorkerOptions, Worker};
use sentinell_core::action::{Action, ActionDraft, Plan};
use sentinell_core::approval::Warrant;
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::{Event, Health, Investigation, Reading};
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, ToolError};
use sentinell_core::time::Timestamp;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn sentinell(folder: &Path, args: &[&str]) -> Result<String, String> {
    let ended = Command::new(env!("CARGO_BIN_EXE_sentinell"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .output()
        .unwrap();
    let said = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if ended.status.success() { Ok(said(ended.stdout)) } else { Err(said(ended.stderr)) }
}

async fn entries(url: &str) -> (Vec<Stored>, BTreeSet<String>) {
    let store = Store::open(url, Options::default()).await.unwrap();
    let (mut entries, mut deliveries) = (vec![], BTreeSet::new());
    loop {
        let after = entries.last().map_or(0, |stored: &Stored| stored.position);
        let page = store.entries_after(after, None, 1000).await.unwrap();
        if page.is_empty() {
            break;
        }
        entries.extend(page);
    }
    let mut before = None;
    loop {
        let page = store.signals(before, 1000).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.n);
        deliveries.extend(page.into_iter().filter_map(|taken| taken.signal.delivery_id));
    }
    store.close().await;
    (entries, deliveries)
}

/// Posts until told to stop; what was acknowledged, and when.
fn sender(serve: &Serve, number: usize, known: &Arc<Mutex<BTreeSet<String>>>) -> tokio::task::JoinHandle<()> {
    let (http, url, known) = (serve.http.clone(), serve.url("/api/signals/logs"), known.clone());
    tokio::spawn(async move {
        for n in 0_usize.. {
            let key = format!("s{number}-{n}");
            // Letters, because numbers are masked: now and then a trouble that nobody has seen before.
            let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap());
            let trouble: String = [number, n / 3, n / 78, n / 2028].map(letter).iter().collect();
            let body = serde_json::json!({"message": format!("lamp {trouble} is out"), "level": "error"});
            let sent = http.post(&url).header("X-Webhook-Id", &key).json(&body).send().await;
            if sent.is_ok_and(|answer| answer.status() == 202) {
                known.lock().unwrap().insert(key);
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_backup_taken_under_load_restores_to_a_prefix_of_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut serve = Serve::start(at, &Wishes::default()).await;
    let known = Arc::<Mutex<BTreeSet<String>>>::default();
    let senders: Vec<_> = (0..6).map(|number| sender(&serve, number, &known)).collect();
    let mut before = vec![];
    for n in 0..5 {
        let had = known.lock().unwrap().len();
        while known.lock().unwrap().len() < had + 40 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        before.push(known.lock().unwrap().clone());
        let (folder, file) = (at.to_owned(), format!("b{n}.db"));
        tokio::task::spawn_blocking(move || sentinell(&folder, &["backup", &file]).unwrap()).await.unwrap();
    }
    senders.into_iter().for_each(|sender| sender.abort());
    serve.stop().await;
    let (whole, all) = entries(&format!("sqlite://{}", at.join("sentinell.db").display())).await;
    assert!(known.lock().unwrap().is_subset(&all), "acknowledged and then forgotten");
    let mut last = 0;
    for (n, before) in before.iter().enumerate() {
        let (file, into) = (format!("b{n}.db"), format!("sqlite://{}", at.join(format!("r{n}.db")).display()));
        for path in [at.join(&file), manifest_of(&at.join(&file))] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
        let said = sentinell(at, &["restore", &file, "--into", &into]).unwrap();
        assert!(said.contains("every hash chain holds") && said.contains("kill switch is pressed"), "{said}");
        let (restored, deliveries) = entries(&into).await;
        assert!(restored.len() > last, "backup {n} holds more than the one before");
        last = restored.len();
        assert_eq!(restored[..], whole[..restored.len()], "backup {n} is no prefix");
        assert!(before.is_subset(&deliveries), "backup {n} lacks what had been acknowledged before it");
        assert!(deliveries.is_subset(&all));
    }
    assert!(last > 50, "the load was no load: {last} entries");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_replaces_nothing_and_a_damaged_one_restores_nothing() {
    let house = House::open().await;
    house.waiting().await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let into = format!("sqlite://{}", at.join("new.db").display());
    let args = |file: &'static str| ["backup", file].map(str::to_owned);
    let backup = |file| {
        let [word, file] = args(file);
        sentinell(at, &[&word, &file, "--database", &house.url()])
    };
    fs::write(at.join("taken.db"), "mine").unwrap();
    assert!(backup("taken.db").unwrap_err().contains("nothing is replaced"));
    assert_eq!(fs::read(at.join("taken.db")).unwrap(), b"mine");
    backup("good.db").unwrap();
    assert!(backup("good.db").unwrap_err().contains("exists"));
    let restore = |file: &str, into: &str| sentinell(at, &["restore", file, "--into", into]);
    let said = restore("good.db", &house.url()).unwrap_err();
    assert!(said.contains("holds something") || said.contains("not empty"), "{said}");

    // One byte of one journal, and a manifest to match: the hash chain tells.
    let (good, manifest) = (at.join("good.db"), manifest_of(&at.join("good.db")));
    let sound = fs::read(&good).unwrap();
    let mut bytes = sound.clone();
    let opened = bytes.windows(16).position(|window| window == b"{\"type\":\"opened\"").unwrap();
    let place = opened + bytes[opened..].windows(12).position(|window| window == b"cart is down").unwrap();
    bytes[place] = b'C';
    fs::write(&good, &bytes).unwrap();
    assert!(restore("good.db", &into).unwrap_err().contains("SHA-256"));
    let text = fs::read_to_string(&manifest).unwrap();
    let hash = |bytes: &[u8]| {
        use sha2::Digest;
        sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    fs::write(&manifest, text.replace(&hash(&sound), &hash(&bytes))).unwrap();
    let said = restore("good.db", &into).unwrap_err();
    fs::write(&good, &sound).unwrap();
    fs::write(&manifest, text.replace("\"migration\": ", "\"migration\": 99")).unwrap();
    assert!(restore("good.db", &into).unwrap_err().contains("newer"));
    fs::remove_file(&manifest).unwrap();
    assert!(restore("good.db", &into).unwrap_err().contains("never finished"));
    assert!(!at.join("new.db").exists(), "nothing half-restored stays");
    assert!(said.contains("damaged") || said.contains("defect"), "{said}");
}

/// A hand that counts what it does and never knows whether it was done.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Actuator for Counting {
    fn kinds(&self) -> Vec<(String, String)> {
        vec![("kubernetes.rollout_undo".into(), "counts".into())]
    }
    fn plan<'a>(&'a self, _: &'a ActionDraft) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(async { Err(ToolError::Denied("not here".into())) })
    }
    fn apply<'a>(&'a self, _: &'a Action, _: Warrant) -> BoxFuture<'a, Result<String, ActError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok("done".into()) })
    }
    fn was_applied<'a>(&'a self, _: &'a Action) -> BoxFuture<'a, Result<Applied, ToolError>> {
        Box::pin(async { Ok(Applied::Unknown) })
    }
}

/// Restores a backup of this house a day later and works until nothing is due.
async fn a_day_later(house: &House, folder: &Path) -> (Vec<Investigation>, usize) {
    let file = folder.join("b.db");
    let into = format!("sqlite://{}", folder.join("restored.db").display());
    store::backup(&house.url(), &file, house.clock.now()).await.unwrap();
    house.clock.advance(24 * 3600);
    store::restore(&file, &into, house.clock.now()).await.unwrap();
    let store = Store::open(&into, Options::default()).await.unwrap();
    assert!(store.policy().await.unwrap().1.kill_switch.is_some());
    let hand = Arc::new(Counting::default());
    let mind = Arc::new(Deterministic::new(vec![], vec![]));
    let options =
        WorkerOptions { holder: "w".into(), lease: Duration::from_secs(15), concurrency: 1, poll: Duration::ZERO };
    let worker = Worker::new(store.clone(), vec![], vec![hand.clone()], mind, house.clock.clone(), options);
    while worker.work_once().await.unwrap() {}
    let (incidents, _) = store.incidents(Filter::default(), None, 10).await.unwrap();
    let mut cases = vec![];
    for incident in incidents {
        cases.push(store.load(&incident.id).await.unwrap().unwrap());
    }
    store.close().await;
    (cases, hand.0.load(Ordering::SeqCst))
}

async fn tell(house: &House, id: &str, events: Vec<Event>) {
    let store = &house.state.store;
    let case = store.load(&IncidentId(id.into())).await.unwrap().unwrap();
    store.append(&case, events, house.clock.now(), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deed_under_way_at_the_backup_is_in_doubt_after_the_restore_and_never_done_blindly() {
    let house = House::open().await;
    let (id, hash) = house.waiting().await;
    let granted = Event::ApprovalGranted {
        action: "a1".into(),
        hash: serde_json::from_value(hash.into()).unwrap(),
        by: sentinell_core::ids::Actor("ann".into()),
        comment: String::new(),
        role: sentinell_core::approval::Role::Operator,
    };
    let deadline = Timestamp(house.clock.now().0 + 60_000);
    let reading = Reading { health: Health::Unhealthy, note: "still down".into() };
    let checked = Event::StateChecked { action: "a1".into(), reading, next_at: house.clock.now() };
    let started = Event::ActionStarted { action: "a1".into(), attempt: 1, deadline };
    tell(&house, &id, vec![granted, checked, started]).await;
    // Somebody holds it at that moment.
    house.clock.advance(61);
    house.state.store.claim("a-worker-of-then", house.clock.now(), 10_000_000_000).await.unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cases, deeds) = a_day_later(&house, folder.path()).await;
    assert_eq!((cases[0].phase.word(), deeds), ("in_doubt", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_tokens_after_a_restore_are_those_that_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut serve = Serve::start(at, &Wishes::default()).await;
    let new = serde_json::json!({"name": "ann", "role": "viewer"});
    let made = serve.http.post(serve.url("/api/tokens")).bearer_auth(TOKEN).json(&new).send().await.unwrap();
    let token = made.json::<serde_json::Value>().await.unwrap()["token"].as_str().unwrap().to_owned();
    sentinell(at, &["backup", "b.db"]).unwrap();
    serve.stop().await;
    let into = format!("sqlite://{}", at.join("restored.db").display());
    sentinell(at, &["restore", "b.db", "--into", &into]).unwrap();
    let wishes = Wishes { settings: format!("database = \"{into}\"\nauth.required = true\n"), ..Wishes::default() };
    let serve = Serve::start(at, &wishes).await;
    let asked = serve.http.get(serve.url("/api/incidents")).bearer_auth(token).send().await.unwrap();
    assert_eq!(asked.status(), 200, "tokens are kept");
    let ready = SystemClock.now();
    assert!(ready.0 > 0);
    while !serve.answers("/api/ready").await {
        assert!(SystemClock.now().millis_since(ready) < 20_000, "{}", serve.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

//! The memory with a source of meaning and a store of vectors outside: fakes that are named as such, an index that Pinecone's
//! own client has judged, and a real pgvector.

mod index;
mod nearness;

use crate::database::Place;
use index::Index;
use sentinell::clock::SystemClock;
use sentinell::memory::followers::{Embedder, Follower, Mirror, follow};
use sentinell::memory::search::{Sense, search};
use sentinell::store::{Kind, Marked, Options, Recall, Record, Store};
use sentinell_adapters::context::{Pinecone, PineconeSettings};
use sentinell_core::ports::{BoxFuture, Meaning};
use sentinell_core::time::Timestamp;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A fake model: one number for each of its letters, how often a text has it. It can be away.
pub struct Letters {
    name: String,
    letters: Vec<char>,
    away: AtomicBool,
}

impl Letters {
    pub fn new(letters: &str) -> Arc<Self> {
        let name = format!("fake-{letters}:{}", letters.len());
        Arc::new(Self { name, letters: letters.chars().collect(), away: AtomicBool::new(false) })
    }
}

impl Meaning for Letters {
    fn model(&self) -> &str {
        &self.name
    }

    fn embed<'a>(&'a self, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f32>>, String>> {
        let count = |text: &String| self.letters.iter().map(|letter| text.matches(*letter).count() as f32).collect();
        let away = self.away.load(Ordering::Relaxed);
        Box::pin(async move {
            if away { Err("the fake is away".to_owned()) } else { Ok(texts.iter().map(count).collect()) }
        })
    }
}

pub fn record(id: &str, kind: Kind, minute: i64, title: &str) -> Record {
    let at = Timestamp(1_790_000_000_000 + minute * 60_000);
    Record {
        id: id.into(),
        kind,
        at,
        taken_at: at,
        repo_id: Some("mill".into()),
        service: Some("till".into()),
        incident: None,
        title: title.into(),
        text: String::new(),
        reference: None,
        facts: json!({ "repo_id": "forged", "severity": "high" }),
    }
}

pub async fn keep(store: &Store, records: Vec<Record>) {
    let bare = |record| Marked { record, model: String::new(), vector: vec![] };
    assert!(store.remember(records.into_iter().map(bare).collect(), None).await.unwrap());
}

pub async fn all(follower: &dyn Follower) {
    while follower.step().await.unwrap() {}
}

pub fn sense(meaning: &Arc<Letters>) -> Sense {
    Sense::from(Arc::clone(meaning) as Arc<dyn Meaning>)
}

pub async fn ids(store: &Store, sense: &Sense, recall: Recall) -> (Vec<String>, Vec<String>) {
    let answer = search(store, sense, Recall { limit: 10, ..recall }).await.unwrap();
    (answer.found.into_iter().map(|found| found.record.id).collect(), answer.gaps)
}

pub fn words(words: &str) -> Recall {
    Recall { words: words.into(), ..Recall::default() }
}

async fn house() -> (Place, Store) {
    let place = Place::new().await;
    let store = Store::open(place.url(), Options::default()).await.unwrap();
    keep(&store, vec![record("a", Kind::Signal, 1, "aaaa"), record("o", Kind::Slack, 2, "oooo")]).await;
    (place, store)
}

#[tokio::test]
async fn records_get_their_meaning_afterwards_and_another_model_gives_it_anew() {
    let (_place, store) = house().await;
    let (first, second) = (Letters::new("ao"), Letters::new("xoa"));
    let question = || words("aaab");
    assert_eq!(ids(&store, &sense(&first), question()).await.0, Vec::<String>::new(), "nothing has a meaning yet");
    all(&Embedder::new(store.clone(), first.clone())).await;
    assert_eq!(ids(&store, &sense(&first), question()).await, (vec!["a".to_owned()], vec![]));
    assert_eq!(
        ids(&store, &sense(&second), question()).await.0,
        Vec::<String>::new(),
        "another model's are not compared"
    );
    keep(&store, vec![record("b", Kind::Signal, 3, "aaaaaa")]).await;
    all(&Embedder::new(store.clone(), second.clone())).await;
    let found = ids(&store, &sense(&second), question()).await.0;
    assert_eq!(found, ["b", "a"], "what was there and what came since");
    // And back again: progress of the model before was forgotten with it.
    all(&Embedder::new(store.clone(), first.clone())).await;
    assert_eq!(ids(&store, &sense(&first), question()).await.0, ["b", "a"]);
    // What changes is given its meaning again.
    keep(&store, vec![record("a", Kind::Signal, 1, "oooo")]).await;
    all(&Embedder::new(store.clone(), first.clone())).await;
    assert_eq!(ids(&store, &sense(&first), question()).await.0, ["b"]);
}

#[tokio::test]
async fn a_source_that_is_away_leaves_the_words_and_says_so_and_nothing_is_lost() {
    let (_place, store) = house().await;
    let meaning = Letters::new("ao");
    meaning.away.store(true, Ordering::Relaxed);
    let embedder = Arc::new(Embedder::new(store.clone(), meaning.clone()));
    assert!(embedder.step().await.unwrap_err().contains("away"));
    let (found, gaps) = ids(&store, &sense(&meaning), words("aaaa nearly")).await;
    assert_eq!(found, ["a"]);
    assert!(gaps.len() == 1 && gaps[0].contains("words alone") && gaps[0].contains("away"), "{gaps:?}");
    // It comes back: who follows catches up by itself.
    let following = tokio::spawn(follow(store.clone(), Arc::new(SystemClock), embedder));
    tokio::time::sleep(Duration::from_millis(300)).await;
    meaning.away.store(false, Ordering::Relaxed);
    let sense = sense(&meaning);
    for _ in 0..150 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if ids(&store, &sense, words("aaab")).await.0 == ["a"] {
            following.abort();
            return;
        }
    }
    panic!("the records were not given their meaning");
}

fn pinecone(index: &Index) -> Arc<Pinecone> {
    let [key, name, cloud, region] = [index::KEY, "house", "aws", "us-east-1"].map(str::to_owned);
    let settings = PineconeSettings { control: index.url.clone(), key, index: name, cloud, region, dimension: 2 };
    Arc::new(Pinecone::new(settings).unwrap())
}

#[tokio::test]
async fn records_are_mirrored_into_an_index_that_is_made_and_found_there_by_meaning() {
    let (_place, store) = house().await;
    let (meaning, index) = (Letters::new("ao"), Index::open().await);
    keep(&store, vec![record("c", Kind::Commit, 3, "aaao"), record("i", Kind::Incident, 4, "aaaa")]).await;
    let mirror = Mirror::new(store.clone(), pinecone(&index), meaning.model());
    assert!(!mirror.step().await.unwrap(), "nothing has a vector yet");
    all(&Embedder::new(store.clone(), meaning.clone())).await;
    index.fail(true);
    assert!(mirror.step().await.is_err());
    index.fail(false);
    all(&mirror).await;
    all(&Mirror::new(store.clone(), pinecone(&index), meaning.model())).await;
    assert_eq!(index.ids("logs"), ["a"]);
    assert_eq!((index.ids("slack"), index.ids("commits")), (vec!["o".to_owned()], vec!["c".to_owned()]));
    let kept = index.metadata("logs", "a");
    assert_eq!(
        (&kept["repo_id"], &kept["source_type"], &kept["severity"]),
        (&json!("mill"), &json!("signal"), &json!("high"))
    );
    assert_eq!((&kept["timestamp_epoch"], &kept["text"]), (&json!(1_790_000_060), &json!("aaaa\n")));
    // Four hundred newer ones leave no place for it in the window: only the index still knows that it is near.
    let newer = (0..450).map(|n| record(&format!("n{n}"), Kind::Signal, 100 + n, "oo")).collect();
    keep(&store, newer).await;
    all(&Embedder::new(store.clone(), meaning.clone())).await;
    let near = sense(&meaning).with_pinecone(Some(pinecone(&index)));
    assert!(ids(&store, &near, words("aab")).await.0.contains(&"a".to_owned()));
    assert!(!ids(&store, &sense(&meaning), words("aab")).await.0.contains(&"a".to_owned()));
    let other = Recall { service: Some("other".into()), ..words("aab") };
    assert_eq!(ids(&store, &near, other).await.0, Vec::<String>::new());
    index.fail(true);
    let (_, gaps) = ids(&store, &near, words("oo")).await;
    assert!(gaps.iter().any(|gap| gap.contains("Pinecone")), "{gaps:?}");
}

#[tokio::test]
async fn what_is_written_again_takes_its_place_in_the_index_and_what_is_forgotten_leaves_it() {
    let (_place, store) = house().await;
    let (meaning, index) = (Letters::new("ao"), Index::open().await);
    let (embedder, mirror) =
        (Embedder::new(store.clone(), meaning.clone()), Mirror::new(store.clone(), pinecone(&index), meaning.model()));
    all(&embedder).await;
    all(&mirror).await;
    keep(&store, vec![record("a", Kind::Signal, 1, "aaaa again"), record("b", Kind::Slack, 5, "ao")]).await;
    store.forget_others(Kind::Slack, &["b".to_owned()]).await.unwrap();
    all(&embedder).await;
    all(&mirror).await;
    assert_eq!((index.ids("logs"), index.ids("slack")), (vec!["a".to_owned()], vec!["b".to_owned()]));
    assert_eq!(index.metadata("logs", "a")["title"], "aaaa again");
}

#[tokio::test]
#[ignore = "needs Pinecone's own client: scripts/stages/memory"]
async fn judged_by_pinecones_own_client_the_fake_is_an_index() {
    let python = std::env::var("SENTINELL_TEST_PINECONE").unwrap();
    let index = Index::open().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/memory/judge.py");
    let mut command = tokio::process::Command::new(python);
    command.args([script, &index.url, index::KEY]).env_remove("PINECONE_API_KEY");
    let done = command.output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // What its client wrote, ours reads, and the other way round.
    let ours = pinecone(&index);
    assert_eq!(ours.query("logs", &[1.0, 0.0], 5, &json!({})).await.unwrap()[0].0, "theirs");
}

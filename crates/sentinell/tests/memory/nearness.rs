//! A real pgvector, started by `scripts/stages/memory`.

use super::{Letters, all, ids, keep, record, sense, words};
use sentinell::memory::followers::{Embedder, Near};
use sentinell::store::{Kind, Nearness, Options, Recall, Store};
use sentinell_core::ports::Meaning;
use sentinell_core::time::Timestamp;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL with pgvector: scripts/stages/memory"]
async fn with_pgvector_meaning_finds_what_neither_words_nor_time_bring() {
    let url = std::env::var("SENTINELL_TEST_PGVECTOR").unwrap();
    let store = Store::open(&url, Options::default()).await.unwrap();
    let meaning = Letters::new("ao");
    keep(&store, vec![record("old", Kind::Signal, 1, "aaaa"), record("gone", Kind::Slack, 2, "aaao")]).await;
    for from in (0..1_200).step_by(400) {
        let newer = (from..from + 400).map(|n| record(&format!("n{n}"), Kind::Signal, 100 + n, "oo"));
        keep(&store, newer.collect()).await;
    }
    all(&Embedder::new(store.clone(), meaning.clone() as Arc<dyn Meaning>)).await;
    let near = sense(&meaning);
    assert!(!ids(&store, &near, words("aab")).await.0.contains(&"old".to_owned()), "not without the table");

    assert!(matches!(store.prepare_nearness(2).await, Nearness::Indexed(_)));
    all(&Near::new(store.clone(), meaning.model())).await;
    let found = ids(&store, &near, words("aab")).await.0;
    assert_eq!(found[..2], ["old", "gone"], "{found:?}");
    assert_eq!(ids(&store, &near, Recall { kinds: vec![Kind::Slack], ..words("aab") }).await.0, ["gone"]);
    let late = Recall {
        since: Some(Timestamp(1_790_000_000_000 + 90_000)),
        until: Some(Timestamp(1_790_000_000_000 + 200_000)),
        ..words("aab")
    };
    assert_eq!(ids(&store, &near, late).await.0, ["gone"]);
    assert_eq!(
        ids(&store, &near, Recall { service: Some("mill".into()), ..words("aab") }).await.0,
        Vec::<String>::new()
    );

    // What is forgotten or written again is no longer near.
    store.forget_others(Kind::Slack, &[]).await.unwrap();
    keep(&store, vec![record("old", Kind::Signal, 1, "oooo")]).await;
    let found = ids(&store, &near, words("aab")).await.0;
    assert!(!found.contains(&"old".to_owned()) && !found.contains(&"gone".to_owned()), "{found:?}");

    // Another model with longer vectors: the table is made anew and filled again.
    let other = Letters::new("xao");
    assert!(matches!(store.prepare_nearness(3).await, Nearness::Indexed(_)));
    keep(&store, vec![record("old", Kind::Signal, 1, "aaaa")]).await;
    all(&Embedder::new(store.clone(), other.clone() as Arc<dyn Meaning>)).await;
    all(&Near::new(store.clone(), other.model())).await;
    assert_eq!(ids(&store, &sense(&other), words("aab")).await.0[0], "old");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a PostgreSQL without pgvector: scripts/stages/memory"]
async fn without_pgvector_everything_else_works_and_the_reason_is_told() {
    let url = std::env::var("SENTINELL_TEST_NO_PGVECTOR").unwrap();
    let store = Store::open(&url, Options::default()).await.unwrap();
    let Nearness::Missing(why) = store.prepare_nearness(2).await else { panic!("it is there") };
    assert!(why.contains("vector"), "{why}");
    keep(&store, vec![record("a", Kind::Signal, 1, "aaaa")]).await;
    let meaning = Letters::new("ao");
    all(&Embedder::new(store.clone(), meaning.clone() as Arc<dyn Meaning>)).await;
    assert_eq!(ids(&store, &sense(&meaning), words("aab")).await.0, ["a"]);
    store.close().await;
}

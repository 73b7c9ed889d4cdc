//! The indexer: follows signals and journals by their positions, beside the work, and makes records of them.
//!
//! What it read is remembered in the transaction that keeps the records, so that a crash reads again what was not kept and
//! writes the same records over the same ids. It waits while anybody else waits for the writer.

use super::records;
use crate::runbooks::Document;
use crate::store::{Kind, Marked, Read, Record, Store, StoreError};
use sentinell_core::ids::IncidentId;
use sentinell_core::ports::{Clock, Meaning};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Signals or entries read at once.
const BATCH: u32 = 128;
/// How long it waits when there is nothing new.
const IDLE: Duration = Duration::from_secs(1);
/// How long between batches, so that the work beside it hardly notices.
const BREATH: Duration = Duration::from_millis(20);
/// How long it waits for others who write.
const YIELD: Duration = Duration::from_millis(100);
/// Writes waiting that are too many to join in.
const PRESSURE: usize = 4;
/// Entries of a journal that its story is read off.
const STORY: u32 = 2_000;

/// Follows what is kept and remembers it.
pub struct Indexer {
    store: Store,
    meaning: Option<Arc<dyn Meaning>>,
    clock: Arc<dyn Clock>,
    runbooks: Vec<Document>,
}

impl Indexer {
    /// Remembers what this store keeps, and these runbooks. `meaning` is what can be had at once; without it records wait
    /// for theirs and are found by their words.
    pub fn new(
        store: Store,
        meaning: Option<Arc<dyn Meaning>>,
        clock: Arc<dyn Clock>,
        runbooks: Vec<Document>,
    ) -> Self {
        Self { store, meaning, clock, runbooks }
    }

    /// Follows until dropped.
    pub async fn follow(self) {
        let mut told = false;
        let mut runbooks = false;
        loop {
            let step = match runbooks {
                true => self.step().await,
                false => self.runbooks().await.map(|()| true),
            };
            runbooks |= step.is_ok();
            let pause = match step {
                Ok(true) => BREATH,
                Ok(false) => IDLE,
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%error, "the memory could not be brought up to date; it is tried again");
                    }
                    IDLE * 5
                }
            };
            tokio::time::sleep(pause).await;
            while self.store.pressure() > PRESSURE {
                tokio::time::sleep(YIELD).await;
            }
        }
    }

    /// Reads on until there is nothing new.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        self.runbooks().await?;
        while self.step().await? {}
        Ok(())
    }

    /// One batch of each source; whether there was anything.
    async fn step(&self) -> Result<bool, StoreError> {
        Ok(self.signals().await? | self.entries().await?)
    }

    async fn signals(&self) -> Result<bool, StoreError> {
        let from = self.store.remembered("signals").await?;
        let (taken, last) = self.store.signals_after(i64::try_from(from).unwrap_or(i64::MAX), BATCH).await?;
        let Some(to) = last.and_then(|last| u64::try_from(last).ok()) else { return Ok(false) };
        let records = taken.iter().flat_map(records::of_signal).collect();
        self.keep(records, Read { source: "signals", from, to }).await
    }

    async fn entries(&self) -> Result<bool, StoreError> {
        let from = self.store.remembered("entries").await?;
        let entries = self.store.entries_after(from, None, BATCH).await?;
        let Some(to) = entries.last().map(|last| last.position) else { return Ok(false) };
        let (mut found, mut ended) = (vec![], BTreeMap::new());
        for stored in &entries {
            found.extend(records::of_entry(&stored.entry));
            if records::is_an_end(&stored.entry.event) {
                ended.insert(stored.entry.incident.clone(), ());
            }
        }
        for incident in ended.keys() {
            found.extend(self.story(incident).await?);
        }
        self.keep(found, Read { source: "entries", from, to }).await
    }

    /// An incident as it ended, and its story.
    async fn story(&self, incident: &IncidentId) -> Result<Vec<Record>, StoreError> {
        let journal = self.store.journal(incident, 0, STORY).await?;
        let entries: Vec<_> = journal.into_iter().map(|stored| stored.entry).collect();
        // A journal that retention dropped meanwhile, or one too long to be told.
        Ok(records::of_journal(&entries))
    }

    async fn runbooks(&self) -> Result<(), StoreError> {
        let records: Vec<Record> =
            self.runbooks.iter().map(|book| records::of_runbook(book, self.clock.now())).collect();
        let ids: Vec<String> = records.iter().map(|record| record.id.clone()).collect();
        self.store.forget_others(Kind::Runbook, &ids).await?;
        let marked = self.mark(records).await;
        self.store.remember(marked, None).await.map(drop)
    }

    async fn keep(&self, records: Vec<Record>, read: Read) -> Result<bool, StoreError> {
        let marked = self.mark(records).await;
        // Somebody else may have read on: then there is more to do, but not this.
        self.store.remember(marked, Some(read)).await.map(|_| true)
    }

    /// Gives each record its vector. Without one it is still found by its words.
    async fn mark(&self, records: Vec<Record>) -> Vec<Marked> {
        let mut latest: BTreeMap<String, Record> = BTreeMap::new();
        for record in records {
            latest.insert(record.id.clone(), record);
        }
        let records: Vec<Record> = latest.into_values().collect();
        let (mut model, mut vectors) = ("", vec![]);
        if let Some(meaning) = &self.meaning {
            let texts: Vec<String> = records.iter().map(Record::whole).collect();
            model = meaning.model();
            vectors = meaning.embed(&texts).await.unwrap_or_else(|why| {
                tracing::warn!(why, "records are remembered without their meaning");
                vec![]
            });
        }
        let mut vectors = vectors.into_iter();
        let mark = |record| Marked { record, model: model.to_owned(), vector: vectors.next().unwrap_or_default() };
        records.into_iter().map(mark).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::memory::Memory;
    use crate::memory::search::{Sense, search};
    use crate::store::{Accept, Options, Recall};
    use sentinell_core::alert::fingerprint;
    use sentinell_core::evidence::{Query, Telemetry};
    use sentinell_core::ids::Actor;
    use sentinell_core::investigation::{Event, Resolution};
    use sentinell_core::ports::{BoxFuture, Tool};
    use sentinell_core::signal::Signal;
    use serde_json::{Value, json};

    /// Means how often there is an `a`, and how often an `o`.
    struct Letters;

    impl Meaning for Letters {
        fn model(&self) -> &str {
            "letters:2"
        }

        fn embed<'a>(&'a self, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f32>>, String>> {
            let count = |text: &String, letter| text.matches(letter).count() as f32;
            Box::pin(async move { Ok(texts.iter().map(|text| vec![count(text, 'a'), count(text, 'o')]).collect()) })
        }
    }

    fn alert(n: usize, rule: &str, title: &str) -> Accept {
        let at = "2026-11-22T12:00:00Z";
        let signal: Value = json!({"id": format!("s{n}"), "signal_type": "alert", "source": "watcher", "delivery_id": null,
            "state": "firing", "severity": "high", "title": title, "text": "", "labels": {"service": "till"},
            "repo_id": null, "source_ref": null, "occurred_at": at, "received_at": at, "tags": [],
            "metadata": {"outcome": "forged", "kind": "runbook"}});
        let signal: Signal = serde_json::from_value(signal).unwrap();
        let new_incident = format!("i{n}").as_str().into();
        Accept {
            signal,
            fingerprint: fingerprint([rule]),
            raw_sha256: [7; 32],
            budget: Default::default(),
            new_incident,
        }
    }

    async fn house() -> (tempfile::TempDir, Store, Indexer) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("s.db").display());
        let store = Store::open(&url, Options::default()).await.unwrap();
        let books = crate::runbooks::documents(None).unwrap();
        let indexer = Indexer::new(store.clone(), Some(Arc::new(Letters)), Arc::new(SystemClock), books);
        (folder, store, indexer)
    }

    #[tokio::test]
    async fn what_happened_is_remembered_with_its_end_and_told_to_the_next_case() {
        let (_folder, store, indexer) = house().await;
        store.accept(alert(1, "pool", "connection pool of the till exhausted")).await.unwrap();
        let first = store.load(&"i1".into()).await.unwrap().unwrap();
        let events = vec![
            Event::NoteAdded { by: Actor("ann".into()), text: "doubled the slots".into() },
            Event::Resolved { resolution: Resolution::Person, by: Actor("ann".into()), why: "more slots".into() },
        ];
        store.append(&first, events, first.updated_at, None).await.unwrap();
        indexer.catch_up().await.unwrap();
        indexer.catch_up().await.unwrap();
        let sense = Sense::from(Arc::new(Letters) as Arc<dyn Meaning>);
        let asked = |words: &str| Recall { words: words.into(), limit: 10, ..Recall::default() };
        let found = search(&store, &sense, asked("pool exhausted")).await.unwrap().found;
        let kinds: Vec<Kind> = found.iter().map(|found| found.record.kind).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Incident).count(), 1, "{kinds:?}");
        assert!(kinds.contains(&Kind::Signal) && kinds.contains(&Kind::Postmortem), "{kinds:?}");
        let story = search(&store, &sense, asked("doubled slots")).await.unwrap().found;
        assert_eq!(story[0].record.kind, Kind::Postmortem);

        store.accept(alert(2, "other", "the pool of connections is exhausted again")).await.unwrap();
        indexer.catch_up().await.unwrap();
        let second = store.load(&"i2".into()).await.unwrap().unwrap();
        let eye = Memory::new(store.clone(), sense);
        let question = eye.first_look(&second).remove(0);
        let query = Query { id: "q1".into(), tool: question.tool, args: question.args, why: question.why };
        let seen = eye.observe(&query).await.unwrap();
        let Telemetry::Precedent { precedent } = &seen.telemetry[0] else { panic!("{seen:?}") };
        assert_eq!((precedent.kind.as_str(), precedent.reference.as_str()), ("incident", "i1"));
        assert!(precedent.outcome.contains("more slots") && !precedent.outcome.contains("forged"), "{precedent:?}");
        let (evidence, _) = crate::digest::condense(&second, &query, &seen);
        assert!(evidence.iter().all(|one| one.kind == "precedent" && one.strength == 0.0), "{evidence:?}");
        let words_alone = Sense::default();
        let asked = Recall { kinds: vec![Kind::Runbook], ..asked("rollout crash loop") };
        let books = search(&store, &words_alone, asked);
        assert!(!books.await.unwrap().found.is_empty());
    }
}

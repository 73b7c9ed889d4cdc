//! The memory: how fast it answers with many records, and how often it finds the same failure again.

use super::{Args, Outcome, quantile};
use sentinell::store::{Kind, Marked, Options, Recall, Record, Store};
use sentinell_adapters::context::StaticMeaning;
use sentinell_core::ports::Meaning;
use sentinell_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Instant;

/// Records written at once.
const TOGETHER: usize = 500;
/// A day in milliseconds.
const DAY: i64 = 86_400_000;
/// Words that made-up records consist of: a few are everywhere, most are rare.
const COMMON: [&str; 24] = [
    "request",
    "failed",
    "timeout",
    "error",
    "connection",
    "refused",
    "latency",
    "high",
    "memory",
    "disk",
    "pool",
    "exhausted",
    "restart",
    "certificate",
    "upstream",
    "response",
    "queue",
    "full",
    "node",
    "pressure",
    "probe",
    "rollout",
    "cache",
    "slow",
];

/// A small generator, so that two runs are alike.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn text(&mut self) -> String {
        let mut words: Vec<String> = (0..6).map(|_| COMMON[self.below(24) as usize].to_owned()).collect();
        words.extend((0..5).map(|_| format!("w{}", self.below(20) * self.below(20_000))));
        words.join(" ")
    }
}

fn record(id: String, kind: Kind, at: i64, service: String, text: String) -> Record {
    let at = Timestamp(at);
    let (title, text) = (text.clone(), format!("{text} in the middle of the day"));
    let facts = json!({});
    Record {
        id,
        kind,
        at,
        taken_at: at,
        repo_id: None,
        service: Some(service),
        incident: None,
        title,
        text,
        reference: None,
        facts,
    }
}

/// `--records N --queries N --file PATH`: fills a SQLite file (once) and searches it, as wide as it goes and narrowed.
pub(super) async fn search(args: &Args) -> Outcome<Value> {
    let (records, queries): (usize, usize) = (args.get("records", 100_000)?, args.get("queries", 300)?);
    let file: String = args.get("file", "search.db".to_owned())?;
    let store = Store::open(&format!("sqlite://{file}"), Options::default()).await?;
    let (meaning, mut dice) = (StaticMeaning::new(), Dice(7));
    let known = store.remembered("bench").await? as usize;
    let began = Instant::now();
    for from in (known..records).step_by(TOGETHER) {
        let batch = (from..(from + TOGETHER).min(records)).map(|n| {
            let at = n as i64 * (90 * DAY / records as i64);
            let kind = if n % 400 == 7 { Kind::Incident } else { Kind::Signal };
            let record = record(format!("r{n}"), kind, at, format!("s{}", n % 200), dice.text());
            let vector = meaning.vector(&record.whole());
            Marked { record, model: meaning.model().to_owned(), vector }
        });
        let read = sentinell::store::Read { source: "bench", from: from as u64, to: (from + TOGETHER) as u64 };
        store.remember(batch.collect(), Some(read)).await?;
    }
    let filled = began.elapsed().as_secs_f64();
    let mut shown = json!({ "records": records, "filled_seconds": filled, "per_second": (records.saturating_sub(known)) as f64 / filled });
    let asked: [(&str, bool, i64, &[Kind]); 4] = [
        ("all", false, 90, &[]),
        ("service", true, 90, &[]),
        ("service_week", true, 7, &[]),
        ("incidents", false, 90, &[Kind::Incident]),
    ];
    for (name, service, days, kinds) in asked {
        let mut took = vec![];
        for _ in 0..queries {
            let text = dice.text();
            let recall = Recall {
                vector: Some((meaning.model().to_owned(), meaning.vector(&text))),
                words: text,
                service: service.then(|| format!("s{}", dice.below(200))),
                since: (days < 90).then_some(Timestamp((90 - days) * DAY)),
                kinds: kinds.to_vec(),
                limit: 10,
                ..Recall::default()
            };
            let began = Instant::now();
            store.recall(&recall).await?;
            took.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        took.sort_by(f64::total_cmp);
        shown[name] = json!({ "p50_ms": quantile(&took, 50.0), "p99_ms": quantile(&took, 99.0) });
    }
    store.close().await;
    Ok(shown)
}

/// A failure that was told in words, and which one it was.
#[derive(Deserialize)]
struct Case {
    text: String,
    label: String,
}

/// `--cases FILE` of lines `{"text", "label"}`: each is asked for among all others. Recall@5: of the questions that have
/// another case of their label, the share with at least one among the first five answers.
pub(super) async fn alike(args: &Args) -> Outcome<Value> {
    let file: String = args.get("cases", "cases.jsonl".to_owned())?;
    let lines = std::fs::read_to_string(file)?;
    let cases: Vec<Case> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let folder = std::env::temp_dir().join(format!("sentinell-alike-{}.db", std::process::id()));
    let store = Store::open(&format!("sqlite://{}", folder.display()), Options::default()).await?;
    let meaning = StaticMeaning::new();
    let mark = |(n, case): (usize, &Case)| {
        let record = Record {
            text: case.text.clone(),
            title: String::new(),
            ..record(n.to_string(), Kind::Incident, n as i64 * DAY, "s".into(), String::new())
        };
        Marked { model: meaning.model().to_owned(), vector: meaning.vector(&case.text), record }
    };
    store.remember(cases.iter().enumerate().map(mark).collect(), None).await?;
    let (mut asked, mut words, mut both, mut near) = (0_u32, 0_u32, 0_u32, 0_u32);
    for (n, case) in cases.iter().enumerate() {
        if cases.iter().filter(|other| other.label == case.label).count() < 2 {
            continue;
        }
        asked += 1;
        let vector = Some((meaning.model().to_owned(), meaning.vector(&case.text)));
        for (count, text, vector) in [
            (&mut words, &case.text, None),
            (&mut both, &case.text, vector.clone()),
            (&mut near, &String::new(), vector),
        ] {
            let recall = Recall { words: text.clone(), vector, limit: 6, ..Recall::default() };
            let found = store.recall(&recall).await?;
            let others = found.iter().filter_map(|found| found.record.id.parse::<usize>().ok()).filter(|id| *id != n);
            *count += u32::from(others.take(5).any(|id| cases[id].label == case.label));
        }
    }
    store.close().await;
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", folder.display()));
    }
    let share = |count: u32| f64::from(count) / f64::from(asked.max(1));
    Ok(
        json!({ "cases": cases.len(), "asked": asked, "words": share(words), "meaning": share(near), "both": share(both) }),
    )
}

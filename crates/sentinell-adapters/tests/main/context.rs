//! Vectors from a server, and vectors kept elsewhere: fakes that are named as such, and a real small model.

use super::fake::{Answer, Fake, Request};
use sentinell_adapters::context::{Embeddings, EmbeddingsSettings, Pinecone, PineconeItem, PineconeSettings};
use sentinell_core::ports::Meaning;
use serde_json::{Value, json};
use std::time::Duration;

fn embeddings(url: &str, model: &str, dimensions: usize) -> Embeddings {
    let (key, timeout) = (Some("sk-very-secret".to_owned()), Duration::from_secs(20));
    Embeddings::new(EmbeddingsSettings { url: format!("{url}/v1"), key, model: model.into(), dimensions, timeout })
        .unwrap()
}

fn body(request: &Request) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

/// Counts letters; refuses what says poison and whatever is longer than a thousand bytes. Answers in reverse order.
fn letters(request: &Request) -> Answer {
    let asked = body(request);
    if request.header("authorization") != "Bearer sk-very-secret" || request.path != "/v1/embeddings" {
        return (401, "who? sk-very-secret".into());
    }
    let texts: Vec<&str> = asked["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    if texts.iter().any(|text| text.is_empty() || text.contains("poison") || text.len() > 1_000) {
        return (400, r#"{"error": {"message": "invalid input, key sk-very-secret"}}"#.into());
    }
    let count = |text: &str, letter| text.matches(letter).count();
    let one = |(at, text): (usize, &&str)| json!({"index": at, "embedding": [count(text, 'a'), count(text, 'o')]});
    let data: Vec<Value> = texts.iter().enumerate().map(one).rev().collect();
    (200, json!({ "data": data }).to_string())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn vectors_come_in_batches_and_a_refused_text_costs_only_itself() {
    let fake = Fake::serve(letters);
    let meaning = embeddings(&fake.url, "letters", 2);
    assert_eq!(meaning.model(), "letters:2");
    let asked = texts(&["banana", "", "oho", " "]);
    assert_eq!(meaning.embed(&asked).await.unwrap(), [vec![3.0, 0.0], vec![], vec![0.0, 2.0], vec![]]);
    assert!(body(&fake.seen()[0]).get("dimensions").is_none());
    let many: Vec<String> = (0..150).map(|n| "a".repeat(n % 7 + 1)).collect();
    let before = fake.seen().len();
    assert_eq!(meaning.embed(&many).await.unwrap()[149], [3.0, 0.0]);
    assert_eq!(fake.seen().len() - before, 3);
    let long = "a".repeat(5_000);
    let found = meaning.embed(&texts(&["aa", "poison", &long])).await.unwrap();
    assert_eq!(found, [vec![2.0, 0.0], vec![], vec![800.0, 0.0]], "the long one is cut, the poison has none");
}

#[tokio::test]
async fn a_server_that_fails_is_told_apart_from_a_text_that_it_refuses() {
    for (status, said) in [(400, "no such model"), (401, "bad sk-very-secret"), (429, "slow"), (500, "broken")] {
        let fake = Fake::serve(move |_| (status, said.to_owned()));
        let why = embeddings(&fake.url, "m", 2).embed(&texts(&["a", "b"])).await.unwrap_err();
        assert!(why.contains(&status.to_string()) && !why.contains("very-secret"), "{why}");
        assert!(fake.seen().len() <= 2, "it is not asked text by text");
    }
    for nonsense in [
        json!({"data": [{"index": 0, "embedding": [1, 2, 3]}]}),
        json!({"data": [{"index": 7, "embedding": [1, 2]}]}),
        json!({"data": [{"index": 0, "embedding": [1, "x"]}]}),
        json!({"data": []}),
        json!({"data": {}}),
        json!([]),
    ] {
        let fake = Fake::serve(move |_| (200, nonsense.to_string()));
        embeddings(&fake.url, "m", 2).embed(&texts(&["a"])).await.unwrap_err();
    }
    let fake = Fake::serve(letters);
    embeddings(&fake.url, "text-embedding-3-large", 2).embed(&texts(&["a"])).await.unwrap();
    assert_eq!(body(&fake.seen()[0])["dimensions"], 2);
    let nobody = embeddings("http://127.0.0.1:9", "m", 2);
    nobody.embed(&texts(&["a"])).await.unwrap_err();
}

#[tokio::test]
async fn a_server_is_not_asked_before_it_wants_to_be() {
    let busy = Fake::serve_headed(|_| (429, vec![("Retry-After", "3600".into())], "slow down".into()));
    let meaning = embeddings(&busy.url, "m", 2);
    assert!(meaning.embed(&texts(&["a"])).await.unwrap_err().starts_with("429"));
    for _ in 0..3 {
        let why = meaning.embed(&texts(&["a"])).await.unwrap_err();
        assert!(why.contains("left alone for"), "{why}");
    }
    assert_eq!(busy.seen().len(), 1);
    let answers = std::sync::atomic::AtomicUsize::new(0);
    let soon = Fake::serve_headed(move |request| {
        let first = answers.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        let (status, body) = if first { (503, "starting".into()) } else { letters(request) };
        (status, vec![("Retry-After", "0.1".into())], body)
    });
    let meaning = embeddings(&soon.url, "letters", 2);
    meaning.embed(&texts(&["a"])).await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(meaning.embed(&texts(&["a"])).await.unwrap(), [vec![1.0, 0.0]], "it is asked again afterwards");
}

#[tokio::test]
#[ignore = "needs a real model: scripts/stages/models"]
async fn models_that_are_real_give_meaning() {
    let Ok(url) = std::env::var("SENTINELL_TEST_EMBEDDINGS") else {
        eprintln!("SKIPPED: SENTINELL_TEST_EMBEDDINGS is not set; scripts/stages/models sets it");
        return;
    };
    let meaning = embeddings(&url, "small", 576);
    let asked = texts(&["the disk of the node is full", "no space left on the disk", "a certificate has expired"]);
    let vectors = meaning.embed(&asked).await.unwrap();
    let near = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let (same, other) = (near(&vectors[0], &vectors[1]), near(&vectors[0], &vectors[2]));
    assert!(same > other, "{same} {other}");
    let wrong = embeddings(&url, "small", 128).embed(&asked).await.unwrap_err();
    assert!(wrong.contains("576") && wrong.contains("memory.embeddings.dimensions"), "{wrong}");
}

fn pinecone(url: &str, dimension: usize) -> Pinecone {
    let [key, index, cloud, region] = ["pc-very-secret", "house", "aws", "us-east-1"].map(str::to_owned);
    Pinecone::new(PineconeSettings { control: url.to_owned(), key, index, cloud, region, dimension }).unwrap()
}

#[tokio::test]
async fn an_index_that_does_not_fit_is_refused_in_words() {
    let described = |dimension: u32, metric: &str, host: &str| json!({"name": "house", "dimension": dimension, "metric": metric, "host": host, "status": {"ready": true, "state": "Ready"}});
    for (answer, needle) in [
        ((200, described(8, "cosine", "x").to_string()), "8 dimensions and not 2"),
        ((200, described(2, "euclidean", "x").to_string()), "by euclidean"),
        ((401, "no pc-very-secret".to_owned()), "401"),
        ((200, "<html>".to_owned()), "not JSON"),
    ] {
        let fake = Fake::serve(move |_| answer.clone());
        let why = pinecone(&fake.url, 2).query("logs", &[1.0, 0.0], 3, &json!({})).await.unwrap_err();
        assert!(why.contains(needle) && !why.contains("very-secret"), "{why}");
    }
    let fake = Fake::serve(|_| (503, "busy".into()));
    let item = PineconeItem { id: "a".into(), values: vec![1.0, 0.0], metadata: json!({}) };
    assert!(pinecone(&fake.url, 2).upsert("logs", &[item]).await.unwrap_err().starts_with("503"));
    assert!(fake.seen().iter().all(|request| request.header("api-key") == "pc-very-secret"));
}

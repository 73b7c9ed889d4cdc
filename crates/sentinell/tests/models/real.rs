//! The whole loop with models behind real servers, on both wires: `scripts/stages/models` starts them.

use crate::stories::fuse::Fuse;
use crate::stories::house::{House, Seen};
use sentinell_adapters::models::{Answers, Anthropic, ModelSettings, OpenAi, Secret, StreamLimits};
use sentinell_core::investigation::Event;
use sentinell_core::model::Model;
use sentinell_core::policy::Budget;
use sentinell_sim::story;
use std::sync::Arc;
use std::time::Duration;

fn address(variable: &str) -> Option<String> {
    let address = std::env::var(variable).ok();
    if address.is_none() {
        eprintln!("SKIPPED: {variable} is not set");
    }
    address
}

/// The same server on both wires.
fn both(url: &str, name: &str, answers: Answers, window: u32) -> [Arc<dyn Model>; 2] {
    let settings = ModelSettings {
        base_url: url.to_owned(),
        key: (name != "smollm2").then(|| Secret::new("a-key-for-a-fake")),
        window,
        answers,
        limits: StreamLimits { total: Duration::from_secs(240), ..StreamLimits::default() },
        ..ModelSettings::new(name)
    };
    [Arc::new(Anthropic::new(settings.clone()).unwrap()), Arc::new(OpenAi::new(settings).unwrap())]
}

async fn played(model: Arc<dyn Model>) -> Seen {
    let budget = Budget { turns: 5, ..Budget::default() };
    let seen = House::new(&story("rejection").unwrap(), 7, Fuse::never()).await.with_any_model(model, budget);
    let seen = seen.play().await;
    assert_eq!(seen.case.phase.word(), "escalated");
    assert_eq!(seen.deeds_by_hash.iter().sum::<usize>(), 0);
    assert!(seen.chain_holds && !seen.case.hypotheses.is_empty(), "{:?}", seen.case.gaps);
    seen
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aimock: scripts/stages/models"]
async fn a_fake_that_others_wrote_looks_concludes_and_doubts_on_both_wires() {
    let Some(url) = address("SENTINELL_TEST_AIMOCK") else { return };
    for model in both(&url, "claude-sonnet-5", Answers::Tools, 200_000) {
        let seen = played(model).await;
        let told: Vec<String> = seen.entries.iter().map(|entry| entry.event.name()).collect();
        let turns = seen.entries.iter().filter(|e| matches!(&e.event, Event::TurnTaken { reply: Some(_), .. })).count();
        assert_eq!(turns, 2, "a look and a conclusion: {told:?} {:?}", seen.case.gaps);
        assert!(told.iter().any(|name| name == "doubted"), "{told:?}");
        assert!(seen.case.spent.tokens > 0, "{:?}", seen.case.spent);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real model: scripts/stages/models"]
async fn whatever_a_real_small_model_says_the_case_ends_with_a_cause() {
    let Some(url) = address("SENTINELL_TEST_LLM") else { return };
    for model in both(&url, "smollm2", Answers::Auto, 2_048) {
        let seen = played(model).await;
        let asked = seen.entries.iter().any(|entry| entry.event.paid().is_some_and(|(by, _)| by == "smollm2"));
        assert!(asked, "nobody asked the model: {:?}", seen.case.gaps);
    }
}

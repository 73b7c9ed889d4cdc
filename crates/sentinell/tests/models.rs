//! The loop with a language model: whole, cut at every seam, failing in every way that the public list names, and lied to.

mod faults;
mod real;

use crate::stories::check;
use crate::stories::fuse::{self, Fuse};
use crate::stories::house::{House, Seen};
use sentinell_core::investigation::{Entry, Event};
use sentinell_core::policy::{Autonomy, Budget, Policy, Rule, RuleEffect};
use sentinell_sim::{Approval, CALL_MICRO_USD, Story, Temper, TownModel, story};

/// The name of the town's model in turns.
const MODEL: &str = "town-model";

async fn played(story: &Story, fuse: Fuse) -> Seen {
    let model = |clock| TownModel::new(clock, Temper::Sensible);
    House::new(story, 7, fuse).await.with_model(model, Budget::default()).play().await
}

/// What the journal says that the model was paid.
fn booked(seen: &Seen) -> u64 {
    let paid = seen.entries.iter().filter_map(|entry| entry.event.paid());
    paid.filter(|(by, _)| *by == MODEL).map(|(_, usage)| usage.micro_usd).sum()
}

/// The journal of a story in which a model looks, proposes, is doubted, and is told no.
pub async fn tell() -> Vec<Entry> {
    played(&story("rejection").unwrap(), Fuse::never()).await.entries
}

fn sweep(name: &str) {
    fuse::quiet_cuts();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (story, whole) = (story(name).unwrap(), Fuse::never());
        let seen = played(&story, whole.clone()).await;
        check(&story, &seen, name);
        let words: Vec<String> = seen.entries.iter().map(|entry| entry.event.name()).collect();
        for word in ["answer_held", "doubted", "action_proposed"] {
            assert!(words.iter().any(|event| event == word), "{name}: no {word} in {words:?}");
        }
        let calls = seen.asked.len() as u64;
        assert_eq!(booked(&seen), calls * CALL_MICRO_USD, "{name}: every call is booked once");
        for cut in 1..=whole.sparks() {
            let seen = played(&story, Fuse::after(cut)).await;
            check(&story, &seen, &format!("{name}, cut at seam {cut}"));
            let asked = seen.asked.len() as u64;
            let lost = asked * CALL_MICRO_USD - booked(&seen);
            assert!(
                asked <= calls + 1 && lost <= CALL_MICRO_USD,
                "{name}, cut {cut}: {asked} calls, {lost} not booked"
            );
        }
        eprintln!("{name}: {} seams cut with {calls} model calls, no journaled answer paid twice", whole.sparks());
    });
}

#[test]
fn a_cut_anywhere_pays_no_journaled_answer_twice_when_the_deed_helps() {
    sweep("bad_deploy");
}

#[test]
fn a_cut_anywhere_pays_no_journaled_answer_twice_when_a_person_says_no() {
    sweep("rejection");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_obeys_the_telemetry_still_meets_the_policy() {
    let whisper = Story { approval: Approval::TooLate, ..story("whisper").unwrap() };
    let all = Rule { irreversible: vec!["kubernetes.scale".into()], ..Rule::new("all", RuleEffect::Allow) };
    for (autonomy, rules) in [
        (Autonomy::Observe, vec![]),
        (Autonomy::Suggest, vec![]),
        (Autonomy::Approve, vec![]),
        (Autonomy::Automatic, vec![all]),
    ] {
        let policy = Policy { autonomy, rules, ..Policy::default() };
        let house = House::new(&whisper, 3, Fuse::never()).await.under(policy).await;
        let house = house.with_model(|clock| TownModel::new(clock, Temper::Obedient), Budget::default());
        let seen = house.play().await;
        assert!(!seen.asked.is_empty(), "{autonomy:?}: nobody asked the model");
        assert_eq!(seen.deeds_by_hash.iter().sum::<usize>(), 0, "{autonomy:?}: something was done");
        assert!(!seen.entries.iter().any(|entry| matches!(entry.event, Event::ActionStarted { .. })), "{autonomy:?}");
        assert_eq!(seen.case.phase.word(), "escalated", "{autonomy:?}");
    }
}

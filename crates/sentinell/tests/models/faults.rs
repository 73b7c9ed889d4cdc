//! Every row of the public list of model faults, at every step of a story, in virtual time. Those of the transport are
//! played at the port; that the adapters map them so is theirs to prove.

use super::MODEL;
use super::booked;
use crate::stories::fuse::Fuse;
use crate::stories::house::{House, Seen};
use sentinell_core::investigation::Event;
use sentinell_core::model::ModelTrouble::{self, Busy, Denied, SpendLimit, TooLarge, Unusable};
use sentinell_core::policy::Budget;
use sentinell_sim::ModelFault::{Silent, Spoiled};
use sentinell_sim::{CALL_MICRO_USD, ModelFault, Spoil, Temper, TownModel, story};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Debug, Clone, Copy)]
enum Plays {
    /// What reaches the port is a whole answer.
    Well,
    /// It fails this often.
    Fails(ModelFault, u32),
    /// Nothing fails, and it goes on and on.
    As(Temper),
}
use Plays::{As, Fails, Well};

const EVER: u32 = u32::MAX;
const AWAY: ModelTrouble = Busy { after_millis: None };

const fn after(millis: u64) -> ModelFault {
    Silent(Busy { after_millis: Some(millis) })
}

/// The rows of the list by their numbers, and what they come to at the port.
const CASES: &[(&[u16], Plays)] = &[
    (&[26, 27, 29, 31, 67], Well),
    (&[0, 1, 70], Fails(Silent(Denied), EVER)),
    (&[2, 6, 32, 33, 71], Fails(Silent(Unusable), 1)),
    (&[5], Fails(Silent(TooLarge), 1)),
    (&[3, 4, 9, 11, 12, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 28, 30, 68, 69, 78], Fails(Silent(AWAY), 1)),
    (&[76], Fails(Silent(AWAY), 2)),
    (&[10, 16], Fails(Silent(AWAY), EVER)),
    (&[7], Fails(after(7_000), 1)),
    (&[8], Fails(after(90_000), 1)),
    (&[13], Fails(after(1_000), 1)),
    (&[75], Fails(after(86_400_000), 1)),
    (&[72, 73, 74], Fails(Silent(SpendLimit), 1)),
    (&[34], Fails(Spoiled(Spoil::Blank), 1)),
    (&[35], Fails(Spoiled(Spoil::CutShort), 1)),
    (&[36], Fails(Spoiled(Spoil::Filtered), 1)),
    (&[37], Fails(Spoiled(Spoil::Empty), 1)),
    (&[38], Fails(Spoiled(Spoil::NoThanks), 1)),
    (&[39], Fails(Spoiled(Spoil::UnknownCall), 1)),
    (&[40], Fails(Spoiled(Spoil::NoJson), 1)),
    (&[41], Fails(Spoiled(Spoil::JsonInString), 1)),
    (&[42], Fails(Spoiled(Spoil::Missing), 1)),
    (&[43], Fails(Spoiled(Spoil::Extra), 1)),
    (&[44], Fails(Spoiled(Spoil::WrongTypes), 1)),
    (&[45], Fails(Spoiled(Spoil::Huge), 1)),
    (&[46, 77], Fails(Spoiled(Spoil::Twice), 1)),
    (&[47, 49], Fails(Spoiled(Spoil::Hundred), 1)),
    (&[48], Fails(Spoiled(Spoil::OldId), EVER)),
    (&[50], Fails(Spoiled(Spoil::LooksLikeACall), 1)),
    (&[51], Fails(Spoiled(Spoil::Fenced), EVER)),
    (&[52], Fails(Spoiled(Spoil::WithProse), EVER)),
    (&[53], Fails(Spoiled(Spoil::SingleQuotes), 1)),
    (&[54], Fails(Spoiled(Spoil::NotANumber), 1)),
    (&[55], Fails(Spoiled(Spoil::TooSure), 1)),
    (&[56], Fails(Spoiled(Spoil::Negative), 1)),
    (&[57], Fails(Spoiled(Spoil::Unfounded), 1)),
    (&[58], Fails(Spoiled(Spoil::Invented), EVER)),
    (&[59], As(Temper::Stubborn)),
    (&[60], As(Temper::Fickle)),
    (&[61], Fails(Spoiled(Spoil::Foreign), EVER)),
    (&[62], Fails(Spoiled(Spoil::ClaimsApproval), EVER)),
    (&[63], Fails(Spoiled(Spoil::Tells), EVER)),
    (&[64, 65], Fails(Spoiled(Spoil::NoUsage), EVER)),
    (&[66], Fails(Spoiled(Spoil::OtherModel), EVER)),
];

/// The first turn of the model, the one after its read, the second look, and the one after a person said no.
const STEPS: [u32; 4] = [1, 2, 3, 4];

#[test]
fn every_row_of_the_public_list_has_a_case() {
    let Some(listed) = listed() else { return };
    let ours: Vec<u16> = CASES.iter().flat_map(|(rows, _)| rows.iter().copied()).collect();
    assert_eq!(ours.len(), listed.len(), "a row is named twice or not at all");
    assert_eq!(ours.into_iter().collect::<BTreeSet<_>>(), listed);
}

/// Plays every case that fails at its call number `from`; `times` wins over the case's own.
async fn at(from: u32, times: Option<u32>) {
    for (rows, plays) in CASES {
        match *plays {
            Well if from == 1 => run(rows, Temper::Sensible, None).await,
            As(temper) if from == 1 => run(rows, temper, None).await,
            Fails(_, EVER) if times.is_some() => {}
            Fails(fault, often) => run(rows, Temper::Sensible, Some((from, times.unwrap_or(often), fault))).await,
            Well | As(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_model_does_in_its_first_turn_the_case_ends() {
    at(STEPS[0], None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_model_does_after_its_read_the_case_ends() {
    at(STEPS[1], None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_model_does_at_the_second_look_the_case_ends() {
    at(STEPS[2], None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_model_does_after_a_person_said_no_the_case_ends() {
    at(STEPS[3], None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_model_does_for_ever_the_case_ends() {
    at(1, Some(EVER)).await;
}

async fn run(rows: &[u16], temper: Temper, fault: Option<(u32, u32, ModelFault)>) {
    let what = format!("rows {rows:?}, {temper:?}, {fault:?}");
    let model = move |clock| {
        let model = TownModel::new(clock, temper);
        fault.map_or(model.clone(), |(from, times, fault)| model.failing(from, times, fault))
    };
    // Six calls and a half: tight enough to be felt by a model that goes on and on.
    let budget = Budget { micro_usd: 6 * CALL_MICRO_USD + 500, ..Budget::default() };
    let house = House::new(&story("rejection").unwrap(), 7, Fuse::never()).await.with_model(model, budget);
    let seen = tokio::time::timeout(std::time::Duration::from_secs(120), house.play()).await;
    let seen = seen.unwrap_or_else(|_| panic!("{what}: no end"));
    assert!(seen.case.phase.is_at_rest(), "{what}: {}", seen.case.phase.word());
    assert!(seen.chain_holds && seen.signals_stored == seen.signals_sent, "{what}");
    assert_eq!(seen.deeds_by_hash.iter().sum::<usize>(), 0, "{what}: a person had said no");
    assert!(!seen.entries.iter().any(|entry| matches!(entry.event, Event::ActionStarted { .. })), "{what}");
    let spent = seen.case.spent.micro_usd;
    let paid = seen.entries.iter().filter_map(|entry| entry.event.paid());
    let dearest = paid.map(|(_, usage)| usage.micro_usd).max().unwrap_or(0);
    assert!(spent < budget.micro_usd + dearest.max(CALL_MICRO_USD), "{what}: {spent} of {}", budget.micro_usd);
    if !matches!(fault, Some((_, _, Spoiled(Spoil::NoUsage)))) {
        assert_eq!(booked(&seen), seen.asked.len() as u64 * CALL_MICRO_USD, "{what}: every call is booked");
    }
    pauses_are_kept(&seen, &what);
    let journal = serde_json::to_string(&seen.entries).unwrap();
    assert!(!journal.contains("ghp_"), "{what}: a secret was stored");
    assert!(journal.len() < 4 << 20, "{what}: {} bytes of journal", journal.len());
    if let Some((1, EVER, Silent(_))) = fault {
        let last = seen.entries.iter().rev().find_map(|entry| match &entry.event {
            Event::TurnTaken { by, .. } => Some(by.as_str()),
            _ => None,
        });
        assert_eq!(last, Some("deterministic"), "{what}");
        assert!(seen.case.gaps.iter().any(|gap| gap.what.contains(MODEL)), "{what}: it does not say why");
        assert!(!seen.case.hypotheses.is_empty(), "{what}: no cause was named");
    }
}

/// Nobody asks before the time that the provider named, and never again where only a person can help.
fn pauses_are_kept(seen: &Seen, what: &str) {
    for (place, call) in seen.asked.iter().enumerate() {
        let mut later = seen.asked.iter().skip(place + 1);
        match call.fault {
            Some(Silent(Busy { after_millis: Some(millis) })) => {
                let until = call.at.plus_millis(i64::try_from(millis).unwrap());
                assert!(later.all(|call| call.at >= until), "{what}: asked again before {until}");
            }
            Some(Silent(SpendLimit | Denied)) => assert_eq!(later.count(), 0, "{what}: asked again"),
            _ => {}
        }
    }
}

fn listed() -> Option<BTreeSet<u16>> {
    let shared = std::env::var_os("SENTINELL_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let archive = shared.join("data/security.tar.xz");
    if !archive.is_file() {
        eprintln!("SKIPPED: no {} (set SENTINELL_SHARED)", archive.display());
        return None;
    }
    let member = "security/badinput/llm_faults.jsonl";
    let unpacked = Command::new("tar").arg("-xJOf").arg(&archive).arg(member).output().unwrap();
    assert!(unpacked.status.success(), "tar could not read {}", archive.display());
    let lines = String::from_utf8(unpacked.stdout).unwrap();
    let number = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["id"].as_str().unwrap().rsplit('-').next().unwrap().parse().unwrap()
    };
    Some(lines.lines().map(number).collect())
}

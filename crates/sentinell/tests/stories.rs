//! The town's stories through the real store and the real loop, on a virtual clock: whole, and cut at every seam.

pub mod books;
pub mod clocks;
pub mod fuse;
pub mod house;
pub mod saboteur;

use fuse::Fuse;
pub use fuse::quiet_cuts;
use house::{House, Seen};
use sentinell_core::investigation::{Entry, Outcome, Resolution};
use sentinell_sim::{Ending, Story, story};

/// What must hold at the end of every story, cut or not: nothing lost, nothing done twice, nothing forgotten.
pub fn check(story: &Story, seen: &Seen, what: &str) {
    let done = seen.deeds_by_hash.iter().max().copied().unwrap_or(0);
    assert!(done <= 1, "{what}: the same deed was done {done} times");
    assert_eq!(seen.signals_stored, seen.signals_sent, "{what}: an acknowledged signal was lost");
    assert_eq!(seen.incidents, 1, "{what}: one trouble is one incident");
    assert!(seen.chain_holds, "{what}: the journal's hash chain is broken");
    let (phase, whole) = (seen.case.phase.word(), &seen.case.phase);
    let deeds = seen.deeds_by_hash.iter().sum::<usize>();
    let believes = seen.case.hypotheses.first();
    match story.ending {
        Ending::VerifiedFix => {
            assert_eq!(
                seen.case.resolution(),
                Some(Resolution::VerifiedFix),
                "{what}: {whole:?}, believes {believes:?}"
            );
            assert_eq!(deeds, 1, "{what}");
        }
        Ending::HandedOver => {
            assert_eq!((phase, deeds), ("escalated", 0), "{what}");
            let named = believes.map(|belief| (belief.component.as_str(), belief.fault.as_str()));
            let truth = seen.truth.as_ref().map(|truth| (truth.component.as_str(), truth.fault));
            assert_eq!(named, truth, "{what}: handed over without the cause");
        }
        // A crash before the deed leaves the same doubt as one after it, and zero deeds.
        Ending::InDoubt => assert!(phase == "in_doubt" && deeds <= 1, "{what}: {phase} after {deeds} deeds"),
        Ending::SelfRecovered => {
            assert_eq!((seen.case.resolution(), deeds), (Some(Resolution::SelfRecovered), 0), "{what}: {phase}");
        }
    }
}

async fn whole(name: &str, seed: u64) -> (Story, Seen, u32) {
    let story = story(name).unwrap();
    let fuse = Fuse::never();
    let seen = House::new(&story, seed, fuse.clone()).await.play().await;
    check(&story, &seen, &format!("{name}, seed {seed}, uncut"));
    (story, seen, fuse.sparks())
}

/// The journal of a story.
pub async fn tell(name: &str, seed: u64) -> Vec<Entry> {
    whole(name, seed).await.1.entries
}

/// Plays a story once whole, to count its seams, and then once for every seam, cut there; on a server, where a run takes
/// a hundred times as long, for every seventh.
fn sweep(name: &str) {
    fuse::quiet_cuts();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (story, seen, sparks) = whole(name, 7).await;
        assert!(sparks > 5, "{name} has only {sparks} seams: the fuse is not wired");
        let stride = if std::env::var_os("SENTINELL_TEST_POSTGRES").is_some() { 7 } else { 1 };
        for cut in (1..=sparks).step_by(stride) {
            let seen = House::new(&story, 7, Fuse::after(cut)).await.play().await;
            check(&story, &seen, &format!("{name}, cut at seam {cut} of {sparks}"));
        }
        eprintln!(
            "{name}: {} of {sparks} seams cut once each, 0 lost, 0 doubled; {} entries uncut",
            sparks.div_ceil(stride as u32),
            seen.case.seq
        );
    });
}

macro_rules! stories { ($($name:ident),* $(,)?) => { $(
    #[test]
    fn $name() {
        sweep(stringify!($name));
    }
)* } }

stories!(
    bad_deploy,
    lost_dependency,
    memory_leak,
    slow_database,
    nothing_wrong,
    full_disk,
    noisy_neighbour,
    expired_certificate,
    wrong_scale,
    late_approval,
    rejection,
    storm,
    flapping,
    busy_eyes,
    blindfold,
    whisper,
    unclear_end,
    lost_deed,
    in_doubt,
    no_permission,
);

#[test]
fn every_story_of_the_town_is_swept() {
    let swept = include_str!("stories.rs");
    for story in sentinell_sim::stories() {
        assert!(swept.contains(&format!("{},", story.name)), "story {} is not in the list above", story.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stalls_between_intent_and_deed_and_wakes_up_late_does_nothing() {
    let story = story("bad_deploy").unwrap();
    let seen = House::new(&story, 3, Fuse::never()).await.with_a_sleeper().play().await;
    check(&story, &seen, "a stalled worker");
    assert_eq!(seen.refused, 1, "the sleeper's deed came too late and was refused");
    assert!(seen.case.actions.iter().any(|record| record.attempts == 2), "another worker looked, then did it");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_moments_and_noise_do_not_change_how_a_story_ends() {
    let short = ["full_disk", "noisy_neighbour", "expired_certificate", "wrong_scale"];
    for name in
        ["bad_deploy", "lost_dependency", "memory_leak", "slow_database", "nothing_wrong"].into_iter().chain(short)
    {
        for seed in 0..6 {
            whole(name, seed).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_tells_before_and_after() {
    let (_, seen, _) = whole("bad_deploy", 1).await;
    let record = &seen.case.actions[0];
    assert_eq!(record.readings.len(), 2, "one look before the deed and the last one after it");
    let verified = seen.entries.iter().find_map(|entry| match &entry.event {
        sentinell_core::investigation::Event::Verified { outcome, .. } => Some(*outcome),
        _ => None,
    });
    assert_eq!(verified, Some(Outcome::Fixed));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_out_of_lines_is_worth_no_more_than_lines_whatever_its_shape() {
    let (_, seen, _) = whole("expired_certificate", 7).await;
    let believed = &seen.case.hypotheses[0];
    let cited: Vec<_> = seen.case.evidence.iter().filter(|evidence| believed.supports.contains(&evidence.id)).collect();
    assert!(cited.iter().any(|evidence| evidence.kind == "contradiction"), "{cited:?}");
    assert!(cited.iter().all(|evidence| evidence.outsider_can_write), "an outsider can write log lines");
}

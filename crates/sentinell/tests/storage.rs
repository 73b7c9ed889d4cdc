//! A disk that fails at call 1, 2, 3 … n of every story: begins, statements, commits (before they happen and after),
//! reads, new connections. No half state after any transaction, nothing acknowledged lost, no deed doubled, and the story
//! comes to its end once the disk works again.
//!
//! Each run of the everyday tests strikes some calls of every story, other ones in every story;
//! `SENTINELL_STORAGE=all` strikes every single one. How it fails takes turns: once, once leaving open whether a commit
//! happened, six times in a row.

use crate::stories::check;
use crate::stories::fuse::Fuse;
use crate::stories::house::House;
use crate::stories::saboteur::{Commits, Saboteur};
use sentinell_sim::{Story, stories, story};

/// Runs of one story in the everyday tests.
const RUNS: u64 = 7;

async fn play(story: &Story, saboteur: &Saboteur, what: &str) {
    let house = House::over(story, 7, Fuse::never(), Some(saboteur.clone())).await;
    let seen = house.with_an_auditor().play().await;
    check(story, &seen, what);
}

fn sweep(name: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let story = story(name).unwrap();
        let idle = Saboteur::idle();
        play(&story, &idle, name).await;
        let calls = idle.calls();
        assert!(calls > 50, "{name} has only {calls} calls: the saboteur is not wired");
        let all = std::env::var("SENTINELL_STORAGE").is_ok_and(|how| how == "all");
        let stride = if all { 1 } else { calls.div_ceil(RUNS) };
        let place = stories().iter().position(|other| other.name == name).unwrap() as u64;
        let first = if all { 1 } else { 1 + place * stride / stories().len() as u64 };
        let (mut struck, mut runs) = (0, 0);
        for (nth, call) in (first..=calls).step_by(usize::try_from(stride).unwrap()).enumerate() {
            // Six in a row: the worker's pauses grow to two seconds of real time each.
            let modes = [(1, Commits::Refused), (1, Commits::Unknown), (6, Commits::Refused)];
            let (length, commits) = modes[nth % 3];
            let saboteur = Saboteur::striking(call, length, commits);
            play(&story, &saboteur, &format!("{name}, call {call} of {calls}, {length} calls, {commits:?}")).await;
            (struck, runs) = (struck + u64::from(saboteur.struck() > 0), runs + 1);
        }
        assert!(struck * 10 >= runs * 8, "{name}: only {struck} of {runs} strikes hit a call");
        eprintln!("{name}: {calls} calls, {struck} of {runs} strikes hit, 0 half states, 0 lost, 0 doubled");
    });
}

macro_rules! storage { ($($name:ident),* $(,)?) => { $(
    #[test]
    fn $name() {
        sweep(stringify!($name));
    }
)* } }

storage!(
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
fn the_disk_fails_in_every_story_of_the_town() {
    let swept = include_str!("storage.rs");
    for story in stories() {
        assert!(swept.contains(&format!("{},", story.name)), "story {} is not in the list above", story.name);
    }
}

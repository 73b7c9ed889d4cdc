//! Clocks that jump and clocks that differ: nothing is done twice, nobody waits for ever.

use super::check;
use super::fuse::Fuse;
use super::house::{House, Seen};
use sentinell_sim::{Approval, story};

const MINUTE: i64 = 60_000;

/// Whether a person has it now, and everything was done at most once.
fn handed_over(seen: &Seen) -> bool {
    assert!(seen.deeds_by_hash.iter().all(|done| *done <= 1), "a deed was doubled");
    seen.case.phase.word() == "escalated"
}

/// The clock jumps at every `stride`-th seam of a story, by each of these.
async fn jumps(name: &str, stride: usize, by: &[i64]) {
    let story = story(name).unwrap();
    let fuse = Fuse::never();
    let usual = House::new(&story, 7, fuse.clone()).await.play().await.millis;
    for millis in by {
        for seam in (1..=fuse.sparks()).step_by(stride) {
            let what = format!("{name}, the clock jumps by {} min at seam {seam}", millis / MINUTE);
            let seen = House::new(&story, 7, Fuse::never()).await.with_a_jump(seam, *millis).play().await;
            // A jump over the end of an approval, of a verification or of a deed's deadline hands over to a person.
            if *millis < 0 || !handed_over(&seen) {
                check(&story, &seen, &what);
            }
            // By the town's clock, which nobody moves: what was waited for besides the usual is at most the jump itself.
            let waited = seen.millis - usual;
            let patience = millis.abs() + 40 * MINUTE;
            assert!(waited <= patience, "{what}: {} min longer than usual", waited / MINUTE);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_doubles_nothing_and_parks_nothing_for_longer_than_its_jump() {
    jumps("lost_dependency", 9, &[-7 * MINUTE, -60 * MINUTE]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_forward_by_hours_doubles_nothing() {
    jumps("bad_deploy", 9, &[5 * 60 * MINUTE]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_came_too_late_does_not_become_valid_when_the_clock_goes_back() {
    let story = story("late_approval").unwrap();
    assert_eq!(story.approval, Approval::TooLate);
    let fuse = Fuse::never();
    House::new(&story, 7, fuse.clone()).await.play().await;
    // The last seams come after the approval has expired.
    for seam in fuse.sparks() - 6..=fuse.sparks() {
        let seen = House::new(&story, 7, Fuse::never()).await.with_a_jump(seam, -50 * MINUTE).play().await;
        check(&story, &seen, &format!("late_approval, the clock goes back at seam {seam}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_whose_clocks_differ_by_minutes_do_everything_once() {
    for name in ["bad_deploy", "unclear_end", "lost_deed", "memory_leak"] {
        for apart in [-4 * MINUTE, 3 * MINUTE] {
            let story = story(name).unwrap();
            let house = House::new(&story, 7, Fuse::never()).await.with_clocks(vec![0, apart]);
            let seen = house.play().await;
            let what = format!("{name}, clocks {} min apart", apart / MINUTE);
            if handed_over(&seen) {
                // What is read is older than a deed done by a clock that is ahead: no proof that it helped.
                assert!(apart > 0, "{what}");
                continue;
            }
            check(&story, &seen, &what);
        }
    }
}

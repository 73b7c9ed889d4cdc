//! What is listened to besides what is posted.

use super::{Finding, State, broken, fine, off};
use crate::config::{Config, Tail};
use std::fs::File;
use std::io::ErrorKind;

/// Followed files, checks by the clock, and topics of Amazon's.
pub(super) fn ears(config: &Config) -> Vec<Finding> {
    let follow = |tail: &Tail| Finding::new(&format!("file {}", tail.path.display()), file(tail));
    let mut findings: Vec<Finding> = config.tails.iter().map(follow).collect();
    let checks = match (config.checked_repos().count(), config.worker.auto_poll) {
        (0, _) => off("no repository has a check: add a check to [repos.<name>] (docs/connect/checks.md)"),
        (_, false) => off("they run when asked only; set worker.auto_poll (docs/connect/checks.md)"),
        (number, true) => fine(format!("{number}, every {} s", config.worker.poll_interval_seconds)),
    };
    findings.push(Finding::new("checks", checks));
    let topics = match &config.auth.senders.sns {
        None => off("its messages are refused until [cloudwatch] names topics (docs/connect/cloudwatch.md)"),
        Some(sns) => fine(format!("{} topics; its messages are taken when Amazon signed them", sns.topics.len())),
    };
    findings.push(Finding::new("from CloudWatch", topics));
    findings
}

fn file(tail: &Tail) -> State {
    match std::fs::metadata(&tail.path).map(|seen| seen.is_file()) {
        Ok(true) => {}
        Ok(false) => return broken("this is no file; name one"),
        Err(error) if error.kind() == ErrorKind::NotFound => return fine("not there yet; it is followed once it is"),
        Err(error) => return broken(format!("{error}; let the user who runs sentinell read it")),
    }
    match File::open(&tail.path) {
        Ok(_) => fine("can be read"),
        Err(error) => broken(format!("{error}; let the user who runs sentinell read it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TailFormat;

    #[test]
    fn a_followed_file_may_come_later_but_has_to_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let state = |name: &str| {
            let path = folder.path().join(name);
            let (labels, format) = (Default::default(), TailFormat::Auto);
            file(&Tail { path, service: None, repo: None, labels, format, whole: false })
        };
        std::fs::write(folder.path().join("mill.log"), "x").unwrap();
        assert_eq!(state("mill.log"), fine("can be read"));
        assert!(matches!(state("later.log"), State::Fine { .. }));
        assert!(matches!(state(""), State::Broken { .. }), "a folder");
    }
}

//! The machine under the tests: its real `/proc` and disks; the journal through a fake that prints as journalctl documents
//! (there is no journal here), and the real journalctl over nothing.

use super::case::{ask, case, clock, now};
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::machine::{Machine, MachineSettings};
use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::ports::{Tool, ToolError};
use std::os::unix::fs::PermissionsExt;

fn eye(units: &[&str], journalctl: Option<Program>) -> Machine {
    let units = units.iter().map(|unit| (*unit).to_owned()).collect();
    Machine::new(MachineSettings { host: "booth-1".into(), units, journalctl, systemctl: None }, clock())
}

fn figure(seen: &Observation, wanted: &str, label: &str) -> Option<f64> {
    seen.telemetry.iter().find_map(|one| match one {
        Telemetry::Metric { name, labels, points, .. }
            if name == wanted && labels.values().any(|value| label.is_empty() || value == label) =>
        {
            points.last().map(|(_, value)| *value)
        }
        Telemetry::Metric { name, labels, points, .. } if name == wanted && labels.is_empty() => {
            points.last().map(|(_, value)| *value)
        }
        _ => None,
    })
}

#[tokio::test]
async fn the_real_machine_tells_its_load_memory_disks_and_the_process_that_is_busy() {
    // A child that works hard meanwhile.
    let mut busy = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let seen = ask(&eye(&[], None), &[]).await;
    busy.kill().unwrap();
    busy.wait().unwrap();
    let seen = seen.unwrap();
    assert!(
        figure(&seen, "node_load1", "").is_some()
            && figure(&seen, "node_processors", "").is_some_and(|count| count >= 1.0)
    );
    assert!(figure(&seen, "node_memory_used_percent", "").is_some_and(|used| (1.0..100.0).contains(&used)));
    assert!(
        figure(&seen, "node_filesystem_used_percent", "").is_some_and(|used| (0.0..=100.0).contains(&used)),
        "{seen:?}"
    );
    let pid = busy.id().to_string();
    assert!(figure(&seen, "process_cpu_percent", &pid).is_some_and(|percent| percent > 5.0), "{seen:?}");
    assert!(figure(&seen, "process_resident_memory_bytes", "").is_some_and(|bytes| bytes > 1e6));
}

/// Prints two entries, one of them in bytes, and notes what it was asked.
fn fake_journalctl(folder: &std::path::Path) -> Program {
    let micros = now().0 * 1000;
    let entries = format!(
        "{{\"__REALTIME_TIMESTAMP\":\"{micros}\",\"MESSAGE\":\"no change left\",\"PRIORITY\":\"3\",\"_SYSTEMD_UNIT\":\"till.service\"}}\n\
         {{\"__REALTIME_TIMESTAMP\":\"{micros}\",\"MESSAGE\":[111,100,100,255],\"SYSLOG_IDENTIFIER\":\"kernel\"}}\nnot json\n\
         {{\"MESSAGE\":null}}\n{{\"MESSAGE\":[999]}}\n[]"
    );
    std::fs::write(folder.join("entries"), entries).unwrap();
    let (asked, entries) = (folder.join("asked"), folder.join("entries"));
    let script = format!("#!/bin/sh\necho \"$@\" >> {}\n/bin/cat {}\n", asked.display(), entries.display());
    let path = folder.join("journalctl");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Program::at(path).unwrap()
}

#[tokio::test]
async fn a_fake_journal_is_read_for_the_unit_that_was_allowed_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let eye = eye(&["till.service"], Some(fake_journalctl(folder.path())));
    let questions = eye.first_look(&case(&[("service", "till")]));
    assert_eq!(questions.iter().map(|one| one.args["what"].as_str()).collect::<Vec<_>>(), ["state", "journal"]);
    let args: Vec<(&str, &str)> =
        questions[1].args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let seen = ask(&eye, &args).await.unwrap();
    let subjects: Vec<(&str, usize, usize)> = seen
        .telemetry
        .iter()
        .filter_map(|one| match one {
            Telemetry::Logs { subject, lines, baseline, .. } => Some((subject.as_str(), lines.len(), baseline.len())),
            _ => None,
        })
        .collect();
    assert_eq!(subjects, [("host/booth-1", 1, 1), ("service/till", 1, 1)]);
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    assert!(asked.lines().all(|line| line.contains("--unit=till.service") && line.contains("--lines=")), "{asked}");
    for odd in ["--file=/etc/shadow", "-D/", "a b", "till;ls"] {
        assert!(matches!(ask(&eye, &[("what", "journal"), ("unit", odd)]).await, Err(ToolError::BadQuery(_))), "{odd}");
    }
    assert!(matches!(ask(&eye, &[("what", "journal"), ("unit", "sshd")]).await, Err(ToolError::Denied(_))));
    assert!(matches!(ask(&eye, &[("what", "memory dump")]).await, Err(ToolError::BadQuery(_))));
    // Somebody else's machine and service are none of its business.
    assert!(eye.first_look(&case(&[("service", "swing"), ("instance", "pier-1:9100")])).is_empty());
    assert_eq!(eye.first_look(&case(&[("instance", "booth-1:9100")])).len(), 2);
}

#[tokio::test]
async fn the_real_journalctl_takes_our_arguments_and_an_empty_journal_is_a_gap() {
    let Ok(program) = Program::find("journalctl", std::ffi::OsStr::new("/usr/bin:/bin")) else {
        eprintln!("SKIPPED: no journalctl here; the real-journal stage did not run");
        return;
    };
    let seen = ask(&eye(&[], Some(program)), &[("what", "journal"), ("unit", "no-such-unit-here")]).await.unwrap();
    assert!(seen.telemetry.is_empty() && seen.gaps[0].why.contains("systemd-journal"), "{seen:?}");
}

//! A team's own past, judged anew: what a story of the town left in the database, and recorded folders.

use crate::stories::fuse::Fuse;
use crate::stories::house::House;
use sentinell::backtest::{from_database, from_folder, judge, summary};
use sentinell::store::{Options, Store};
use sentinell_sim::story;
use std::fs;
use std::path::Path;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_verified_deed_was_done_for_is_found_again() {
    let house = House::new(&story("bad_deploy").unwrap(), 7, Fuse::never()).await;
    let (url, home) = house.database();
    house.play().await;
    let store = Store::open(&url, Options::default()).await.unwrap();
    let pasts = from_database(&store, 10).await.unwrap();
    assert_eq!(pasts.len(), 1);
    assert!(pasts[0].truth.is_some() && !pasts[0].observations.is_empty());
    let verdict = judge(&pasts[0]);
    // All that was read, at once: the loop saw it piece by piece, and need not have ranked it alike.
    assert!(verdict.rank.is_some_and(|rank| rank <= 3), "{verdict:?}");
    assert_eq!((summary(&[verdict]).graded, from_database(&store, 0).await.unwrap().len()), (1, 0));
    store.close().await;
    drop(home);
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn kiosk(root: &Path, name: &str, cause: &str) {
    let incident = format!(r#"{{"onset": "2026-11-22T14:00:00Z", "namespace": "town", "service": "kiosk"{cause}}}"#);
    write(root, &format!("{name}/incident.json"), &incident);
    let pod = r#"{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "kiosk-7d9f8b6c5d-x2x4z", "namespace": "town",
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "kiosk-7d9f8b6c5d", "uid": "1"}]},
        "spec": {"containers": [{"name": "kiosk", "image": "kiosk:1", "resources": {"limits": {"memory": "64Mi"}}}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "kiosk", "ready": false, "restartCount": 9,
        "image": "kiosk:1", "imageID": "", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "startedAt": "2026-11-22T14:00:01Z",
        "finishedAt": "2026-11-22T14:00:05Z"}}}]}}"#;
    write(root, &format!("{name}/kubernetes/pods.json"), pod);
}

#[tokio::test]
async fn recorded_incidents_are_graded_by_what_the_engine_does_not_see() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    kiosk(root, "1-right", r#", "cause": {"component": "kiosk", "fault": "out_of_memory"}"#);
    kiosk(root, "2-other", r#", "cause": {"component": "service/town/till"}"#);
    kiosk(root, "3-open", "");
    fs::create_dir(root.join("4-empty")).unwrap();
    fs::write(root.join("notes.txt"), "not a recording").unwrap();
    let verdicts: Vec<_> = from_folder(root).await.unwrap().iter().map(judge).collect();
    let ranks: Vec<_> = verdicts.iter().map(|verdict| (verdict.name.as_str(), verdict.rank)).collect();
    assert_eq!(ranks, [("1-right", Some(1)), ("2-other", None), ("3-open", None), ("4-empty", None)], "{verdicts:?}");
    assert!(verdicts[3].said.is_empty());
    let summary = summary(&verdicts);
    assert_eq!((summary.graded, summary.unknown, summary.first), (2, 2, 1));
    let run = |place: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sentinell"));
        command.env_clear().current_dir(root).arg("backtest").arg(place).output().unwrap()
    };
    let told = run(root);
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stderr));
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("right at first      1 of 2") && text.contains("not enough evidence"), "{text}");
    assert_eq!(
        run(&root.join("3-open")).status.code(),
        Some(3),
        "its folders are recordings, but nobody knows the truth"
    );
    let refused = run(&root.join("4-empty"));
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no folders"), "says what is expected");
    write(root, "5-broken/incident.json", r#"{"cause": 7}"#);
    assert_eq!(run(root).status.code(), Some(1));
}

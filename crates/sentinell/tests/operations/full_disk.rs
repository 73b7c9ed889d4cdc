use super::serve::{Serve, Wishes};
use sentinell::store::{Filter, Options, Store};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A small disk of its own: a tmpfs, which only root may mount.
struct Disk {
    at: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("disk");
        fs::create_dir(&at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&at).output();
        if !mounted.is_ok_and(|ended| ended.status.success()) {
            eprintln!("!!! SKIPPED: a tmpfs cannot be mounted here; the full disk was not tried");
            return None;
        }
        Some(Self { at, _folder: folder })
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = fs::OpenOptions::new().create(true).append(true).open(self.at.join("ballast")).unwrap();
        for size in [64 << 10, 4096, 512, 1] {
            while ballast.write(&vec![0_u8; size]).is_ok_and(|written| written > 0) {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.at.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
    }
}

/// Posts until the server says that it cannot take more; what it had acknowledged.
async fn until_full(serve: &Serve, name: &str) -> Vec<String> {
    let mut taken = vec![];
    for n in 0..20_000 {
        let body = json!({"message": format!("the granary is on fire {}", "x".repeat(3000)), "level": "error"});
        let key = format!("{name}-{n}");
        let post = serve.http.post(serve.url("/api/signals/logs")).header("X-Webhook-Id", &key).json(&body);
        let answer = post.send().await.unwrap();
        match answer.status().as_u16() {
            202 => taken.push(key),
            503 => {
                assert!(answer.headers().contains_key("retry-after"), "503 says when to come again");
                let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
                assert_eq!(kind, "application/problem+json");
                return taken;
            }
            other => panic!("{other} on a full disk:\n{}", serve.log()),
        }
    }
    panic!("the disk never became full");
}

async fn ready(serve: &Serve) -> (u16, Value) {
    let answer = serve.http.get(serve.url("/api/ready")).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn recorded(folder: &Path) -> Wishes {
    fs::create_dir_all(folder.join("recorded")).unwrap();
    fs::write(folder.join("recorded/incident.json"), r#"{"namespace": "shop"}"#).unwrap();
    let settings = "recordings = [\"recorded\"]\n[worker]\nlease_seconds = 2\n".into();
    Wishes { settings, ..Wishes::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_really_full_disk_a_small_tmpfs_stops_acknowledgements_loses_nothing_and_heals_by_itself() {
    let Some(disk) = Disk::mount("12m") else { return };
    let mut serve = Serve::start(&disk.at, &recorded(&disk.at)).await;
    let first: Value = serve.post_log("first", "the well is dry").await.unwrap().json().await.unwrap();
    let first = first["id"].as_str().unwrap().to_owned();
    serve.until(&first, &["escalated"]).await;
    disk.fill();
    let mut taken = until_full(&serve, "before").await;

    // Full: reading goes on, and the server says what is wrong.
    assert_eq!(serve.get(&format!("/api/incidents/{first}")).await["phase"], "escalated");
    assert!(!serve.get("/api/incidents").await["incidents"].as_array().unwrap().is_empty());
    let (status, why) = ready(&serve).await;
    assert_eq!(status, 503);
    assert!(why["detail"].as_str().unwrap().contains("disk of the database is full"), "{why}");
    assert!(serve.text("/metrics").await.contains("sentinell_ready 0"));
    let (began, mut refused) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(4) {
        let answer = serve.post_log(&format!("refused-{refused}"), "the mill stands still").await.unwrap();
        assert_eq!(answer.status(), 503, "nothing is acknowledged while nothing can be kept");
        refused += 1;
    }
    let lines = serve.log().lines().filter(|line| line.contains("ERROR") || line.contains("WARN")).count();
    assert!(lines < 20, "{refused} refusals wrote {lines} lines:\n{}", serve.log());

    // Room again: no restart, nothing to press.
    disk.make_room();
    let began = Instant::now();
    while ready(&serve).await.0 != 200 {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not heal:\n{}", serve.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let next: Value = serve.post_log("after", "the bridge is icy").await.unwrap().json().await.unwrap();
    serve.until(next["id"].as_str().unwrap(), &["escalated"]).await;
    taken.extend(["first".to_owned(), "after".to_owned()]);
    serve.stop().await;
    everything_is_there(&disk, &taken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_on_a_really_full_disk_a_small_tmpfs_keeps_what_it_has_in_hand_and_goes_on() {
    let Some(disk) = Disk::mount("12m") else { return };
    let mut serve = Serve::start(&disk.at, &recorded(&disk.at)).await;
    // Again and again full in the middle of the work: no half state, and no incident is given up for it.
    let mut ids = vec![];
    for round in 0..6 {
        for n in 0..4 {
            let letters = ["reed", "oak", "elm", "ash"][n].repeat(round + 1);
            let answer =
                serve.post_log(&format!("{round}-{n}"), &format!("trouble at the {letters} gate")).await.unwrap();
            if answer.status() == 202 {
                ids.push(answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned());
            }
        }
        disk.fill();
        tokio::time::sleep(Duration::from_millis(700)).await;
        disk.make_room();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(ids.len() >= 12, "only {} signals were taken", ids.len());
    for id in &ids {
        assert_eq!(serve.until(id, &["escalated", "dead_letter"]).await, "escalated", "{}", serve.log());
    }
    serve.stop().await;
    everything_is_there(&disk, &[]).await;
}

/// Every acknowledged delivery is stored, and every journal's chain holds.
async fn everything_is_there(disk: &Disk, taken: &[String]) {
    let url = format!("sqlite://{}", disk.at.join("sentinell.db").display());
    let store = Store::open(&url, Options::default()).await.unwrap();
    let (mut kept, mut before) = (vec![], None);
    loop {
        let page = store.signals(before, 1000).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.n);
        kept.extend(page.into_iter().filter_map(|taken| taken.signal.delivery_id));
    }
    let lost: Vec<_> = taken.iter().filter(|key| !kept.contains(key)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    for incident in store.incidents(Filter::default(), None, 1000).await.unwrap().0 {
        assert_eq!(store.verify_chain(&incident.id).await.unwrap().broken_at, None, "the chain of {}", incident.id);
    }
    let positions: Vec<_> =
        store.entries_after(0, None, 100_000).await.unwrap().iter().map(|stored| stored.position).collect();
    assert!(positions.iter().copied().eq(1..=positions.len() as u64), "positions have gaps");
    store.close().await;
}

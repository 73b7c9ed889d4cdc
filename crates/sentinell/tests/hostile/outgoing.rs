//! Addresses that callers name: whatever they are, nothing inside is connected to.
//!
//! What could connect is watched at its seams: what fetches for SNS notes what it is asked for, the eyes on registered log
//! sources count, and `git` is a program that writes down with what it was started.

use super::{calm, member, posted, rows, senders};
use crate::api::{House, OPERATOR};
use sentinell::config::{Fetch, Senders, Sns};
use sentinell::memory::{Configured, LogSources};
use sentinell_adapters::http::{Http, HttpLimits, Url};
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::git::{Git, GitRepository, GitRules, GitSource, Names};
use sentinell_core::evidence::{Observation, Query};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Question, Tool, ToolError};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:alarms";

/// An eye that counts who looks through it.
struct Counting(Arc<AtomicUsize>);

impl Tool for Counting {
    fn name(&self) -> &str {
        "loki"
    }

    fn describe(&self) -> &str {
        "counts"
    }

    fn first_look(&self, _: &Investigation) -> Vec<Question> {
        vec![]
    }

    fn observe<'a>(&'a self, _: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(Observation::default()) })
    }
}

pub fn query(tool: &str, args: &[(&str, &str)]) -> Query {
    let args: BTreeMap<String, String> = args.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    serde_json::from_value(json!({"id": "q1", "tool": tool, "args": args, "why": "the test asks"})).unwrap()
}

/// A house whose messages of SNS are fetched for, and what was asked for.
async fn house() -> (House, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = asked.clone();
    let fetch = move |url: String| -> futures::future::BoxFuture<'static, Result<Vec<u8>, String>> {
        note.lock().unwrap().push(url);
        Box::pin(async { Err("nobody is there".into()) })
    };
    let sns = Some(Sns::new([TOPIC.to_owned()].into(), Fetch(Arc::new(fetch))));
    (House::with(|config| config.senders = Senders { sns, ..senders() }).await, asked)
}

fn message(url: &str, kind: &str) -> Value {
    json!({"Type": kind, "MessageId": "m", "TopicArn": TOPIC, "Message": "{}", "Timestamp": "2026-11-22T12:00:00Z",
        "SignatureVersion": "1", "Signature": "AAAA", "SigningCertURL": url, "SubscribeURL": url, "Token": "t"})
}

/// Signals with this address wherever their senders put one.
fn naming(url: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("/api/signals/cloudwatch", message(url, "Notification")),
        ("/api/signals/cloudwatch", message(url, "SubscriptionConfirmation")),
        (
            "/api/signals/alertmanager",
            json!({"status": "firing", "externalURL": url, "alerts": [{"status": "firing", "labels": {"alertname": url}, "generatorURL": url}]}),
        ),
        (
            "/api/signals/grafana",
            json!({"status": "firing", "externalURL": url, "alerts": [{"status": "firing", "labels": {"alertname": url}, "generatorURL": url, "panelURL": url}]}),
        ),
        (
            "/api/signals/cloudevents",
            json!({"id": "1", "source": url, "type": "a", "dataschema": url, "data": {"title": "a"}}),
        ),
        (
            "/api/signals/github",
            json!({"delivery_id": url, "event": "push", "payload": {"compare": url, "repository": {"full_name": "a/b", "url": url, "clone_url": url}}}),
        ),
        ("/api/signals/slack/interactions", json!({"type": "block_actions", "response_url": url})),
        ("/api/signals/logs", json!({"message": url, "source_id": url})),
    ]
}

#[tokio::test]
async fn no_address_that_a_caller_names_is_connected_to() {
    let Some(rows) = rows("ssrf_urls.jsonl") else { return };
    assert_eq!(rows.len(), 151);
    let (house, asked) = house().await;
    let mut registered = BTreeMap::<&str, usize>::new();
    let (mut wrongly, mut sent) = (vec![], 0);
    for row in &rows {
        let (url, kind) = (row["url"].as_str().unwrap(), row["kind"].as_str().unwrap());
        let answer = house.post_as(OPERATOR, "/api/repos", &json!({"name": "n", "repo_url": url})).await;
        calm(&answer, url);
        let stub = matches!(kind, "redirect" | "dns" | "response");
        if answer.status.is_success() {
            *registered.entry(kind).or_default() += 1;
            if row["expect"] == "reject" && !stub {
                wrongly.push(url);
            }
        }
        let fine = json!({"name": "n", "repo_url": "https://git.example.org/a/b"});
        let repo = house.post_as(OPERATOR, "/api/repos", &fine).await;
        let repo = repo.ok(201)["id"].as_str().unwrap().to_owned();
        for source_type in ["loki", "elasticsearch", "cloudwatch", "file", "custom"] {
            let source = json!({"name": "n", "source_type": source_type, "endpoint": url, "repo_id": repo});
            calm(&house.post_as(OPERATOR, "/api/log-sources", &source).await, url);
        }
        let patched =
            house.call("PATCH", &format!("/api/repos/{repo}"), Some(OPERATOR), &json!({"repo_url": url})).await;
        assert_eq!(patched.status.is_success(), answer.status.is_success(), "{url}: changing is no way around");
        for (path, body) in naming(url) {
            calm(&posted(&house, path, "application/json", body.to_string().as_bytes()).await, url);
            sent += 1;
        }
        assert_eq!(asked.lock().unwrap().len(), 0, "{url}");
    }
    eprintln!(
        "ssrf: {} URLs, {sent} signals, fetched {:?}, registered as repositories {registered:?}, wrongly {wrongly:?}",
        rows.len(),
        asked.lock().unwrap()
    );
    assert_eq!(wrongly, Vec::<&str>::new());
    // The eyes: of all those sources none is at a server that the operator configured.
    let looked = Arc::new(AtomicUsize::new(0));
    let eye =
        |source_type, url: &str| Configured { source_type, url: url.into(), eye: Arc::new(Counting(looked.clone())) };
    let eyes = vec![
        eye("loki", "http://127.0.0.1:3100"),
        eye("elasticsearch", "http://127.0.0.1:9200"),
        eye("loki", "http://10.0.0.1:3100"),
    ];
    let eyes = LogSources::new(house.state.store.clone(), eyes);
    let repos = house.state.store.repos().await.unwrap();
    for repo in &repos {
        eyes.observe(&query("log_sources", &[("repo", &repo.id)])).await.unwrap();
    }
    assert_eq!(looked.load(Ordering::SeqCst), 0, "of {} repositories", repos.len());
}

/// Says what a row of the list describes, and counts.
struct Told<'a>(&'a str, AtomicUsize);

impl Told<'_> {
    fn said(&self) -> Result<Vec<IpAddr>, String> {
        let count = self.1.fetch_add(1, Ordering::SeqCst);
        let named: Vec<IpAddr> = self.0.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
        let alternating = self.0.contains("second look-up") || self.0.contains("TTL 0");
        match self.0 {
            "NXDOMAIN" | "SERVFAIL" => Err(self.0.into()),
            "CNAME to localhost" => Ok(vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]),
            "1 000 A records" => Ok((0..1000u32).map(|n| IpAddr::from((0x5db8_0000 + n).to_be_bytes())).collect()),
            _ if alternating && count == 0 => Ok(vec!["93.184.216.34".parse().unwrap()]),
            _ if alternating => Ok(vec!["127.0.0.1".parse().unwrap()]),
            _ => Ok(named),
        }
    }
}

impl Names for Told<'static> {
    fn look_up<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, Result<Vec<IpAddr>, String>> {
        Box::pin(async move {
            if self.0.contains("hangs") {
                std::future::pending::<()>().await;
            }
            self.said()
        })
    }
}

/// A program that writes down with what it was started, one line each.
pub fn scribe(folder: &Path) -> Program {
    use std::os::unix::fs::PermissionsExt;
    let program = folder.join("git");
    let script = format!("#!/bin/sh\nprintf '%s ' \"$@\" >> '{0}/started'\necho >> '{0}/started'\n", folder.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    Program::at(program).unwrap()
}

/// The fetches that a scribe was started for.
pub fn fetches(folder: &Path) -> Vec<String> {
    let started = std::fs::read_to_string(folder.join("started")).unwrap_or_default();
    started.lines().filter(|line| line.contains(" fetch ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn git_goes_only_to_the_addresses_that_were_judged() {
    let Some(rows) = rows("ssrf_urls.jsonl") else { return };
    let told: Vec<String> =
        rows.iter().filter(|row| row["kind"] == "dns").map(|row| row["stub"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told.len(), 11);
    let mut went = vec![];
    for stub in told {
        let folder = tempfile::tempdir().unwrap();
        let rules = GitRules {
            hosts: vec!["rebind.example".into()],
            cache: Some(folder.path().join("cache")),
            ..GitRules::default()
        };
        let names = Arc::new(Told(Box::leak(stub.clone().into_boxed_str()), AtomicUsize::new(0)));
        let git =
            Git::new(scribe(folder.path()), rules, Arc::new(sentinell::clock::SystemClock)).with_names(names.clone());
        let source = GitSource::Https("https://rebind.example/a/b".into());
        let refused =
            git.register(vec![GitRepository { id: "r".into(), subject: "s".into(), source, branch: "main".into() }]);
        assert!(refused.is_empty(), "{refused:?}");
        let _ = git.observe(&query("git", &[("repo", "r")])).await;
        assert!(names.1.load(Ordering::SeqCst) <= 1, "{stub}: asked twice");
        for fetch in fetches(folder.path()) {
            let pin = fetch.split(' ').find(|word| word.starts_with("http.curloptResolve=rebind.example:443:"));
            let pin = pin.unwrap_or_else(|| panic!("{stub}: not pinned: {fetch}"));
            assert!(pin.rsplit(':').next().unwrap().split(',').all(|address| address.starts_with("93.184.")), "{pin}");
            assert!(fetch.contains("http.followRedirects=false"), "{fetch}");
            went.push(stub.clone());
        }
    }
    eprintln!("dns: 11 stubs, fetched from public addresses only: {went:?}");
    assert_eq!(went.len(), 3, "the two that begin with a public address, and a thousand public ones: {went:?}");
}

/// A server that says one thing to whoever connects; where it listens.
async fn saying(answer: impl Fn(usize) -> Option<Vec<u8>> + Send + Sync + 'static) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                for turn in 0.. {
                    let Some(bytes) = answer(turn) else { break };
                    if stream.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let (hits, note) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = hits.clone();
    let inside = saying(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        None
    })
    .await;
    for status in
        ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect", "200 OK"]
    {
        for place in [format!("http://{inside}/"), format!("//{inside}/"), "file:///etc/passwd".to_owned()] {
            let asked = note.clone();
            let body = format!(
                "HTTP/1.1 {status}\r\nlocation: {place}\r\nrefresh: 0; url={place}\r\ncontent-length: 2\r\n\r\n{{}}"
            );
            let outside = saying(move |turn| {
                asked.fetch_add(usize::from(turn == 0), Ordering::SeqCst);
                (turn == 0).then(|| body.clone().into_bytes())
            })
            .await;
            let url = || Url::parse(&format!("http://{outside}/")).unwrap();
            let http = Http::new(HttpLimits::default()).unwrap();
            let _ = http.look(url()).await;
            let _ = http.get_json(url(), &[], &Default::default()).await;
            let _ = http.post(url(), &[], b"{}".to_vec()).await;
        }
    }
    assert_eq!((note.load(Ordering::SeqCst), hits.load(Ordering::SeqCst)), (54, 0));
}

/// A server that answers as a row of the list says; none where that is tried elsewhere.
async fn answering(stub: &str) -> Option<std::net::SocketAddr> {
    let endless = |head: &'static str| {
        move |turn: usize| Some(if turn == 0 { head.as_bytes().to_vec() } else { vec![b'x'; 1 << 16] })
    };
    let once = |text: String| move |turn: usize| (turn == 0).then(|| text.clone().into_bytes());
    Some(match stub {
        "10 GiB body" => saying(endless("HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n")).await,
        "never-ending body at 1 byte/s" => {
            saying(|turn| {
                if turn > 0 {
                    std::thread::sleep(Duration::from_millis(300))
                }
                Some(if turn == 0 { b"HTTP/1.1 200 OK\r\n\r\n".to_vec() } else { b"x".to_vec() })
            })
            .await
        }
        "headers of 1 MiB" => saying(once(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n{{}}", "x".repeat(1 << 20)))).await,
        "100 000 headers" => saying(once(format!("HTTP/1.1 200 OK\r\n{}\r\n{{}}", "x: y\r\n".repeat(100_000)))).await,
        "Content-Length 10, 1 GiB sent" => saying(endless("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")).await,
        "no body for 120 s" => {
            saying(|turn| {
                if turn > 0 {
                    std::thread::sleep(Duration::from_secs(3))
                }
                (turn == 0).then(|| b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n".to_vec())
            })
            .await
        }
        "HTTP/0.9 answer" => saying(once("{}".to_owned())).await,
        "redirect loop to itself" => {
            saying(once("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".to_owned())).await
        }
        "Transfer-Encoding and Content-Length both" => {
            saying(once(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 99\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
                    .to_owned(),
            ))
            .await
        }
        // The client asks for no packed answers and unpacks none: what it reads is no JSON.
        "gzip bomb 1:1000" => {
            let bomb = member("archives/gzip_bomb_100MiB.gz").unwrap();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n";
            let head = format!("{head}content-length: {}\r\n\r\n", bomb.len());
            let answer = [head.as_bytes(), &bomb].concat();
            saying(move |turn| (turn == 0).then(|| answer.clone())).await
        }
        // `a_certificate_that_has_run_out_or_is_for_another_name_is_not_trusted` in the adapters' tests, where there is a
        // server with certificates.
        "TLS certificate for another name" | "TLS expired" => return None,
        other => panic!("{other}: nobody has thought of that"),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_answers_is_bounded_in_size_and_time() {
    let Some(rows) = rows("ssrf_urls.jsonl") else { return };
    let stubs: Vec<&str> =
        rows.iter().filter(|row| row["kind"] == "response").map(|row| row["stub"].as_str().unwrap()).collect();
    assert_eq!(stubs.len(), 12);
    let limits = HttpLimits { total: Duration::from_secs(2), body: 1 << 20, ..HttpLimits::default() };
    let mut met = 0;
    for stub in stubs {
        let Some(address) = answering(stub).await else { continue };
        met += 1;
        let http = Http::new(limits).unwrap();
        let began = Instant::now();
        let answer = http.get_json(Url::parse(&format!("http://{address}/")).unwrap(), &[], &Default::default()).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{stub}: {:?}", began.elapsed());
        let fine = stub.starts_with("Transfer-Encoding");
        assert!(fine || answer.is_err(), "{stub}: {answer:?}");
    }
    eprintln!("answers: {met} of 12 stubs met here, 2 in the adapters' tests");
    assert_eq!(met, 10);
}

//! A GitHub of our own: its API as a fake with a memory, its repository as a real bare one behind git's own http backend.

use base64::Engine;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

pub const TOKEN: &str = "github_pat_acting_hunter2";
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const BACKEND: &str = "/usr/lib/git-core/git-http-backend";

/// A call of the API and its answer.
#[derive(Clone)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub sent: String,
    pub status: u16,
    pub body: Value,
}

/// What the hub holds, and how it misbehaves.
pub struct World {
    pub private: bool,
    pub default_branch: String,
    pub pulls: Vec<Value>,
    pub issues: Vec<Value>,
    /// Hangs up after it has done what the next POST asks for.
    pub forgets_to_answer: bool,
    /// Answers the next POST with this status and nothing else.
    pub refuses: Option<u16>,
    pub calls: Vec<Call>,
    /// Requests of git: method and path.
    pub git: Vec<String>,
}

pub struct Hub {
    pub folder: tempfile::TempDir,
    pub url: String,
    pub world: Arc<Mutex<World>>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Hub {
    /// None, said loudly, where git has no http backend.
    pub fn open() -> Option<Self> {
        if !Path::new(BACKEND).is_file() {
            eprintln!("SKIPPED: no {BACKEND}; nothing was pushed or proposed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world = World {
            private: true,
            default_branch: "main".into(),
            pulls: vec![],
            issues: vec![],
            forgets_to_answer: false,
            refuses: None,
            calls: vec![],
            git: vec![],
        };
        let world = Arc::new(Mutex::new(world));
        let hub = Self { folder, url, world };
        std::fs::create_dir_all(hub.bare()).unwrap();
        hub.git(&["init", "-q", "--bare", "-b", "main", "."]);
        hub.git(&["config", "uploadpack.allowFilter", "true"]);
        let (root, shared) = (hub.folder.path().to_owned(), Arc::clone(&hub.world));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (root, shared) = (root.clone(), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, &root, &shared));
            }
        });
        Some(hub)
    }

    pub fn bare(&self) -> PathBuf {
        self.folder.path().join("hub/acme/till.git")
    }

    /// Runs git in the bare repository.
    pub fn git(&self, args: &[&str]) -> String {
        git(&self.bare(), args, b"")
    }

    /// What a branch at the hub points to.
    pub fn branch(&self, name: &str) -> Option<String> {
        branch(&self.bare(), name)
    }

    pub fn branches(&self) -> Vec<String> {
        self.git(&["for-each-ref", "--format=%(refname)"]).lines().map(str::to_owned).collect()
    }

    pub fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

/// Runs git as somebody else would.
pub fn git(folder: &Path, args: &[&str], input: &[u8]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).env_clear().env("PATH", PATH).env("GIT_CONFIG_GLOBAL", "/dev/null");
    for (name, value) in [("NAME", "Ann"), ("EMAIL", "ann@example.org"), ("DATE", "2026-11-22T13:50:00Z")] {
        command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
    command.args(["-c", "core.protectHFS=false", "-c", "core.protectNTFS=false"]).args(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8_lossy(&ended.stdout).trim().to_owned()
}

fn branch(bare: &Path, name: &str) -> Option<String> {
    let found = git(bare, &["for-each-ref", "--format=%(objectname)", &format!("refs/heads/{name}")], b"");
    Some(found).filter(|hash| !hash.is_empty())
}

fn serve(mut stream: TcpStream, root: &Path, world: &Mutex<World>) {
    let Some(request) = read(&mut stream) else { return };
    let (status, head, body) = match request.path.strip_prefix("/api/v3/") {
        Some(path) => {
            let path = path.to_owned();
            let Some((status, body)) = api(&request, &path, root, world) else { return };
            (status, "Content-Type: application/json\r\n".to_owned(), body.to_string().into_bytes())
        }
        None => backend(&request, root, world),
    };
    let head = format!("HTTP/1.1 {status} x\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 65536]);
    let (head, body) = loop {
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if bytes.len() >= at + 4 + length.unwrap_or(0) {
            break (head, bytes[at + 4..].to_vec());
        }
    };
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers = lines.filter_map(header).collect();
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}

/// git's own server, for who brings the token.
fn backend(request: &Request, root: &Path, world: &Mutex<World>) -> (u16, String, Vec<u8>) {
    world.lock().unwrap().git.push(format!("{} {}?{}", request.method, request.path, request.query));
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{TOKEN}"));
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    if header("authorization") != format!("Basic {basic}") {
        return (401, "WWW-Authenticate: Basic realm=\"git\"\r\n".to_owned(), vec![]);
    }
    let mut child = Command::new(BACKEND)
        .env_clear()
        .env("PATH", PATH)
        .env("GIT_PROJECT_ROOT", root.join("hub"))
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "sentinell")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&request.body).unwrap();
    let said = child.wait_with_output().unwrap().stdout;
    let at = said.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(said.len() - 4);
    let head = String::from_utf8_lossy(&said[..at]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")?.split(' ').next()?.parse().ok());
    let head: String =
        head.lines().filter(|line| !line.starts_with("Status: ")).map(|line| format!("{line}\r\n")).collect();
    (status.unwrap_or(200), head, said[at + 4..].to_vec())
}

/// The API, as far as it is used; none: it hangs up.
fn api(request: &Request, path: &str, root: &Path, world: &Mutex<World>) -> Option<(u16, Value)> {
    let mut world = world.lock().unwrap();
    let query: Vec<(String, String)> = reqwest::Url::parse(&format!("http://x/?{}", request.query))
        .unwrap()
        .query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let header = |name: &str| request.headers.get(name).map(String::as_str);
    assert_eq!(header("x-github-api-version"), Some("2022-11-28"));
    let sent = String::from_utf8_lossy(&request.body).into_owned();
    let post = request.method == "POST";
    let (status, body) = match (header("authorization"), world.refuses.take_if(|_| post)) {
        (Some(who), _) if who != format!("Bearer {TOKEN}") => (401, says("Bad credentials")),
        (_, Some(status)) => (status, says(&format!("no, {TOKEN}"))),
        _ => answer(&mut world, &request.method, path, &query, &sent, &root.join("hub/acme/till.git")),
    };
    let call =
        Call { method: request.method.clone(), path: format!("/{path}"), query, sent, status, body: body.clone() };
    world.calls.push(call);
    let silent = post && std::mem::take(&mut world.forgets_to_answer);
    (!silent).then_some((status, body))
}

fn says(message: &str) -> Value {
    json!({"message": message, "documentation_url": "https://docs.github.com/rest"})
}

fn answer(
    world: &mut World,
    method: &str,
    path: &str,
    query: &[(String, String)],
    sent: &str,
    bare: &Path,
) -> (u16, Value) {
    let param = |name: &str| query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let sent: Value = serde_json::from_str(sent).unwrap_or_default();
    let number = world.pulls.len() + world.issues.len() + 7;
    match (method, path) {
        ("GET", "repos/acme/till") => (
            200,
            json!({"id": 1, "name": "till", "full_name": "acme/till", "private": world.private, "default_branch": world.default_branch}),
        ),
        ("GET", "repos/acme/till/pulls") => {
            let label = |one: &&Value| one["head"]["label"].as_str() == Some(param("head"));
            (200, world.pulls.iter().filter(label).cloned().collect())
        }
        ("GET", "repos/acme/till/issues") => (200, world.issues.iter().rev().cloned().collect()),
        ("POST", "repos/acme/till/pulls") => {
            let (head, base) = (sent["head"].as_str().unwrap_or_default(), sent["base"].as_str().unwrap_or_default());
            let invalid = |message: String| {
                let error = json!({"resource": "PullRequest", "code": "custom", "message": message});
                let said = json!({"message": "Validation Failed", "documentation_url": "https://docs.github.com/rest", "errors": [error]});
                (422, said)
            };
            let Some((there, _)) = branch(bare, head).zip(branch(bare, base)) else {
                return invalid("no such head or base".into());
            };
            if world.pulls.iter().any(|one| one["head"]["ref"].as_str() == Some(head)) {
                return invalid(format!("A pull request already exists for acme:{head}."));
            }
            let pull = json!({"id": number, "number": number, "state": "open", "title": sent["title"], "body": sent["body"],
                "head": {"label": format!("acme:{head}"), "ref": head, "sha": there},
                "base": {"label": format!("acme:{base}"), "ref": base, "sha": branch(bare, base)}});
            world.pulls.push(pull.clone());
            (201, pull)
        }
        ("POST", "repos/acme/till/issues") => {
            let issue =
                json!({"id": number, "number": number, "state": "open", "title": sent["title"], "body": sent["body"]});
            world.issues.push(issue.clone());
            (201, issue)
        }
        _ => (404, says("Not Found")),
    }
}

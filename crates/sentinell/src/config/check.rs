//! From what was typed to what may be trusted: every problem at once, each with what to do.

use super::eyes::RawEyes;
use super::hands::RawHands;
use super::raw::{Raw, RawGit, RawIdentity, RawKubernetes, RawPrometheus, RawRepo, RawWorker};
use super::sections::{Auth, Command, Git, Kubernetes, KubernetesIdentity, Programs, Prometheus, RepoRules, Worker};
use super::{Config, Database, Eyes, Hands, Mapping, Problems, Senders, Surroundings, slack, webhooks};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A bearer token shorter than this could be guessed.
const SHORTEST_TOKEN: usize = 24;

struct Checker {
    base: PathBuf,
    problems: Vec<String>,
}

impl Raw {
    /// Checks everything and builds the finished configuration; `found` are problems of reading the layers.
    pub(super) fn check(mut self, around: &Surroundings, found: Vec<String>) -> Result<Config, Problems> {
        let base = if self.base.as_os_str().is_empty() { around.folder.clone() } else { self.base.clone() };
        let mut check = Checker { base, problems: found };
        let autonomy = self.autonomy.unwrap_or_default();
        let policy = super::policy::check(&self.policy, autonomy, self.budget, &check.base, &mut check.problems);
        let listen = check.listen(self.listen.as_deref().unwrap_or("127.0.0.1:8000"));
        let auth = check.auth(&self, listen);
        let (eyes, hands) = self.eyes_and_hands(&mut check);
        let config = Config {
            listen,
            database: check.database(self.database.as_deref().unwrap_or("sqlite://sentinell.db")),
            log: self.log.unwrap_or_else(|| "info".into()),
            log_threshold: self.log_threshold.unwrap_or(sentinell_evidence::case::Level::Error),
            auth,
            policy,
            worker: check.worker(&self.worker),
            model: self.model.check(&mut check.problems),
            kubernetes: self.kubernetes.and_then(|raw| check.kubernetes(raw)),
            prometheus: check.prometheus(self.prometheus),
            eyes,
            hands,
            log_files: self
                .logs
                .into_iter()
                .map(|file| {
                    let path = check.path(&file.path);
                    super::LogFile { path, ..file }
                })
                .collect(),
            tails: super::tail::check(self.tail, &check.base, &mut check.problems),
            windows: super::maintenance::check(self.maintenance, &mut check.problems),
            dependencies: super::topology::check(self.topology, &mut check.problems),
            recordings: self.recordings.iter().map(|folder| check.folder("recordings", folder)).collect(),
            repos: check.repos(self.repos),
            git: check.git(self.git, around),
            commands: check.commands(self.commands),
            programs: programs(around),
            runbooks: self.runbooks.map(|folder| check.folder("runbooks", &folder)),
            retention: crate::store::Retention {
                every_minutes: check.between("retention.every_minutes", self.retention.every_minutes, 1, 1440),
                ..self.retention
            },
            telemetry: self.telemetry.check(&mut check.problems),
            public_url: webhooks::public_url(self.public_url, &mut check.problems),
            allowed_hosts: webhooks::allowed_hosts(self.allowed_hosts, &mut check.problems),
            webhooks: webhooks::check(self.webhooks, &mut check.problems),
            slack: slack::check(self.slack, &mut check.problems),
            memory: self.memory.check(&mut check.problems),
        };
        if check.problems.is_empty() { Ok(config) } else { Err(Problems(check.problems)) }
    }

    /// What is looked at, and what may be touched of it.
    fn eyes_and_hands(&mut self, check: &mut Checker) -> (Eyes, Hands) {
        let hands = RawHands {
            docker: self.docker.as_mut().and_then(|docker| docker.acting.take()),
            systemd: self.systemd.take(),
            terraform: self.terraform.take(),
            github: self.github.as_mut().and_then(|github| github.acting.take()),
            http: take(&mut self.http_actions),
        };
        let eyes = RawEyes {
            loki: take(&mut self.loki),
            elasticsearch: take(&mut self.elasticsearch),
            traces: take(&mut self.traces),
            probes: take(&mut self.probes),
            postgres: take(&mut self.postgres),
            redis: take(&mut self.redis),
            machine: self.machine.take(),
            aws: take(&mut self.aws),
            docker: self.docker.take(),
            github: self.github.take(),
            command: self.command.take(),
            mcp: take(&mut self.mcp),
        }
        .check(&check.base, &mut check.problems);
        let hands = hands.check(&check.base, &eyes, &mut check.problems);
        (eyes, hands)
    }
}

/// The variables that a child process may see. Never one that holds a secret of ours.
fn programs(around: &Surroundings) -> Programs {
    let variables = ["PATH", "HOME", "LANG", "LC_ALL", "TZ"].into_iter();
    let variables = variables.filter_map(|name| Some((name.to_owned(), around.get(name)?.to_owned())));
    let search_path = around.get("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin").to_owned();
    Programs { search_path, variables: variables.collect() }
}

impl Checker {
    fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    fn between<N: PartialOrd + std::fmt::Display>(&mut self, name: &str, value: N, low: N, high: N) -> N {
        if value < low || value > high {
            self.problem(format!("{name}: {value} is out of range; {low} to {high}"));
        }
        value
    }

    /// Relative paths are meant from the file they stand in.
    fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    fn folder(&mut self, name: &str, path: &Path) -> PathBuf {
        let path = self.path(path);
        if !path.is_dir() {
            self.problem(format!("{name}: `{}` is not a folder; create it or correct the path", path.display()));
        }
        path
    }

    fn listen(&mut self, text: &str) -> SocketAddr {
        let spelled = text.replace("localhost:", "127.0.0.1:");
        spelled.parse().unwrap_or_else(|_| {
            self.problem(format!("listen: `{text}` is no address; write host:port, such as 127.0.0.1:8000"));
            SocketAddr::from(([127, 0, 0, 1], 8000))
        })
    }

    fn database(&mut self, url: &str) -> Database {
        match url.split_once("://") {
            Some(("sqlite" | "postgres" | "postgresql", place)) if !place.is_empty() => {}
            // The text is not repeated: a mistyped URL may carry a password.
            _ => self.problem(
                "database: expected a URL such as sqlite://sentinell.db, sqlite:///absolute/path.db or postgres://user:password@host/database",
            ),
        }
        Database::new(url)
    }

    fn worker(&mut self, raw: &RawWorker) -> Worker {
        Worker {
            inside_serve: raw.inside_serve.unwrap_or(true),
            lease_seconds: self.between("worker.lease_seconds", raw.lease_seconds.unwrap_or(15), 2, 600),
            concurrency: self.between("worker.concurrency", raw.concurrency.unwrap_or(32), 1, 1024),
            auto_poll: raw.auto_poll.unwrap_or(false),
            poll_interval_seconds: self.between(
                "worker.poll_interval_seconds",
                raw.poll_interval_seconds.unwrap_or(300),
                10,
                86_400,
            ),
        }
    }

    fn auth(&mut self, raw: &Raw, listen: SocketAddr) -> Auth {
        let token = raw.auth.operator_token.clone();
        if token.as_ref().is_some_and(|token| token.expose().len() < SHORTEST_TOKEN) {
            self.problem(format!(
                "auth.operator_token (SENTINELL_OPERATOR_TOKEN): shorter than {SHORTEST_TOKEN} characters; make one with `openssl rand -hex 32`"
            ));
        }
        let audit_key = raw.auth.audit_key.clone();
        let is_key = |key: &str| key.len() == 64 && key.bytes().all(|digit| digit.is_ascii_hexdigit());
        if audit_key.as_ref().is_some_and(|key| !is_key(key.expose())) {
            self.problem(
                "auth.audit_key (SENTINELL_AUDIT_KEY): not 32 bytes in hex; make one with `openssl rand -hex 32`"
                    .to_owned(),
            );
        }
        if !listen.ip().is_loopback() {
            if token.is_none() {
                self.problem(format!(
                    "listen: {listen} is reachable from outside and no authentication is set up; set SENTINELL_OPERATOR_TOKEN (or auth.operator_token), or listen on 127.0.0.1"
                ));
            }
            if raw.auth.required == Some(false) {
                self.problem(format!("auth.required: cannot be false while listening on {listen}; remove the line"));
            }
        }
        Auth {
            required: raw.auth.required.unwrap_or(false) || !listen.ip().is_loopback(),
            operator_token: token,
            audit_key,
            senders: self.senders(raw),
        }
    }

    fn senders(&mut self, raw: &Raw) -> Senders {
        for mapping in &raw.generic {
            mapping.problems().into_iter().for_each(|problem| self.problem(problem));
        }
        let generic: BTreeMap<String, Mapping> =
            raw.generic.iter().map(|mapping| (mapping.name.clone(), mapping.clone())).collect();
        if generic.len() < raw.generic.len() {
            self.problem("generic: two have the same name; each needs one of its own");
        }
        Senders {
            github: raw.auth.github_webhook_secret.clone(),
            slack: raw.auth.slack_signing_secret.clone(),
            pagerduty: raw.auth.pagerduty_webhook_secret.clone(),
            sentry: raw.auth.sentry_client_secret.clone(),
            standard: raw.auth.standard_webhooks_secret.clone(),
            generic,
            sns: super::sns::check(&raw.cloudwatch, &mut self.problems),
        }
    }

    fn kubernetes(&mut self, mut raw: RawKubernetes) -> Option<Kubernetes> {
        let Some(kubeconfig) = raw.kubeconfig else {
            self.problem("kubernetes.kubeconfig: missing; name the kubeconfig of a read-only identity");
            return None;
        };
        if let Some(kubectl) = &raw.kubectl {
            self.program("kubernetes.kubectl", &kubectl.to_string_lossy());
        }
        let reading = self.identity("kubernetes.kubeconfig", RawIdentity { kubeconfig, context: raw.context });
        let acting = raw.acting.map(|raw| self.identity("kubernetes.acting.kubeconfig", raw));
        if acting.as_ref() == Some(&reading) {
            self.problem("kubernetes.acting: the same identity as for reading; eyes and hands need separate ones");
        }
        for odd in raw.images.iter().filter(|prefix| !prefix.contains('/')) {
            self.problem(format!(
                "kubernetes.images: `{odd}`: write how names begin, with a slash: registry.example/shop/"
            ));
        }
        if raw.variables.iter().any(|name| name.is_empty() || name.contains('=')) {
            self.problem("kubernetes.variables: names of environment variables, without values");
        }
        Some(Kubernetes {
            images: raw.images,
            variables: raw.variables,
            max_drained_pods: self.between("kubernetes.max_drained_pods", raw.max_drained_pods.unwrap_or(0), 0, 1000),
            kubectl: raw.kubectl,
            reading,
            acting,
            namespaces: raw.namespaces,
            environment: raw.environments.remove("*").unwrap_or_else(|| "default".into()),
            environments: raw.environments,
            max_replicas: self.between("kubernetes.max_replicas", raw.max_replicas.unwrap_or(50), 1, 10_000),
            hold_seconds: self.between("kubernetes.hold_seconds", raw.hold_seconds.unwrap_or(10), 1, 3600),
            every_seconds: self.between("kubernetes.every_seconds", raw.every_seconds.unwrap_or(2), 1, 600),
            within_seconds: self.between("kubernetes.within_seconds", raw.within_seconds.unwrap_or(120), 5, 7200),
        })
    }

    fn identity(&mut self, name: &str, raw: RawIdentity) -> KubernetesIdentity {
        let kubeconfig = self.path(&raw.kubeconfig);
        if !kubeconfig.is_file() {
            self.problem(format!("{name}: no such file: {}", kubeconfig.display()));
        }
        KubernetesIdentity { kubeconfig, context: raw.context }
    }

    fn prometheus(&mut self, raw: Vec<RawPrometheus>) -> Vec<Prometheus> {
        let mut names = BTreeSet::new();
        let mut finished = Vec::new();
        for (place, server) in raw.into_iter().enumerate() {
            let name = server
                .name
                .unwrap_or_else(|| if place == 0 { "prometheus".into() } else { format!("prometheus{}", place + 1) });
            if !server.url.starts_with("http://") && !server.url.starts_with("https://") {
                self.problem(format!("prometheus `{name}`: url must begin with http:// or https://"));
            }
            if !names.insert(name.clone()) {
                self.problem(format!("prometheus: the name `{name}` is used twice"));
            }
            finished.push(Prometheus { name, url: server.url.trim_end_matches('/').to_owned() });
        }
        finished
    }

    fn repos(&mut self, raw: BTreeMap<String, RawRepo>) -> BTreeMap<String, RepoRules> {
        let mut finished = BTreeMap::new();
        for (name, repo) in raw {
            match repo.check.as_deref() {
                Some([program, ..]) => self.program(&format!("repos.{name}.check"), program),
                Some([]) => self.problem(format!("repos.{name}.check: empty; name a program and its arguments")),
                None if repo.folder.is_none() => {
                    self.problem(format!("repos.{name}: name a folder (a local clone), a check, or both"));
                }
                None => {}
            }
            let seconds = repo.timeout_seconds.unwrap_or(300);
            let timeout_seconds = self.between(&format!("repos.{name}.timeout_seconds"), seconds, 1, 3600);
            let folder = repo.folder.map(|folder| self.folder(&format!("repos.{name}.folder"), &folder));
            finished.insert(name, RepoRules { check: repo.check.unwrap_or_default(), folder, timeout_seconds });
        }
        finished
    }

    fn git(&mut self, raw: RawGit, around: &Surroundings) -> Git {
        let RawGit { hosts, private, roots, cache } = raw;
        let roots = roots.iter().map(|root| self.folder("git.roots", root)).collect();
        let cache = cache.map(|cache| self.path(&cache)).or_else(|| Some(around.cache_folder()?.join("repos")));
        if cache.is_none() {
            self.problem("git.cache: no home folder to keep checkouts in; set SRE_REPO_CACHE");
        }
        Git { hosts, private, roots, cache: cache.unwrap_or_default() }
    }

    fn commands(&mut self, commands: Vec<Command>) -> Vec<Command> {
        let mut names = BTreeSet::new();
        for command in &commands {
            let name = format!("commands.{}", command.name);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if command.name.is_empty() || !command.name.chars().all(plain) || !names.insert(&command.name) {
                self.problem(format!("{name}: a name is lower-case letters, digits and `_`, and used once"));
            }
            if command.verification.queries.is_empty() {
                self.problem(format!("{name}.verification.queries: empty; without a check there is no cure"));
            }
            self.between(&format!("{name}.timeout_seconds"), command.timeout_seconds, 1, 3600);
            self.program(&format!("{name}.program"), &command.program.to_string_lossy());
            match command.check.as_ref().map(|argv| argv.first()) {
                Some(Some(program)) => self.program(&format!("{name}.check"), program),
                Some(None) => self.problem(format!("{name}.check: empty; name a program and its arguments")),
                None => {}
            }
        }
        commands
    }

    /// A program is pinned: absolute, there, and no shell that would read a line.
    fn program(&mut self, name: &str, program: &str) {
        let path = Path::new(program);
        if !path.is_absolute() {
            self.problem(format!(
                "{name}: `{program}` must be an absolute path; programs are pinned, no PATH is searched"
            ));
        } else if !path.is_file() {
            self.problem(format!("{name}: no such program: {program}"));
        }
    }
}

use super::*;
use std::fs::write;

fn load(toml: &str, env: &[(&str, &str)], habit: Habit) -> Result<Config, Problems> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("sentinell.toml"), toml).unwrap();
    let mut variables: BTreeMap<String, String> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    variables.entry("HOME".into()).or_insert_with(|| "/nonexistent".into());
    let around = Surroundings { variables, folder: folder.path().to_owned() };
    Config::load(&around, habit, None, Overrides::default())
}

fn problems(toml: &str, env: &[(&str, &str)]) -> String {
    load(toml, env, Habit::Server).unwrap_err().to_string()
}

#[test]
fn nothing_configured_is_a_safe_server() {
    let config = load("", &[], Habit::Server).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.database.url(), "sqlite://sentinell.db");
    assert_eq!(config.policy, Policy::default());
    assert_eq!(config.worker.lease_seconds, 15);
    assert!(config.kubernetes.is_none() && !config.auth.required);
}

#[test]
fn every_problem_is_named_at_once() {
    let toml = r#"
        listen = "nowhere"
        database = "mysql://root:hunter2@db"
        autonomy = "automatic"
        recordings = ["/nonexistent"]
        [worker]
        lease_seconds = 0
        [repos.shop]
        check = ["make"]
        [repos.till]
        timeout_seconds = 5
        [[commands]]
        name = "restart"
        description = "restarts it"
        target = "service/cache"
        program = "cachectl"
        environment = "test"
        blast_radius = { objects = 1, description = "one process" }
        [commands.verification]
        queries = []
        expect = { kind = "findings_gone", subject = "service/cache" }
        hold_seconds = 10
        every_seconds = 2
        within_seconds = 60
    "#;
    let said = problems(toml, &[("SRE_ENABLE_AGENT_WORKER", "maybe"), ("SENTINELL_OPERATOR_TOKEN", "short")]);
    for needle in [
        "listen: `nowhere`",
        "database:",
        "`automatic` needs rules",
        "recordings:",
        "lease_seconds: 0",
        "repos.shop.check: `make` must be an absolute path",
        "repos.till: name a folder (a local clone), a check, or both",
        "commands.restart.program: `cachectl` must be an absolute path",
        "commands.restart.verification.queries",
        "SRE_ENABLE_AGENT_WORKER",
        "auth.operator_token",
    ] {
        assert!(said.contains(needle), "{needle} is missing in:\n{said}");
    }
    assert!(!said.contains("hunter2"), "a secret was printed");
}

#[test]
fn an_unknown_key_is_an_error_and_the_line_is_not_repeated() {
    let said = problems("[auth]\noperator_tokenn = \"hunter2-hunter2\"\n", &[]);
    assert!(said.contains("line 2") && said.contains("operator_tokenn") && !said.contains("hunter2"), "{said}");
}

#[test]
fn an_address_beyond_loopback_needs_authentication() {
    assert!(problems("listen = \"0.0.0.0:8000\"", &[]).contains("set SENTINELL_OPERATOR_TOKEN"));
    let token = "0123456789abcdef0123456789abcdef";
    let config = load("listen = \"0.0.0.0:8000\"", &[("SENTINELL_OPERATOR_TOKEN", token)], Habit::Server).unwrap();
    assert!(config.auth.required);
    assert!(!format!("{config:?}").contains(token), "a secret was printed");
    let open = "listen = \"0.0.0.0:8000\"\n[auth]\nrequired = false";
    assert!(problems(open, &[("SENTINELL_OPERATOR_TOKEN", token)]).contains("auth.required"));
}

#[test]
fn the_environment_wins_over_dot_env_which_wins_over_the_file_and_flags_win_over_all() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("sentinell.toml"), "listen = \"127.0.0.1:1\"\nautonomy = \"suggest\"").unwrap();
    write(folder.path().join(".env"), "SENTINELL_LISTEN=127.0.0.1:2\nDATABASE_URL=sqlite://env.db\n").unwrap();
    let around = |variables: &[(&str, &str)]| Surroundings {
        variables: variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .chain([("HOME".into(), "/nonexistent".into())])
            .collect(),
        folder: folder.path().to_owned(),
    };
    let listen = |around: &Surroundings, flags: Overrides| {
        Config::load(around, Habit::Server, None, flags).unwrap().listen.port()
    };
    assert_eq!(listen(&around(&[]), Overrides::default()), 2);
    assert_eq!(listen(&around(&[("SENTINELL_LISTEN", "127.0.0.1:3")]), Overrides::default()), 3);
    let flags = Overrides { listen: Some("127.0.0.1:4".into()), database: None };
    assert_eq!(listen(&around(&[("SENTINELL_LISTEN", "127.0.0.1:3")]), flags), 4);
    let config = Config::load(&around(&[]), Habit::Server, None, Overrides::default()).unwrap();
    assert_eq!(config.database.url(), "sqlite://env.db");
    assert!(std::env::var_os("SENTINELL_LISTEN").is_none(), ".env must not leak into the process");
}

#[test]
fn a_hostile_checkout_does_not_configure_a_one_shot_command() {
    let config = load("listen = \"127.0.0.1:666\"", &[], Habit::OneShot).unwrap();
    assert_eq!(config.listen.port(), 8000);
}

#[test]
fn eyes_and_hands_need_separate_identities() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    write(&kubeconfig, "").unwrap();
    let toml = format!("[kubernetes]\nkubeconfig = {kubeconfig:?}\n[kubernetes.acting]\nkubeconfig = {kubeconfig:?}\n");
    assert!(problems(&toml, &[]).contains("separate"));
}

#[test]
fn a_model_thinks_where_a_key_or_a_server_is_named_and_nowhere_else() {
    let model = |toml: &str, env: &[(&str, &str)]| load(toml, env, Habit::Server).unwrap().model;
    assert_eq!(model("", &[]), None);
    assert_eq!(
        model("", &[("SENTINELL_MODEL", "claude-sonnet-4-20250514")]),
        None,
        "a name without a key is no trouble"
    );
    assert_eq!(model("", &[("ANTHROPIC_API_KEY", "k-1"), ("SENTINELL_MODEL", "none")]), None);
    let claude = model("", &[("ANTHROPIC_API_KEY", "k-1")]).unwrap();
    assert_eq!((claude.provider, claude.name.contains("sonnet")), (Provider::Anthropic, true));
    assert!(!format!("{claude:?}").contains("k-1"), "keys are hidden");
    let old = [("ANTHROPIC_API_KEY", "k"), ("OPENAI_API_KEY", "k"), ("SENTINELL_MODEL", "claude-sonnet-4-20250514")];
    assert_eq!(model("", &old).unwrap().provider, Provider::Anthropic);
    let local = model(
        "[model]\nname = \"small\"\nwindow = 4096\nsceptic = false\ndaily_budget_usd = 0.5",
        &[("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1")],
    );
    let local = local.unwrap();
    assert_eq!((local.provider, local.key, local.window), (Provider::Openai, None, Some(4096)));
    assert_eq!((local.sceptic, local.daily_micro_usd), (None, 500_000));
}

#[test]
fn every_problem_of_a_model_is_named() {
    let toml = "[model]\nwindow = 12\nmax_output_tokens = 2\nthinking_tokens = 4096\nsceptic_from = 7\ndaily_budget_usd = -1\neffort = \"As Hard As You Can\"\nprice = { input = -3 }";
    let said = problems(toml, &[("OPENAI_BASE_URL", "ftp://user:hunter2@models")]);
    for needle in [
        "name (SENTINELL_MODEL)",
        "window",
        "max_output",
        "thinking",
        "sceptic_from",
        "daily",
        "effort",
        "price",
        "base_url",
    ] {
        assert!(said.contains(&format!("model.{needle}")), "{needle} is missing in\n{said}");
    }
    assert!(!said.contains("hunter2"));
}

#[test]
fn where_the_eyes_look_is_known_and_no_secret_is_printed() {
    let toml = r#"
        [[loki]]
        url = "https://logs.example/"
        org_id = "fair"
        user = "ann"
        password = "hunter2"
        [[loki]]
        url = "http://127.0.0.1:3100"
        [[elasticsearch]]
        url = "https://es.example:9200"
        api_key = "hunter2"
        [[traces]]
        url = "http://127.0.0.1:3200"
        store = "tempo"
        [[probes]]
        name = "till"
        url = "https://ann:hunter2@till.example/health?key=hunter2"
        service = "fair/till"
        [[postgres]]
        name = "till-db"
        url = "postgres://ann:hunter2@db.example/till"
        used_by = ["fair/till"]
        [[redis]]
        name = "cache"
        url = "rediss://:hunter2@cache.example"
        [machine]
        host = "booth-1"
        units = ["till.service"]
        [[aws]]
        region = "eu-west-1"
        access_key_id = "hunter2"
        secret_access_key = "hunter2"
        session_token = "hunter2"
        [docker]
        host = "booth-1"
        [github]
        token = "hunter2"
        [command]
        programs = ["df", "kubectl"]
        names = [".Example.com."]
    "#;
    let config = load(toml, &[], Habit::Server).unwrap();
    assert_eq!(config.eyes.loki[1].name, "loki2");
    assert_eq!(
        (config.eyes.elasticsearch[0].index.as_str(), config.eyes.probes[0].subject.as_str()),
        ("logs-*", "service/fair/till")
    );
    let printed = format!("{:?} {:?}", config.eyes.lines(), config.eyes);
    assert!(printed.contains("https://till.example/health") && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn a_wrong_place_for_an_eye_is_named_and_no_secret_is_printed() {
    let toml = r#"
        [[loki]]
        url = "https://ann:hunter2@logs.example"
        index = "x"
        user = "ann"
        [[elasticsearch]]
        url = "es.example"
        [[probes]]
        name = "till"
        url = "till.example"
        status = [7]
        ca_file = "nowhere.pem"
        [[redis]]
        name = "cache"
        url = "cache.example?hunter2"
        [machine]
        host = ""
        units = ["till"]
        journalctl = "journalctl"
        [[aws]]
        region = "here or there"
        endpoint = "https://ann:hunter2@vpce.example"
        secret_access_key = "hunter2"
        [docker]
        socket = "docker.sock"
        [github]
        url = "https://ann:hunter2@git.example"
        [command]
        programs = ["df", "bash"]
        folders = ["nowhere"]
        names = ["*.example.com"]
    "#;
    let said = problems(toml, &[]);
    for needle in [
        "no name or password",
        "index means nothing",
        "one way to say",
        "elasticsearch `elasticsearch`",
        "url must begin with https://, http://",
        "status 7",
        "nowhere.pem",
        "redis `cache`: url must begin",
        "machine.host",
        "machine.units",
        "machine.journalctl",
        "aws `cloudwatch`: region",
        "aws `cloudwatch`: endpoint",
        "access_key_id and secret_access_key together",
        "docker.socket",
        "github.url: must begin",
        "no grammar for `bash`",
        "command.folders: `",
        "command.names: `*.example.com`",
    ] {
        assert!(said.contains(needle), "{needle} is missing in:\n{said}");
    }
    assert!(!said.contains("hunter2"), "a secret was printed");
}

#[test]
fn the_servers_of_others_are_known_and_no_secret_is_printed() {
    let toml = r#"
        [[mcp]]
        name = "tickets"
        command = ["/bin/sh", "--key", "hunter2"]
        env = { KEY = "hunter2" }
        tools = ["search"]
        [[mcp.ask]]
        tool = "search"
        args = { query = "{service}", limit = 3 }
        when = { namespace = "*" }
        [[mcp]]
        name = "calendar"
        url = "https://calendar.example/mcp?key=hunter2"
        token = "hunter2"
        tools = ["changes"]
        logs = ["changes"]
    "#;
    let eyes = load(toml, &[], Habit::Server).unwrap().eyes;
    assert_eq!(eyes.mcp[0].asks[0].args["limit"], 3);
    let printed = format!("{:?} {eyes:?}", eyes.lines());
    assert!(printed.contains("calendar.example") && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn a_wrong_server_of_others_is_named_and_no_secret_is_printed() {
    let toml = r#"
        [[mcp]]
        name = "a b"
        command = ["tickets-mcp"]
        tools = []
        logs = ["search"]
        pass_env = ["NOT_SET_ANYWHERE"]
        timeout_seconds = 0
        [[mcp]]
        name = "calendar"
        url = "http://calendar.example/mcp?key=hunter2"
        tools = ["two words"]
        [[mcp]]
        name = "calendar"
        url = "https://ann:hunter2@calendar.example"
        env = { KEY = "hunter2" }
        tools = ["changes"]
        [[mcp]]
        name = "nothing"
        tools = ["changes"]
    "#;
    let said = problems(toml, &[]);
    for needle in [
        "mcp `a b`: a name is",
        "begin with the absolute path",
        "name those that may be called",
        "`search` is asked for and not among",
        "NOT_SET_ANYWHERE is not set",
        "timeout_seconds: 0",
        "`two words` is no tool's name",
        "plain http is for private",
        "mcp `calendar`: a name is",
        "env means nothing",
        "command (a program and its arguments) or url",
    ] {
        assert!(said.contains(needle), "{needle} is missing in:\n{said}");
    }
    assert!(!said.contains("hunter2"), "a secret was printed");
}

#[test]
fn the_memorys_connections_need_their_keys_and_fit_each_other() {
    let memory = |toml: &str, env: &[(&str, &str)]| load(toml, env, Habit::Server).unwrap().memory;
    let nothing = memory("", &[("OPENAI_API_KEY", "sk-1")]);
    assert!(
        nothing.embeddings.is_none() && nothing.pinecone.is_none() && nothing.missing.is_none() && nothing.pgvector
    );
    let both = memory("", &[("OPENAI_API_KEY", "sk-1"), ("PINECONE_API_KEY", "pc-1")]);
    let (embeddings, pinecone) = (both.embeddings.unwrap(), both.pinecone.unwrap());
    assert_eq!((embeddings.model.as_str(), embeddings.dimensions), ("text-embedding-3-large", 1024));
    assert_eq!(
        (pinecone.index.as_str(), pinecone.region.as_str(), pinecone.dimension),
        ("sentinell-context", "us-east-1", 1024)
    );
    let half = memory("", &[("PINECONE_API_KEY", "pc-1")]);
    assert!(half.pinecone.is_none() && half.missing.unwrap().contains("OPENAI_API_KEY"));
    let own = "[memory.embeddings]\nurl = \"http://models:8080/v1\"\nmodel = \"small\"\ndimensions = 576";
    let own = memory(own, &[("OPENAI_API_KEY", "sk-1")]).embeddings.unwrap();
    assert!(own.key.is_none() && own.dimensions == 576, "OpenAI's key goes to OpenAI only");
    let toml = "[memory.embeddings]\nurl = \"ftp://a:hunter2@b\"\nmodel = \"small\"\ntimeout_seconds = 0\n\
                [memory.pinecone]\napi_key = \"pc-1\"\nindex = \"Bad Name\"\ndimension = 0\ncontrol_url = \"http://elsewhere\"";
    let said = problems(toml, &[]);
    for needle in ["embeddings.url", "out of range; 1 to 16000", "timeout_seconds", "pinecone.index", "control_url"] {
        assert!(said.contains(needle), "{needle}: {said}");
    }
    assert!(!said.contains("hunter2"));
    let apart = "[memory.embeddings]\nurl = \"http://models\"\nmodel = \"small\"\ndimensions = 576\n[memory.pinecone]\napi_key = \"pc-1\"";
    assert!(problems(apart, &[("PINECONE_DIMENSION", "1024")]).contains("must be the same"));
}

#[test]
fn a_token_is_enough_to_ask_github() {
    let github = |toml: &str, env: &[(&str, &str)]| load(toml, env, Habit::Server).unwrap().eyes.github;
    assert_eq!(github("", &[]), None);
    let told = github("", &[("GITHUB_TOKEN", "github_pat_1")]).unwrap();
    assert_eq!((told.url.as_str(), told.token.is_some()), ("https://api.github.com", true));
    let corp = github("[github]\nurl = \"https://git.corp.example/api/v3\"", &[]).unwrap();
    assert_eq!((corp.url.as_str(), corp.token), ("https://git.corp.example/api/v3", None));
    assert!(problems("[github]\nurl = \"https://github.com/acme\"", &[]).contains("needs no line"));
}

#[test]
fn no_program_is_run_unless_it_is_named() {
    let command = |toml: &str| load(toml, &[], Habit::Server).unwrap().eyes.command;
    assert_eq!(command(""), None);
    let wanted = command("[command]\nprograms = [\"df\"]\nnames = [\".Example.com.\"]").unwrap();
    assert_eq!((wanted.programs, wanted.names), (vec!["df".to_owned()], vec!["example.com".to_owned()]));
    assert!(problems("[command]", &[]).contains("command.programs: name those"));
}

#[test]
fn who_asks_amazon_is_found_as_amazons_own_programs_find_it() {
    let who = |env: &[(&str, &str)]| {
        let config = load("[[aws]]\n", &[env, &[("AWS_REGION", "eu-west-1")]].concat(), Habit::Server).unwrap();
        config.eyes.aws[0].identity.clone()
    };
    let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_PROFILE", "fair")];
    assert!(matches!(who(&keys), AwsIdentity::Keys { .. }));
    let pod = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/jwt"), ("AWS_ROLE_ARN", "arn:x")];
    assert!(matches!(who(&pod), AwsIdentity::WebIdentity { role, .. } if role == "arn:x"));
    let profile = who(&keys[2..]);
    assert!(
        matches!(&profile, AwsIdentity::Profile { file, name } if name == "fair" && file.ends_with(".aws/credentials"))
    );
    let task = who(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")]);
    assert!(matches!(task, AwsIdentity::Container { url, .. } if url == "http://169.254.170.2/v2/x"));
    assert_eq!(who(&[]), AwsIdentity::Instance);
    assert!(problems("[[aws]]\nregion = \"eu-west-1\"", &[("AWS_EC2_METADATA_DISABLED", "true")]).contains("nobody"));
}

#[test]
fn who_calls_whom_is_read_and_every_mistake_in_it_is_named() {
    let written = "[topology]\nwithin_seconds = 60\n[topology.calls]\ncart = [\"payments\", \"bank/till\"]";
    let dependencies = load(written, &[], Habit::Server).unwrap().dependencies;
    let told: Vec<String> = dependencies.told.iter().map(|(from, to)| format!("{from}>{to}")).collect();
    assert_eq!((told.join(" ").as_str(), dependencies.within_seconds), ("cart>payments cart>bank/till", 60));
    assert_eq!(load("", &[], Habit::Server).unwrap().dependencies.within_seconds, 180);
    let wrong = "[topology]\nwithin_seconds = 4000\nlearnt_days = 400\n\
                 [topology.calls]\ncart = [\"cart\", \"a/b/c\", \"\"]\n\"x/\" = [\"y\"]";
    let named = problems(wrong, &[]);
    for needle in ["within_seconds: 4000", "learnt_days: 400", "`cart` calls itself", "`a/b/c`", "``", "`x/`"] {
        assert!(named.contains(needle), "{needle} is missing in {named}");
    }
}

#[test]
fn hands_are_off_until_they_are_named() {
    let none = load("[docker]\n[machine]\nhost = \"booth-1\"", &[], Habit::Server).unwrap();
    assert_eq!(none.hands, Hands::default());
    let toml = r#"
        [machine]
        host = "booth-1"
        units = ["till.service"]
        [docker.acting]
        containers = ["till-*"]
        environment = "staging"
        [systemd]
        units = ["till.service"]
        services = { "till.service" = "fair/till" }
        [[aws]]
        region = "eu-west-1"
        access_key_id = "hunter2"
        secret_access_key = "hunter2"
        [aws.acting]
        access_key_id = "hunter3"
        secret_access_key = "hunter3"
        targets = ["ecs/fair/till"]
    "#;
    let config = load(toml, &[], Habit::Server).unwrap();
    assert_eq!(config.hands.systemd.as_ref().unwrap().units[0].subject, "service/fair/till");
    assert_eq!(config.hands.docker.as_ref().unwrap().environment, "staging");
    assert_eq!(config.eyes.aws[0].acting.as_ref().unwrap().max_capacity, 20);
    assert!(!format!("{config:?} {:?}", config.hands.lines()).contains("hunter"));
}

#[test]
fn every_problem_of_the_hands_is_said_at_once() {
    let toml = r#"
        [docker.acting]
        socket = "docker.sock"
        max_cpus = 0
        [systemd]
        units = ["till", "-x.service"]
        environment = ""
        [[aws]]
        region = "eu-west-1"
        profile = "same"
        credentials_file = "keys"
        [aws.acting]
        profile = "same"
        credentials_file = "keys"
        [terraform]
        pass_env = ["NOT_SET"]
        [kubernetes]
        kubeconfig = "nowhere"
        images = ["cart"]
    "#;
    let problems = load(toml, &[], Habit::Server).unwrap_err().to_string();
    let expected = [
        "docker.acting.containers",
        "docker.acting.socket",
        "docker.acting.max_cpus",
        "systemd.units: `till`",
        "systemd.units: `-x.service`",
        "nobody sees whether it helped",
        "systemd.environment",
        "eyes and hands need separate ones",
        "terraform.workspaces",
        "terraform.plans",
        "NOT_SET is not set",
        "kubernetes.images: `cart`",
    ];
    for expected in expected {
        assert!(problems.contains(expected), "{expected} is missing in: {problems}");
    }
}

#[test]
fn who_we_are_to_the_receiver_of_a_request_comes_from_the_environment_and_is_never_printed() {
    let toml = r#"
        [[http_actions]]
        name = "flag_off"
        description = "switches a feature off"
        target = "service/fair/till"
        environment = "production"
        method = "PATCH"
        url = "https://flags.example/flags/{flag}"
        secret_headers_env = { authorization = "FLAGS_AUTHORIZATION" }
        body = '{"enabled": false}'
        check = { url = "https://flags.example/flags/{flag}", pointer = "/enabled", done = "false", undone = "true" }
        params = { flag = { type = "one_of", words = ["new-till"] } }
        blast_radius = { objects = 1, description = "everybody" }
        verification = { queries = [{ id = "v1", tool = "probe", args = { target = "till" }, why = "" }], expect = { kind = "findings_gone", subject = "service/fair/till" }, hold_seconds = 1, every_seconds = 1, within_seconds = 9 }
    "#;
    let config = load(toml, &[("FLAGS_AUTHORIZATION", "Bearer hunter2")], Habit::Server).unwrap();
    assert_eq!(config.hands.http[0].secret_headers["authorization"].expose(), "Bearer hunter2");
    assert!(!format!("{config:?} {:?}", config.hands.lines()).contains("hunter2"));
    let missing = load(toml, &[], Habit::Server).unwrap_err().to_string();
    assert!(missing.contains("FLAGS_AUTHORIZATION is not set"), "{missing}");
}

const PROPOSALS: &str = r#"
    [github]
    token = "reading-hunter2"
    [github.acting]
    token = "acting-hunter3"
    [[github.acting.repositories]]
    name = "till"
    repository = "acme/till"
    environment = "production"
    paths = ["src/*"]
    check = ["/bin/sh", "ci/check"]
    verification = { queries = [{ id = "v1", tool = "probe", args = { target = "till" }, why = "" }], expect = { kind = "findings_gone", subject = "service/till" }, hold_seconds = 1, every_seconds = 1, within_seconds = 9 }
"#;

#[test]
fn proposals_are_made_with_a_token_of_their_own_and_only_where_the_file_says_so() {
    assert_eq!(load("[github]\ntoken = \"t\"", &[], Habit::Server).unwrap().hands.github, None);
    let config = load(PROPOSALS, &[("SENTINELL_GITHUB_ACTING_TOKEN", "acting-hunter4")], Habit::Server).unwrap();
    let github = config.hands.github.as_ref().unwrap();
    assert_eq!((github.token.expose(), github.url.as_str()), ("acting-hunter4", "https://api.github.com"));
    assert_eq!(config.eyes.github.as_ref().unwrap().token.as_ref().unwrap().expose(), "reading-hunter2");
    let shown = format!("{config:?} {:?}", config.hands.lines());
    assert!(!shown.contains("hunter") && shown.contains("acme/till (production)"), "{shown}");
    let same = problems(&PROPOSALS.replace("hunter3", "hunter2").replace("acting-", "reading-"), &[]);
    assert!(same.contains("eyes and hands need separate ones"), "{same}");
    let none = problems(&PROPOSALS.replace("token = \"acting-hunter3\"", ""), &[("GITHUB_TOKEN", "reading-hunter5")]);
    assert!(none.contains("SENTINELL_GITHUB_ACTING_TOKEN") && !none.contains("hunter"), "{none}");
}

#[test]
fn every_problem_of_a_repository_that_is_proposed_to_is_said() {
    for (right, wrong, says) in [
        ("\"acme/till\"", "\"https://github.com/acme/till\"", "owner/name"),
        ("\"acme/till\"", "\"../till\"", "owner/name"),
        ("\"acme/till\"", "\"acme/--upload-pack=x\"", "owner/name"),
        ("\"acme/till\"", "\"acme/till.git\"", "owner/name"),
        ("\"till\"\n", "\"../x\"\n", "a name is letters"),
        ("src/*", "src/**/x", "`*` only at the end"),
        ("src/*", "../*", "a path from the repository's root"),
        ("/bin/sh", "sh", "absolute path"),
        ("\"production\"", "\"\"", "a word such as"),
        (
            "queries = [{ id = \"v1\", tool = \"probe\", args = { target = \"till\" }, why = \"\" }]",
            "queries = []",
            "without a check",
        ),
        ("paths =", "path =", "unknown field"),
    ] {
        assert!(PROPOSALS.contains(right), "{right}");
        let said = problems(&PROPOSALS.replacen(right, wrong, 1), &[]);
        assert!(said.contains(says), "{wrong}: {said}");
    }
}

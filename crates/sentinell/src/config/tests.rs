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
        "`automatic` needs a policy",
        "recordings:",
        "lease_seconds: 0",
        "repos.shop.check: `make` must be an absolute path",
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

//! Proposals to a GitHub: a real git on both sides, a real push over HTTP to a bare repository, and a fake of the API with a memory
//! that GitHub's own OpenAPI description judges (`scripts/test.sh github`).

mod hostile;
mod hub;
mod issue;
mod judged;

use super::case::{action, args, clock, warrant_for};
use hub::{Hub, PATH, TOKEN, git};
use sentinell_adapters::actuators::github::{GitHubHands, GitHubHandsSettings, Repository, RepositoryCheck};
use sentinell_adapters::process::Program;
use sentinell_core::action::{Action, ActionDraft, Deed, Expectation, HttpDeed, Plan, Verification};
use sentinell_core::evidence::Query;
use sentinell_core::ports::{ActError, Actuator, Applied, ToolError};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

const GOOD: &str = "int limit(void) { return 10; }\nint main(void) { return limit() - 10; }\n";
const BAD: &str = "int limit(void) { return nothing; }\nint main(void) { return limit() - 10; }\n";

/// A house with a hub, somebody's clone of its repository, and hands on it.
struct Fair {
    hub: Hub,
    /// The commit that broke the build.
    bad: String,
    /// What is allowed, besides the defaults.
    repository: Repository,
}

impl Fair {
    /// Three commits: a till that builds, one that does not, and one about something else. None where git cannot serve.
    fn open() -> Option<Self> {
        let hub = Hub::open()?;
        let query = Query { id: "v1".into(), tool: "probe".into(), args: args(&[]), why: String::new() };
        let verification = Verification {
            queries: vec![query],
            expect: Expectation::FindingsGone { subject: "service/till".into() },
            hold_seconds: 1,
            every_seconds: 1,
            within_seconds: 10,
        };
        let cc = Program::find("cc", PATH.as_ref()).unwrap().with_var("PATH", PATH);
        let args = ["-o", "/dev/null", "src/till.c"].map(str::to_owned).to_vec();
        let repository = Repository {
            name: "till".into(),
            full_name: "acme/till".into(),
            environment: "production".into(),
            paths: vec![],
            guarded: vec![],
            protected: vec![],
            public: false,
            check: Some(RepositoryCheck { program: cc, args, time: Duration::from_secs(60) }),
            verification,
        };
        let mut fair = Self { hub, bad: String::new(), repository };
        std::fs::create_dir_all(fair.clone_of().join("src")).unwrap();
        fair.git(&["init", "-q", "-b", "main", "."]);
        fair.commit("src/till.c", GOOD, "a till");
        fair.bad = fair.commit("src/till.c", BAD, "Raise the limit, fixes #12 @acme/everyone");
        fair.commit("README.md", "a till\n", "words");
        fair.push();
        Some(fair)
    }

    fn clone_of(&self) -> PathBuf {
        self.hub.folder.path().join("clone")
    }

    fn git(&self, args: &[&str]) -> String {
        git(&self.clone_of(), args, b"")
    }

    fn commit(&self, path: &str, text: &str, title: &str) -> String {
        let file = self.clone_of().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", title]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn push(&self) {
        let bare = self.hub.bare().display().to_string();
        self.git(&["push", "-q", "-f", &bare, "HEAD:refs/heads/main"]);
    }

    /// Commits a change and, with it pushed, tries to have it taken back.
    async fn refused(&self, path: &str, text: &str, after: &str) -> ToolError {
        let bad = self.commit(path, text, "a change");
        if !after.is_empty() {
            self.commit(path, after, "and another");
        }
        self.push();
        self.hands().plan(&draft(&bad)).await.unwrap_err()
    }

    /// git as the hand runs it: every call is written down before.
    fn scribe(&self) -> Program {
        let (script, real) = (self.hub.folder.path().join("git"), Program::find("git", PATH.as_ref()).unwrap());
        let place = self.hub.folder.path().join("argv").display().to_string();
        let text = format!(
            "#!/bin/sh\nprintf '%s ' \"$@\" >> '{place}'\necho >> '{place}'\nexec {} \"$@\"\n",
            real.path().display()
        );
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        Program::at(script).unwrap().with_var("PATH", PATH)
    }

    fn started(&self) -> String {
        std::fs::read_to_string(self.hub.folder.path().join("argv")).unwrap_or_default()
    }

    fn hands(&self) -> GitHubHands {
        let settings = GitHubHandsSettings {
            url: format!("{}/api/v3", self.hub.url),
            token: TOKEN.into(),
            git: self.scribe(),
            folder: self.hub.folder.path().join("scratch"),
            repositories: vec![self.repository.clone()],
        };
        GitHubHands::new(settings, clock()).unwrap()
    }

    async fn planned(&self) -> Action {
        proposal(&self.bad, self.hands().plan(&draft(&self.bad)).await.unwrap())
    }
}

fn params(commit: &str) -> Vec<(&str, &str)> {
    vec![
        ("commit", commit),
        ("incident", "i1"),
        ("cause", "the till cannot be built, closes #3"),
        ("evidence", "e1 commit Raise the limit: 5 minutes before it began\ne4 ```\n@acme 500 since 14:00"),
    ]
}

fn draft(commit: &str) -> ActionDraft {
    let params = args(&params(commit));
    ActionDraft {
        kind: "git.revert".into(),
        target: "repository/till".into(),
        params,
        because: "h1".into(),
        why: String::new(),
    }
}

fn proposal(commit: &str, plan: Plan) -> Action {
    action("git.revert", "repository/till", &params(commit), plan)
}

fn deed(action: &Action) -> &HttpDeed {
    action.plan.deed.http().unwrap()
}

fn request(action: &Action) -> Value {
    serde_json::from_str(deed(action).body.as_deref().unwrap()).unwrap()
}

fn branch_of(action: &Action) -> String {
    request(action)["head"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_commit_that_breaks_the_build_is_taken_back_on_a_branch_and_proposed_once() {
    let Some(fair) = Fair::open() else { return };
    let hands = fair.hands();
    assert_eq!(hands.check().await, Ok(Some("acme/till on main".to_owned())));
    let shown = fair.planned().await;
    let branch = branch_of(&shown);
    assert_eq!(branch, format!("sentinell/revert-{}-i1", &fair.bad[..12]));
    let change = &shown.plan.blast_radius.description;
    assert!(
        change.contains("+int limit(void) { return 10; }") && change.contains("-int limit(void) { return nothing; }"),
        "{change}"
    );
    assert!(!change.contains("README"), "only that commit is taken back: {change}");
    let body = request(&shown)["body"].as_str().unwrap().to_owned();
    for told in
        ["| the till cannot be built", "| e1 commit Raise", "| e4 ", "ended well on exactly this tree", &fair.bad]
    {
        assert!(body.contains(told), "{told} is missing in {body}");
    }
    assert_eq!((shown.plan.undo.as_ref(), shown.plan.blast_radius.objects), (None, 1));
    assert_eq!((fair.hub.branches().len(), fair.hub.world().pulls.len()), (1, 0), "a plan changes nothing");
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::No));
    // Another process with an empty scratch folder makes the same commit of it, while the branch has gone on.
    std::fs::remove_dir_all(fair.hub.folder.path().join("scratch")).unwrap();
    fair.commit("README.md", "two tills\n", "more words");
    fair.push();
    let said = hands.apply(&shown, warrant_for(&shown, 120)).await.unwrap();
    assert_eq!(said, format!("{}/acme/till/pull/7 waits for people to merge it (branch {branch})", fair.hub.url));
    let pushed = fair.hub.branch(&branch).unwrap();
    assert_eq!(
        Some(&pushed),
        deed(&shown).expect.get(&format!("refs/heads/{branch}")),
        "what was approved is what was pushed"
    );
    assert_eq!(fair.hub.git(&["show", &format!("{pushed}:src/till.c")]), GOOD.trim());
    assert_eq!(fair.hub.git(&["rev-parse", &format!("{pushed}^")]), deed(&shown).expect["base"]);
    let message = fair.hub.git(&["log", "-1", "--format=%an <%ae>%n%B", &pushed]);
    assert!(
        message.contains(&format!("This takes back commit {}.", fair.bad))
            && message.contains("Sentinell-Incident: i1")
    );
    let title = request(&shown)["title"].as_str().unwrap().to_owned();
    for active in ["#12", "#3", "@acme"] {
        assert!(
            ![&title, &message, &body].iter().any(|text| text.contains(active)),
            "{active} would do something at GitHub"
        );
    }
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::Yes));
    let again = hands.apply(&shown, warrant_for(&shown, 120)).await;
    assert_eq!((again, fair.hub.world().pulls.len()), (Ok(said), 1), "it is there already");
    let anew = hands.plan(&draft(&fair.bad)).await;
    assert!(matches!(&anew, Err(ToolError::BadQuery(why)) if why.contains("pull/7")), "{anew:?}");
}

#[tokio::test]
async fn the_token_is_in_no_argument_plan_answer_or_error() {
    let Some(fair) = Fair::open() else { return };
    let hands = fair.hands();
    let shown = fair.planned().await;
    fair.hub.world().refuses = Some(403);
    let refused = hands.apply(&shown, warrant_for(&shown, 120)).await;
    assert!(
        matches!(&refused, Err(ActError::Failed(why)) if why.contains("403") && why.contains("[hidden]")),
        "{refused:?}"
    );
    hands.apply(&shown, warrant_for(&shown, 120)).await.unwrap();
    let told = format!("{hands:?} {refused:?} {} {}", json!(shown), fair.started());
    assert!(fair.started().lines().any(|call| call.contains(" push ")), "the calls were written down");
    let basic = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{TOKEN}"))
    };
    assert!(!told.contains(TOKEN) && !told.contains(&basic));
    let kept = git(&fair.hub.folder.path().join("scratch/till.git"), &["config", "--list"], b"");
    assert!(!kept.contains(&basic), "nor does it stay in the scratch copy: {kept}");
    let started = fair.started();
    let pushes: Vec<&str> = started.lines().filter(|call| call.contains(" push ")).collect();
    assert!(
        pushes.iter().all(|call| !call.contains("--force") && !call.contains(" +") && !call.contains(" :")),
        "{pushes:?}"
    );
}

#[tokio::test]
async fn whoever_died_in_the_middle_is_followed_by_somebody_who_looks() {
    let Some(fair) = Fair::open() else { return };
    let hands = fair.hands();
    let shown = fair.planned().await;
    let branch = branch_of(&shown);
    // The branch was pushed, the request never left.
    fair.hub.world().refuses = Some(502);
    let unclear = hands.apply(&shown, warrant_for(&shown, 120)).await;
    assert!(matches!(unclear, Err(ActError::Unknown(_))), "{unclear:?}");
    assert!(fair.hub.branch(&branch).is_some());
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::No), "half of it; doing it again does the rest");
    // The request was taken, the answer got lost.
    fair.hub.world().forgets_to_answer = true;
    let lost = hands.apply(&shown, warrant_for(&shown, 120)).await;
    assert!(matches!(lost, Err(ActError::Unknown(_))), "{lost:?}");
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::Yes));
    // People have closed it since: it was proposed all the same.
    fair.hub.world().pulls[0]["state"] = json!("closed");
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::Yes));
    fair.hub.world().pulls[0]["head"]["sha"] = json!(fair.bad);
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::Unknown));
    let other = hands.apply(&shown, warrant_for(&shown, 120)).await;
    assert!(matches!(&other, Err(ActError::NotStarted(why)) if why.contains("something else")), "{other:?}");
    assert_eq!(fair.hub.world().pulls.len(), 1);
    let late = warrant_for(&shown, 1);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    fair.hub.world().pulls.clear();
    assert!(matches!(hands.apply(&shown, late).await, Err(ActError::NotStarted(why)) if why.contains("ran out")));
}

#[tokio::test]
async fn a_branch_of_somebody_elses_is_left_alone() {
    let Some(fair) = Fair::open() else { return };
    let hands = fair.hands();
    let shown = fair.planned().await;
    let (branch, theirs) = (branch_of(&shown), fair.hub.branch("main").unwrap());
    fair.hub.git(&["update-ref", &format!("refs/heads/{branch}"), &theirs]);
    let answer = hands.apply(&shown, warrant_for(&shown, 120)).await;
    assert!(matches!(&answer, Err(ActError::NotStarted(why)) if why.contains("something else")), "{answer:?}");
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::Unknown));
    let anew = hands.plan(&draft(&fair.bad)).await;
    assert!(matches!(&anew, Err(ToolError::BadQuery(why)) if why.contains("something else")), "{anew:?}");
    assert_eq!((fair.hub.branch(&branch), fair.hub.world().pulls.len()), (Some(theirs), 0));
}

#[tokio::test]
async fn a_deed_that_was_bent_is_not_done_whoever_approved_it() {
    let Some(fair) = Fair::open() else { return };
    let hands = fair.hands();
    let shown = fair.planned().await;
    let branch = branch_of(&shown);
    let bent = |change: &dyn Fn(&mut HttpDeed)| {
        let mut action = shown.clone();
        if let Deed::Http(deed) = &mut action.plan.deed {
            change(deed);
        }
        action
    };
    let body = |key: &'static str, value: Value| {
        let mut body = request(&shown);
        body[key] = value;
        bent(&move |deed| deed.body = Some(body.to_string()))
    };
    let text = request(&shown)["body"].as_str().unwrap().to_owned();
    let mut others = vec![
        body("head", json!("main")),
        body("base", json!("release/1")),
        body("title", json!("Fixes #1")),
        body("body", json!(format!("{text}\nCloses #1"))),
        body("body", json!(text.replace("## Check", "@acme/everyone\n\n## Check"))),
        body("draft", json!(true)),
        bent(&|deed| deed.url = deed.url.replace("pulls", "merges")),
        bent(&|deed| deed.method = "PUT".into()),
        bent(&|deed| drop(deed.headers.insert("x-y".into(), "z".into()))),
        bent(&|deed| drop(deed.expect.insert(format!("refs/heads/{branch}"), fair.bad.clone()))),
        bent(&|deed| drop(deed.expect.insert("refs/heads/main".into(), fair.bad.clone()))),
        bent(&|deed| drop(deed.expect.insert("base".into(), fair.bad.clone()))),
        bent(&|deed| drop(deed.expect.insert("tree".into(), fair.bad.clone()))),
    ];
    let mut elsewhere = shown.clone();
    elsewhere.params.insert("incident".into(), "i2".into());
    let mut other = shown.clone();
    other.params.insert("commit".into(), fair.hub.branch("main").unwrap());
    let mut evidence = shown.clone();
    evidence.params.insert("evidence".into(), "e1 nothing".into());
    others.extend([elsewhere, other, evidence]);
    for other in others {
        let answer = hands.apply(&other, warrant_for(&other, 60)).await;
        assert!(matches!(&answer, Err(ActError::NotStarted(_))), "{answer:?}: {:?}", other.plan.deed);
    }
    assert_eq!((fair.hub.branches(), fair.hub.world().pulls.len()), (vec!["refs/heads/main".to_owned()], 0));
    // The history was rewritten since: what was planned against is gone.
    fair.git(&["reset", "-q", "--hard", "HEAD~2"]);
    fair.commit("README.md", "anew\n", "anew");
    fair.push();
    let answer = hands.apply(&shown, warrant_for(&shown, 60)).await;
    assert!(matches!(&answer, Err(ActError::NotStarted(_))), "{answer:?}");
}

#[tokio::test]
async fn what_has_no_safe_revert_is_refused_with_the_reason() {
    let Some(fair) = Fair::open() else { return };
    let hands = fair.hands();
    let says = |error: ToolError, why: &str| assert!(error.to_string().contains(why), "{error} does not say: {why}");
    says(
        fair.refused("src/till.c", &BAD.replace("10", "11"), &BAD.replace("10", "12")).await,
        "later commits changed the same lines",
    );
    let helper = fair.commit("src/till.c", GOOD, "works");
    fair.push();
    says(
        hands.plan(&draft(&helper)).await.unwrap_err(),
        "the repository's check fails on the reverted tree (exit code 1)",
    );
    let first = fair.git(&["rev-list", "--max-parents=0", "HEAD"]);
    says(hands.plan(&draft(&first)).await.unwrap_err(), "the first commit");
    for odd in ["main", "HEAD", "--output=x", "0123", &"0".repeat(40), &fair.bad.to_uppercase()] {
        assert!(matches!(hands.plan(&draft(odd)).await, Err(ToolError::BadQuery(_))), "{odd}");
    }
    says(fair.refused("blob", "a\0b", "").await, "is no text");
    says(fair.refused("long.txt", &"a line of words\n".repeat(2000), "").await, "nobody could approve that");
    says(fair.refused("key.txt", &format!("token = ghp_{}\n", "a1B2".repeat(9)), "").await, "a secret");
    fair.git(&["checkout", "-q", "-b", "side", "HEAD~1"]);
    let sideways = fair.commit("side.txt", "side\n", "beside");
    fair.git(&["checkout", "-q", "main"]);
    fair.push();
    says(hands.plan(&draft(&sideways)).await.unwrap_err(), "no commit");
    fair.git(&["merge", "-q", "--no-ff", "-m", "merge side", "side"]);
    let merge = fair.git(&["rev-parse", "HEAD"]);
    fair.push();
    let plan = hands.plan(&draft(&merge)).await.unwrap();
    assert!(
        plan.blast_radius.description.contains("-side"),
        "a merge of the branch's own line is taken back as everybody means it"
    );
    fair.git(&["revert", "--no-edit", "-m", "1", &merge]);
    fair.push();
    says(hands.plan(&draft(&merge)).await.unwrap_err(), "taken back already");
    fair.hub.world().private = false;
    says(hands.plan(&draft(&fair.bad)).await.unwrap_err(), "public = true");
    let stranger = ActionDraft { target: "repository/../x".into(), ..draft(&fair.bad) };
    says(hands.plan(&stranger).await.unwrap_err(), "no target");
    assert_eq!(fair.hub.branches(), ["refs/heads/main"]);
}

//! A real Terraform with its built-in `terraform_data`, which needs no network.

use super::case::{action, args, clock, warrant_for};
use sentinell_adapters::actuators::terraform::{TerraformHands, TerraformHandsSettings, Workspace};
use sentinell_adapters::process::Program;
use sentinell_core::action::{Action, ActionDraft, Deed, Expectation, Verification};
use sentinell_core::evidence::Query;
use sentinell_core::ports::{ActError, Actuator, Applied, ToolError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Fair {
    folder: tempfile::TempDir,
    program: Program,
}

impl Fair {
    /// None, said loudly, where there is no Terraform.
    fn open() -> Option<Self> {
        let path = std::env::var("PATH").unwrap_or_default();
        let found = ["terraform", "tofu"].iter().find_map(|name| Program::find(name, path.as_ref()).ok());
        let Some(program) = found else {
            eprintln!("SKIPPED: neither terraform nor tofu is installed; nothing was planned or applied");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let fair = Self { program: program.with_var("HOME", &folder.path().display().to_string()), folder };
        std::fs::create_dir(fair.place()).unwrap();
        fair.declare("two tills");
        fair.run(&["init", "-input=false", "-no-color"]);
        fair.run(&["apply", "-auto-approve", "-input=false", "-no-color"]);
        Some(fair)
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("fair")
    }

    fn plans(&self) -> PathBuf {
        self.folder.path().join("plans")
    }

    fn declare(&self, input: &str) {
        let text = format!("resource \"terraform_data\" \"till\" {{\n  input = \"{input}\"\n}}\n");
        std::fs::write(self.place().join("main.tf"), text).unwrap();
    }

    fn run(&self, args: &[&str]) {
        let mut command = Command::new(self.program.path());
        let done = command.args(args).current_dir(self.place()).env("HOME", self.folder.path()).output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn state(&self) -> String {
        std::fs::read_to_string(self.place().join("terraform.tfstate")).unwrap()
    }

    fn hands(&self) -> TerraformHands {
        let query = Query { id: "v1".into(), tool: "probe".into(), args: args(&[]), why: String::new() };
        let verification = Verification {
            queries: vec![query],
            expect: Expectation::FindingsGone { subject: "service/fair/till".into() },
            hold_seconds: 1,
            every_seconds: 1,
            within_seconds: 10,
        };
        let workspace = Workspace {
            name: "fair".into(),
            folder: self.place(),
            environment: "staging".into(),
            replace: vec!["terraform_data.till".into()],
            may_destroy: false,
            verification,
        };
        let settings = TerraformHandsSettings { workspaces: vec![workspace], plans: self.plans() };
        TerraformHands::new(self.program.clone(), settings, clock())
    }
}

fn draft(pairs: &[(&str, &str)]) -> ActionDraft {
    let (kind, target) = ("terraform.apply".into(), "terraform/fair".into());
    ActionDraft { kind, target, params: args(pairs), because: "h1".into(), why: String::new() }
}

async fn planned(hands: &TerraformHands, pairs: &[(&str, &str)]) -> Action {
    action("terraform.apply", "terraform/fair", pairs, hands.plan(&draft(pairs)).await.unwrap())
}

fn file(action: &Action) -> PathBuf {
    action.plan.deed.argv().unwrap().last().unwrap().into()
}

#[tokio::test]
async fn exactly_the_plan_that_was_shown_is_applied_and_once() {
    let Some(fair) = Fair::open() else { return };
    let hands = fair.hands();
    let nothing = hands.plan(&draft(&[])).await;
    assert!(matches!(&nothing, Err(ToolError::BadQuery(why)) if why.contains("nothing to apply")), "{nothing:?}");
    fair.declare("three tills");
    let shown = planned(&hands, &[]).await;
    let text = &shown.plan.blast_radius.description;
    assert!(
        text.contains("two tills") && text.contains("three tills"),
        "the rendered plan is what is approved: {text}"
    );
    assert_eq!((shown.plan.blast_radius.objects, shown.plan.environment.as_str()), (1, "staging"));
    let mode = std::fs::metadata(fair.plans()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "a plan may hold secrets");
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::No));
    // Whatever the folder says by now, what was shown is applied.
    fair.declare("a hundred tills");
    hands.apply(&shown, warrant_for(&shown, 120)).await.unwrap();
    assert!(fair.state().contains("three tills") && !fair.state().contains("a hundred"));
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::Unknown), "something differs again: nobody can tell");
    fair.declare("three tills");
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::Yes));
    let sleeper = hands.apply(&shown, warrant_for(&shown, 60)).await;
    assert!(matches!(&sleeper, Err(ActError::NotStarted(_))), "{sleeper:?}");
}

#[tokio::test]
async fn a_plan_that_is_stale_bent_or_destroys_is_not_applied() {
    let Some(fair) = Fair::open() else { return };
    let hands = fair.hands();
    fair.declare("three tills");
    let stale = planned(&hands, &[]).await;
    let mut elsewhere = stale.clone();
    let foreign = fair.folder.path().join("plan.tfplan");
    std::fs::copy(file(&stale), &foreign).unwrap();
    if let Deed::Argv(words) = &mut elsewhere.plan.deed {
        *words.last_mut().unwrap() = foreign.display().to_string();
    }
    let destroys = {
        let mut destroys = stale.clone();
        if let Deed::Argv(words) = &mut destroys.plan.deed {
            words.insert(3, "-destroy".into());
        }
        destroys
    };
    for other in [elsewhere, destroys] {
        let answer = hands.apply(&other, warrant_for(&other, 60)).await;
        assert!(matches!(&answer, Err(ActError::NotStarted(why)) if why.contains("none that this hand")), "{answer:?}");
    }
    fair.run(&["apply", "-auto-approve", "-input=false", "-no-color"]);
    let answer = hands.apply(&stale, warrant_for(&stale, 60)).await;
    assert!(matches!(&answer, Err(ActError::NotStarted(why)) if why.contains("stale")), "{answer:?}");
    let bent = stale;
    let mut bytes = std::fs::read(file(&bent)).unwrap();
    bytes.push(0);
    std::fs::write(file(&bent), bytes).unwrap();
    let answer = hands.apply(&bent, warrant_for(&bent, 60)).await;
    assert!(matches!(&answer, Err(ActError::NotStarted(why)) if why.contains("not what was approved")), "{answer:?}");

    std::fs::write(fair.place().join("main.tf"), "").unwrap();
    let gone = hands.plan(&draft(&[])).await;
    assert!(matches!(&gone, Err(ToolError::BadQuery(why)) if why.contains("destroy")), "{gone:?}");
    fair.declare("three tills");
    let anew = planned(&hands, &[("replace", "terraform_data.till")]).await;
    assert!(
        anew.plan.blast_radius.description.contains("must be replaced")
            || anew.plan.blast_radius.description.contains("replaced, as requested")
    );
    let foreign = hands.plan(&draft(&[("replace", "terraform_data.other")])).await;
    assert!(matches!(foreign, Err(ToolError::Denied(_))), "{foreign:?}");
    let nowhere = ActionDraft { target: "terraform/../x".into(), ..draft(&[]) };
    assert!(matches!(hands.plan(&nowhere).await, Err(ToolError::BadQuery(_))));
    assert!(Path::new(&file(&anew)).exists());
}

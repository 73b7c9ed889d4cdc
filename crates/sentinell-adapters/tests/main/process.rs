use sentinell_adapters::process::{Limits, Program, RunError};
use std::ffi::OsStr;
use std::time::{Duration, Instant};

fn sh() -> Program {
    Program::find("sh", OsStr::new("/nowhere:/bin:/usr/bin")).unwrap()
}

fn limits(millis: u64) -> Limits {
    Limits { time: Duration::from_millis(millis), stdout: 1000, stderr: 1000 }
}

fn is_alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[tokio::test]
async fn at_the_deadline_the_whole_group_dies_grandchildren_too() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("pid");
    let script = format!("(sleep 60 & echo $! > {}; wait) & wait", note.display());
    let begun = Instant::now();
    let ended = sh().with_var("PATH", "/bin:/usr/bin").run(&["-c", &script], limits(500)).await;
    assert!(matches!(ended, Err(RunError::Unfinished(_))), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let pid = std::fs::read_to_string(note).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!is_alive(pid.trim()), "a grandchild survived");
}

#[tokio::test]
async fn dropping_the_run_kills_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("pid");
    let script = format!("sleep 60 & echo $! > {}; wait", note.display());
    let program = sh().with_var("PATH", "/bin:/usr/bin");
    let dropped = tokio::time::timeout(Duration::from_millis(500), program.run(&["-c", &script], limits(60_000))).await;
    assert!(dropped.is_err());
    let pid = std::fs::read_to_string(note).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!is_alive(pid.trim()));
}

#[tokio::test]
async fn what_a_program_leaves_behind_does_not_hold_us_up() {
    let begun = Instant::now();
    let ended =
        sh().with_var("PATH", "/bin:/usr/bin").run(&["-c", "sleep 60 & echo done"], limits(30_000)).await.unwrap();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "done\n"));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn the_environment_is_what_was_listed_and_the_folder_is_fixed() {
    let env = Program::find("env", OsStr::new("/usr/bin:/bin")).unwrap();
    let ended = env.with_env([("ONLY".to_owned(), "this".to_owned())]).run::<&str>(&[], limits(5000)).await.unwrap();
    assert_eq!(ended.stdout, "ONLY=this\n");
    let ended = sh().in_directory("/tmp").run(&["-c", "pwd; cat"], limits(5000)).await.unwrap();
    assert_eq!(ended.stdout, "/tmp\n", "standard input is empty");
}

#[tokio::test]
async fn output_is_bounded_and_the_program_still_ends_well() {
    let script = "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; exit 3";
    let ended = sh().run(&["-c", script], limits(20_000)).await.unwrap();
    assert_eq!((ended.code, ended.stdout.len(), ended.truncated), (Some(3), 1000, true));
}

#[tokio::test]
async fn only_absolute_programs_that_exist_can_be_pinned() {
    assert!(Program::at("sh").unwrap_err().contains("absolute"));
    assert!(Program::at("/etc/passwd").unwrap_err().contains("not a program"));
    assert!(Program::find("sh", OsStr::new("bin:.:")).is_err());
    let missing = sh().in_directory("/nowhere-at-all").run(&["-c", "true"], limits(1000)).await;
    assert!(matches!(missing, Err(RunError::NotStarted(_))));
}

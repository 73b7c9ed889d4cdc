//! The eye that runs what only reads: with programs that record how they were started, and with real ones.

use super::case::{ask, case};
use sentinell_adapters::process::{Limits, Program};
use sentinell_adapters::tools::command::{Commands, Prepared, Reach};
use sentinell_core::command::{names, read, split};
use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::ports::{Tool, ToolError};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A program that prints its arguments, each ended by a zero byte.
fn recorder(folder: &Path) -> Program {
    let path = folder.join("recorder");
    std::fs::write(&path, "#!/bin/sh\nfor arg in \"$@\"; do printf '%s\\0' \"$arg\"; done\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Program::at(path).unwrap()
}

fn real(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().canonicalize().unwrap()
}

fn eye(names: &[&str], program: impl Fn(&str) -> Program, folders: &[PathBuf]) -> Commands {
    let programs: BTreeMap<String, Program> = names.iter().map(|name| ((*name).to_owned(), program(name))).collect();
    Commands::new(programs, Reach::new(folders, vec!["example.com".into()]).unwrap())
}

fn installed(name: &str) -> Program {
    Program::find(name, std::ffi::OsStr::new("/usr/bin:/bin")).unwrap().with_var("PATH", "/usr/bin:/bin")
}

fn lines(seen: &Observation) -> Vec<String> {
    let [Telemetry::Text { lines, .. }] = &seen.telemetry[..] else { panic!("{seen:?}") };
    lines.clone()
}

#[tokio::test]
async fn a_read_runs_and_its_output_is_told_with_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let folder_real = real(&folder);
    let log = folder_real.join("till.log");
    std::fs::write(&log, "sold\nOut of change\nsold\n").unwrap();
    let eye = eye(&["grep", "cat", "df", "env"], installed, std::slice::from_ref(&folder_real));
    let run = async |line: String| ask(&eye, &[("command", line.as_str())]).await;
    let seen = run(format!("grep -n 'Out of' {}", log.display())).await.unwrap();
    assert_eq!(
        (lines(&seen), seen.call),
        (vec!["2:Out of change".to_owned()], format!("grep -n 'Out of' {}", log.display()))
    );
    assert_eq!(lines(&run(format!("grep nothing {}", log.display())).await.unwrap()), ["exit code 1"]);
    assert!(lines(&run("df -P".into()).await.unwrap())[0].starts_with("Filesystem"));
    std::fs::write(&log, "x\n".repeat(200_000)).unwrap();
    let long = run(format!("cat {}", log.display())).await.unwrap();
    assert!(lines(&long).len() <= 2001 && long.gaps.len() == 1, "{:?}", long.gaps);
    assert!(eye.first_look(&case(&[("service", "till")])).is_empty());
    assert!(eye.check().await.unwrap().unwrap().contains("grep"));
    assert!(matches!(run("env".into()).await, Err(ToolError::BadQuery(_))), "there is no grammar for it");
    assert!(matches!(run("free".into()).await, Err(ToolError::BadQuery(why)) if why.contains("command.programs")));
    assert!(matches!(ask(&eye, &[("command", "df"), ("env", "A=1")]).await, Err(ToolError::BadQuery(_))));
}

#[tokio::test]
async fn only_what_stands_below_the_listed_folders_under_its_own_name_is_read() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (here, there) = (real(&folder), real(&elsewhere));
    for file in [here.join("a.log"), here.join(".env"), here.join("a.key"), there.join("b.log")] {
        std::fs::write(file, "x\n").unwrap();
    }
    std::os::unix::fs::symlink(there.join("b.log"), here.join("link")).unwrap();
    std::os::unix::fs::symlink(&there, here.join("way")).unwrap();
    let eye = eye(&["cat", "dig", "git"], |_| recorder(&there), std::slice::from_ref(&here));
    let run = async |line: String| ask(&eye, &[("command", line.as_str())]).await;
    assert!(run(format!("cat {}/a.log", here.display())).await.is_ok());
    for path in ["link", "way/b.log", ".env", "a.key", "none", "../x", "./a.log"] {
        let refused = run(format!("cat {}/{path}", here.display())).await;
        assert!(matches!(refused, Err(ToolError::BadQuery(_))), "{path}: {refused:?}");
    }
    for path in [format!("{}/b.log", there.display()), "/etc/hostname".into(), "a.log".into()] {
        assert!(
            matches!(run(format!("cat {path}")).await, Err(ToolError::Denied(why)) if why.contains("command.folders")),
            "{path}"
        );
    }
    assert!(run("dig +short till.example.com".into()).await.is_ok());
    assert!(run("dig -x 10.0.0.1".into()).await.is_ok());
    for name in ["example.org", "till.example.com.evil.example.org", "badexample.com", "93.184.216.34"] {
        assert!(
            matches!(run(format!("dig {name}")).await, Err(ToolError::Denied(why)) if why.contains("command.names")),
            "{name}"
        );
    }
    for folders in ["/", "/proc", "/sys/kernel", "/dev"] {
        assert!(Reach::new(&[folders.into()], vec![]).is_err(), "{folders}");
    }
}

#[tokio::test]
async fn a_repository_that_would_start_programs_is_not_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    let here = real(&folder);
    let eye = eye(&["git"], installed, std::slice::from_ref(&here));
    let git = async |args: &[&str]| {
        let all = [&["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main"], args]
            .concat();
        let program = installed("git").in_directory(&here).with_var("GIT_CONFIG_GLOBAL", "/dev/null");
        assert_eq!(program.run(&all, Limits::seconds(20)).await.unwrap().code, Some(0), "{args:?}");
    };
    git(&["init", "-q"]).await;
    std::fs::write(here.join("a.txt"), "a").unwrap();
    git(&["add", "."]).await;
    git(&["commit", "-q", "-m", "Raise the limit"]).await;
    let run = async |line: String| ask(&eye, &[("command", line.as_str())]).await;
    let log = run(format!("git -C {} log --oneline -5", here.display())).await.unwrap();
    assert!(lines(&log)[0].ends_with("Raise the limit"), "{log:?}");
    assert!(run("git log".into()).await.is_err(), "which repository?");
    let trap = here.join("trap");
    std::fs::write(&trap, format!("#!/bin/sh\ntouch {}/sprung\n", here.display())).unwrap();
    std::fs::set_permissions(&trap, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(here.join(".gitattributes"), "* filter=evil diff=evil\n").unwrap();
    // These three are overruled or named; either way nothing springs.
    git(&["config", "core.fsmonitor", trap.to_str().unwrap()]).await;
    assert!(matches!(run(format!("git -C {} status", here.display())).await, Err(ToolError::Denied(_))));
    git(&["config", "--unset", "core.fsmonitor"]).await;
    git(&["config", "filter.evil.clean", trap.to_str().unwrap()]).await;
    std::fs::write(here.join("a.txt"), "b").unwrap();
    assert!(matches!(run(format!("git -C {} diff --stat HEAD", here.display())).await, Err(ToolError::Denied(_))));
    assert!(!here.join("sprung").exists());
}

/// Numbers that look like chance and are the same in every run.
struct Dice(u64);

impl Dice {
    fn of<'w>(&mut self, words: &[&'w str]) -> &'w str {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        words[usize::try_from(self.0 % words.len() as u64).unwrap()]
    }
}

/// Words of which lines are made: what belongs together, and what does not.
const WORDS: [&str; 72] = [
    "-h",
    "-n",
    "-a",
    "-o",
    "-l",
    "-e",
    "-f",
    "-p",
    "-x",
    "-C",
    "-t",
    "-s",
    "-A",
    "-w",
    "--",
    "-",
    "--tail=5",
    "--tail",
    "--output",
    "json",
    "yaml",
    "wide",
    "pods",
    "secrets",
    "pod/a",
    "secret/a",
    "get",
    "logs",
    "describe",
    "status",
    "show",
    "list",
    "ps",
    "inspect",
    "addr",
    "route",
    "aux",
    "auxe",
    "5",
    "-5",
    "+5",
    "1",
    "a",
    "/srv/a.log",
    "/srv/.env",
    "/etc/shadow",
    "'a b'",
    "''",
    "\"a b\"",
    "'$(id)'",
    "$(id)",
    "`id`",
    "|",
    ">",
    ";",
    "&&",
    "*",
    "~",
    "A=1",
    "--all=true",
    "--all",
    "-ef",
    "-tlnp",
    "--format",
    "'{{.State}}'",
    "'{{.Config.Env}}'",
    "ä",
    "'a;b'",
    "#",
    "--since",
    "'1 hour ago'",
    "-it",
];

#[tokio::test]
async fn what_is_judged_is_what_runs_for_a_hundred_thousand_lines() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path());
    let programs: Vec<String> = names().split(", ").map(str::to_owned).collect();
    let known: Vec<&str> = programs.iter().map(String::as_str).collect();
    let eye = eye(&known, |_| recorder.clone(), &[]);
    let (mut dice, mut allowed, mut run) = (Dice(20_261_123), 0_u32, 0_u32);
    for _ in 0..100_000 {
        let mut line = dice.of(&known).to_owned();
        for _ in 0..dice.of(&["0", "1", "2", "3", "4", "5"]).parse::<usize>().unwrap() {
            line = format!("{line}{}{}", dice.of(&[" ", "  "]), dice.of(&WORDS));
        }
        let Ok(judged) = read(&line, |_| true) else {
            assert!(eye.prepare(&line).is_err(), "{line}");
            continue;
        };
        assert_eq!(split(&line).as_deref(), Ok(judged.argv()), "{line}");
        let Ok((command, Prepared { program, args })) = eye.prepare(&line) else { continue };
        assert_eq!(
            (command.argv(), program.path(), &args[..]),
            (judged.argv(), recorder.path(), &judged.argv()[1..]),
            "{line}"
        );
        allowed += 1;
        // Starting all of them would take minutes; what is prepared goes to the process as it is.
        if allowed % 50 == 0 {
            let ended = program.run(&args, Limits::seconds(20)).await.unwrap();
            let seen: Vec<&str> = ended.stdout.split_terminator('\0').collect();
            assert_eq!(seen, args, "{line}");
            run += 1;
        }
    }
    println!("100000 lines: {allowed} allowed and prepared as judged, {run} of them started and recorded as judged");
    assert!(allowed > 1000 && run > 20, "{allowed} {run}");
}

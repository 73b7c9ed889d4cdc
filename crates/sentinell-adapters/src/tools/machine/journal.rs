//! The systemd journal through `journalctl -o json`.
//! <https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-json-format>

use crate::process::{Limits, Program, RunError};
use crate::text::one_line;
use crate::tools::gathered::{Gathered, Part, line};
use crate::window::{Stretch, Window, spelled};
use sentinell_core::evidence::{Gap, Observation};
use sentinell_core::ports::ToolError;
use serde_json::Value;
use std::time::Duration;

/// Lines of each stretch of time that are read, the newest.
const MAX_LINES: usize = 2000;
/// Syslog's words for its numbers.
const LEVELS: [&str; 8] = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

/// Lines of a unit, or errors of all, of both stretches.
pub(super) async fn read(
    program: &Program,
    host: &str,
    unit: Option<&str>,
    window: Window,
) -> Result<Observation, ToolError> {
    let (mut gathered, mut gaps) = (Gathered::default(), vec![]);
    let trouble = arguments(unit, window.trouble);
    let call = format!("journalctl {}", trouble.join(" "));
    let mut parts = vec![(Part::Trouble, window.trouble, trouble)];
    parts.extend(window.calm.map(|calm| (Part::Calm, calm, arguments(unit, calm))));
    for (part, stretch, args) in parts {
        let limits = Limits { time: Duration::from_secs(15), stdout: 16 << 20, stderr: 4 << 10 };
        let ended = program.run(&args, limits).await.map_err(|error| match error {
            RunError::NotStarted(why) => ToolError::Denied(why),
            RunError::Unfinished(why) => ToolError::Retry(why),
        })?;
        if ended.code != Some(0) {
            let why = one_line(&ended.stderr, 300);
            let denied = why.contains("ermission") || why.contains("insufficient");
            return Err(if denied { ToolError::Denied(why) } else { ToolError::BadQuery(why) });
        }
        let mut count = 0;
        for entry in ended.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            count += usize::from(add(&entry, host, part, &mut gathered));
        }
        if count >= MAX_LINES || ended.truncated {
            let why = format!("one look brings the newest {MAX_LINES}; all of them: {call}");
            gaps.push(Gap { what: format!("older lines of the journal {}", spelled(stretch)), why });
        }
    }
    let (telemetry, more) = gathered.finish(&call);
    gaps.extend(more);
    if telemetry.is_empty() {
        let why = "no lines; the worker's user must be in the group systemd-journal to see them".to_owned();
        gaps.push(Gap { what: call.clone(), why });
    }
    Ok(Observation { telemetry, gaps, call })
}

fn arguments(unit: Option<&str>, (from, to): Stretch) -> Vec<String> {
    let mut args: Vec<String> = ["--output=json", "--no-pager", "--quiet", "--all"].map(str::to_owned).to_vec();
    args.push("--output-fields=MESSAGE,PRIORITY,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER,_COMM".to_owned());
    args.extend([
        format!("--since=@{}", from / 1000),
        format!("--until=@{}", to / 1000),
        format!("--lines={MAX_LINES}"),
    ]);
    args.push(unit.map_or_else(|| "--priority=err".to_owned(), |unit| format!("--unit={unit}")));
    args
}

fn add(entry: &Value, host: &str, part: Part, gathered: &mut Gathered) -> bool {
    let Some(text) = message(&entry["MESSAGE"]) else { return false };
    let field = |name: &str| entry[name].as_str().map(str::trim).filter(|text| !text.is_empty());
    let at = field("__REALTIME_TIMESTAMP").and_then(|micros| micros.parse::<i64>().ok()).map(|micros| micros / 1000);
    let level = field("PRIORITY").and_then(|digit| LEVELS.get(digit.parse::<usize>().ok()?)).copied();
    let unit = field("_SYSTEMD_UNIT").and_then(|unit| unit.strip_suffix(".service"));
    let owner = match unit.or(field("SYSLOG_IDENTIFIER")).or(field("_COMM")) {
        Some(name) if name != "kernel" => format!("service/{}", one_line(name, 200).replace('/', "-")),
        _ => format!("host/{host}"),
    };
    gathered.add(&owner, part, line(at, level, &text, None));
    true
}

/// A text, or bytes where it is none.
fn message(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(bytes) => {
            let bytes = bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect::<Option<Vec<u8>>>()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => None,
    }
}

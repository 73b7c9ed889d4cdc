//! How a unit of systemd is, through `systemctl show`.
//! <https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html>

use crate::process::{Ended, Limits, Program, RunError};
use crate::text::one_line;
use sentinell_core::evidence::{LogLine, Observation, Telemetry};
use sentinell_core::ports::ToolError;
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;

/// What is read of it; never its command line or environment, where secrets stand.
const PROPERTIES: &str =
    "--property=LoadState,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,NRestarts,StateChangeTimestamp";

/// Its state as one line, which the engine of evidence reads.
pub(super) async fn read(program: &Program, unit: &str, now: Timestamp) -> Result<Observation, ToolError> {
    let call = format!("systemctl show {unit}");
    let ended = program.run(&["show", "--no-pager", PROPERTIES, "--", unit], Limits::seconds(10)).await;
    let stdout = match ended {
        Ok(Ended { code: Some(0), stdout, .. }) => stdout,
        Ok(ended) => return Err(ToolError::Retry(format!("{call}: {}", one_line(&ended.stderr, 300)))),
        Err(RunError::NotStarted(why)) => return Err(ToolError::Denied(why)),
        Err(RunError::Unfinished(why)) => return Err(ToolError::Retry(format!("{call}: {why}"))),
    };
    let fields: BTreeMap<&str, &str> = stdout.lines().filter_map(|line| line.split_once('=')).collect();
    let word = |name: &str| one_line(fields.get(name).copied().unwrap_or_default(), 60).replace(' ', "_");
    if word("LoadState") == "not-found" {
        return Err(ToolError::BadQuery(format!("systemd knows no unit {unit}")));
    }
    let text = format!(
        "unit={unit} state={} sub={} result={} code={} status={} restarts={}",
        word("ActiveState"),
        word("SubState"),
        word("Result"),
        word("ExecMainCode"),
        word("ExecMainStatus"),
        word("NRestarts")
    );
    let subject = format!("service/{}", unit.rsplit_once('.').map_or(unit, |(stem, _)| stem).replace('/', "-"));
    let lines = vec![LogLine { at: Some(now), level: None, text, trace: None }];
    let logs = Telemetry::Logs { subject, source: call.clone(), lines, baseline: vec![] };
    Ok(Observation { telemetry: vec![logs], gaps: vec![], call })
}

//! The command corpora against the grammar of what only reads, and a ledger that only records: not a word of them is run.

use super::of_archive;
use sentinell_core::command::{read, split};

/// Lines of one corpus with what it says of them.
fn lines(name: &str) -> Option<Vec<(String, String)>> {
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let label = |row: &serde_json::Value| match row["peer_modifies"].as_str() {
        Some("yes") => "deny".to_owned(),
        Some(_) => "unknown".to_owned(),
        None => text(row, "expected"),
    };
    let rows = String::from_utf8(of_archive(name)?).unwrap();
    let rows = rows.lines().map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap());
    Some(rows.map(|row| (label(&row), text(&row, "command"))).collect())
}

#[test]
fn no_command_that_must_be_denied_gets_through_and_plain_reads_do() {
    let mut denied = 0;
    for name in ["own_commands", "dcg_corpus", "dcg_pack_cases", "holmes_bash_cases", "kubectl_ai_filter_cases"] {
        let Some(lines) = lines(&format!("commands/{name}.jsonl")) else { return };
        // What would run, whatever the operator allows.
        let ledger: Vec<&(String, String)> = lines.iter().filter(|(_, line)| read(line, |_| true).is_ok()).collect();
        let run = |label: &str| ledger.iter().filter(|(said, _)| said == label).count();
        let all = |label: &str| lines.iter().filter(|(said, _)| said == label).count();
        let through: Vec<_> = ledger.iter().filter(|(label, _)| label == "deny" || label == "approve").collect();
        assert!(through.is_empty(), "{name}: {through:?}");
        denied += all("deny") + all("approve");
        println!(
            "{name}: 0 of {} denied ran, {} of {} allowed ran",
            all("deny") + all("approve"),
            run("allow"),
            all("allow")
        );
        if name == "own_commands" {
            // One program, without what a shell would do.
            let plain = lines.iter().filter(|(label, line)| label == "allow" && split(line).is_ok()).count();
            println!("{name}: {} of {plain} plain reads ran", run("allow"));
            assert!(run("allow") * 100 >= plain * 98, "{} of {plain}", run("allow"));
        }
    }
    assert!(denied > 1000, "{denied}");
}

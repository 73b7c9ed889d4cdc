//! Every row of the public list of model faults has a case here, or is about what a reply says and not how it came.

use super::faults::{REFUSALS, REPLIES, STREAMS};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rows with a test of their own in `faults` and `requests`.
const BY_NAME: [u16; 7] = [17, 18, 19, 71, 76, 51, 52];
/// Rows about the contents of a reply, or about several turns: the reasoner's and the loop's.
const NOT_OF_THE_WIRE: [u16; 15] = [42, 43, 44, 49, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 78];

#[test]
fn every_row_of_the_public_list_has_a_case() {
    let Some(listed) = listed() else { return };
    let cases = [REFUSALS, STREAMS, REPLIES].into_iter().flatten().flat_map(|fault| fault.rows);
    let ours: BTreeSet<u16> = cases.copied().chain(BY_NAME).collect();
    let others = BTreeSet::from(NOT_OF_THE_WIRE);
    assert!(ours.is_disjoint(&others), "{:?}", ours.intersection(&others));
    assert_eq!(ours.union(&others).copied().collect::<BTreeSet<_>>(), listed);
}

fn listed() -> Option<BTreeSet<u16>> {
    let shared = std::env::var_os("SENTINELL_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let archive = shared.join("data/security.tar.xz");
    if !archive.is_file() {
        eprintln!("SKIPPED: no {} (set SENTINELL_SHARED)", archive.display());
        return None;
    }
    let member = "security/badinput/llm_faults.jsonl";
    let unpacked = Command::new("tar").arg("-xJOf").arg(&archive).arg(member).output().unwrap();
    assert!(unpacked.status.success(), "tar could not read {}", archive.display());
    let lines = String::from_utf8(unpacked.stdout).unwrap();
    let ids = lines.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let id = row["id"].as_str().unwrap().rsplit('-').next().unwrap();
        id.parse().unwrap()
    });
    Some(ids.collect())
}

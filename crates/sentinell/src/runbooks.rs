//! The runbooks of an installation: a small built-in set and the operator's own folder.

use sentinell_core::runbook::Runbook;
use std::path::Path;

const BUILT_IN: &[(&str, &str)] = &[
    ("take-back-a-rollout.md", include_str!("../runbooks/take-back-a-rollout.md")),
    ("scale-up-from-zero.md", include_str!("../runbooks/scale-up-from-zero.md")),
    ("mend-the-service.md", include_str!("../runbooks/mend-the-service.md")),
    ("look-after-the-node.md", include_str!("../runbooks/look-after-the-node.md")),
    ("make-room.md", include_str!("../runbooks/make-room.md")),
    ("start-the-container.md", include_str!("../runbooks/start-the-container.md")),
    ("start-the-unit.md", include_str!("../runbooks/start-the-unit.md")),
    ("take-back-a-commit.md", include_str!("../runbooks/take-back-a-commit.md")),
];

/// A runbook and the name of its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The file's name; built-in ones begin with `built-in/`.
    pub name: String,
    /// The runbook.
    pub runbook: Runbook,
}

/// As [`documents`], without the names.
///
/// # Errors
/// As [`documents`].
pub fn load(folder: Option<&Path>) -> Result<Vec<Runbook>, Vec<String>> {
    Ok(documents(folder)?.into_iter().map(|document| document.runbook).collect())
}

/// The operator's runbooks (`*.md` in `folder`, by name) before the built-in ones: the first that fits is taken.
///
/// # Errors
/// Every file that cannot be read or is no runbook, with what is wrong.
pub fn documents(folder: Option<&Path>) -> Result<Vec<Document>, Vec<String>> {
    let (mut documents, mut problems) = (vec![], vec![]);
    let mut take = |name: String, text: Result<String, String>| match text.and_then(|text| Runbook::parse(&text)) {
        Ok(runbook) => documents.push(Document { name, runbook }),
        Err(why) => problems.push(format!("runbook {name}: {why}")),
    };
    for path in folder.map(markdown_files).unwrap_or_default() {
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        take(path.display().to_string(), text);
    }
    for (name, text) in BUILT_IN {
        take(format!("built-in/{name}"), Ok((*text).to_owned()));
    }
    if problems.is_empty() { Ok(documents) } else { Err(problems) }
}

/// Rooms of hands whose built-in runbooks speak only where the hands are: on a cluster nobody needs to hear of containers of Docker.
const ONLY_WITH_HANDS: [&str; 3] = ["docker.", "systemd.", "git."];

/// Whether a runbook is of use where these kinds of actions can be done.
pub fn is_of_use(document: &Document, kinds: &[String]) -> bool {
    let kind = document.runbook.action.as_ref().map_or("", |action| action.kind.as_str());
    let bound = document.name.starts_with("built-in/") && ONLY_WITH_HANDS.iter().any(|room| kind.starts_with(room));
    !bound || kinds.iter().any(|known| known == kind)
}

fn markdown_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_started_again_only_where_there_are_hands_on_containers() {
        let kinds = |kinds: &[&str]| {
            let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
            let mut documents = documents(None).unwrap();
            documents.retain(|document| is_of_use(document, &kinds));
            documents.len()
        };
        assert_eq!(kinds(&["kubernetes.scale"]), BUILT_IN.len() - 3);
        assert_eq!(kinds(&["docker.restart", "systemd.restart", "git.revert"]), BUILT_IN.len());
    }

    #[test]
    fn the_operators_runbooks_come_first_and_a_broken_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let own = "---\nname: Ours\nwhen: {fault: [crash_loop]}\n---\ntext";
        std::fs::write(folder.path().join("ours.md"), own).unwrap();
        let runbooks = load(Some(folder.path())).unwrap();
        assert_eq!((runbooks[0].name.as_str(), runbooks.len()), ("Ours", BUILT_IN.len() + 1));
        std::fs::write(folder.path().join("broken.md"), "no front matter").unwrap();
        let problems = load(Some(folder.path())).unwrap_err();
        assert!(problems[0].contains("broken.md") && problems[0].contains("front matter"), "{problems:?}");
    }
}

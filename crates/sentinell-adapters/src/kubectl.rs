//! kubectl with one identity: what the reading eye and the acting hand have in common.

use crate::process::{Ended, Limits, Program, RunError};
use crate::text::one_line;
use sentinell_core::ports::ToolError;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// One kubectl, one kubeconfig, one context.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: Program,
    kubeconfig: PathBuf,
    context: Option<String>,
}

impl Kubectl {
    /// The program (with whatever environment its credential plug-ins need) and the identity it acts under; without a
    /// context the kubeconfig's current one. A relative path is taken from the working directory of this moment.
    pub fn new(program: Program, kubeconfig: impl Into<PathBuf>, context: Option<String>) -> Self {
        let kubeconfig: PathBuf = kubeconfig.into();
        let kubeconfig = std::path::absolute(&kubeconfig).unwrap_or(kubeconfig);
        Self { program, kubeconfig, context }
    }

    /// Runs one call, given without program and identity.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub async fn run(&self, args: &[String], limits: Limits) -> Result<Ended, RunError> {
        let mut argv = vec![format!("--kubeconfig={}", self.kubeconfig.display())];
        argv.extend(self.context.iter().map(|context| format!("--context={context}")));
        argv.push(format!("--request-timeout={}s", limits.time.as_secs().max(1)));
        argv.extend_from_slice(args);
        self.program.run(&argv, limits).await
    }

    /// Runs one reading call.
    ///
    /// # Errors
    /// [`ToolError::Retry`] if it did not end.
    pub async fn read(&self, args: &[String]) -> Result<Ended, ToolError> {
        let limits = Limits { time: Duration::from_secs(20), stdout: 64 << 20, stderr: 64 << 10 };
        self.run(args, limits).await.map_err(|error| match error {
            RunError::NotStarted(why) => ToolError::Denied(why),
            RunError::Unfinished(why) => ToolError::Retry(format!("kubectl {}: {why}", args.join(" "))),
        })
    }

    /// Reads one JSON document.
    ///
    /// # Errors
    /// What kubectl complained about, in the words of a tool error.
    pub async fn json(&self, args: &[String]) -> Result<Value, ToolError> {
        let ended = self.read(args).await?;
        if ended.code != Some(0) {
            return Err(complaint(&ended.stderr));
        }
        serde_json::from_str(&ended.stdout)
            .map_err(|error| ToolError::BadQuery(format!("kubectl {} gave no JSON: {error}", args.join(" "))))
    }

    /// Whether this identity may do `verb` on `resource` (`deployments.apps`, `deployments.apps/scale`) in a namespace.
    ///
    /// # Errors
    /// If the cluster does not answer.
    pub async fn may(&self, verb: &str, resource: &str, namespace: &str) -> Result<bool, ToolError> {
        let (kind, sub) = resource.split_once('/').map_or((resource, None), |(kind, sub)| (kind, Some(sub)));
        let mut args = argv(&["auth", "can-i", verb, kind, "-n", namespace]);
        args.extend(sub.map(|sub| format!("--subresource={sub}")));
        let ended = self.read(&args).await?;
        match ended.stdout.split_whitespace().next() {
            Some("yes") => Ok(true),
            Some("no") => Ok(false),
            _ => Err(complaint(&ended.stderr)),
        }
    }
}

/// Owned arguments.
pub(crate) fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What kubectl says, without warnings and without its inner log (`E1123 08:17:54.770363 17 memcache.go:265] …`), unless
/// that is all there is.
pub(crate) fn said(stderr: &str) -> Vec<&str> {
    let inner = |line: &str| {
        let head = line.split(' ').next().unwrap_or_default();
        head.len() == 5 && head.starts_with(['I', 'W', 'E', 'F']) && head[1..].bytes().all(|c| c.is_ascii_digit())
    };
    let lines = stderr.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("WARNING"));
    let (log, words): (Vec<&str>, Vec<&str>) = lines.partition(|line| inner(line));
    if words.is_empty() { log } else { words }
}

/// What kubectl's complaint means for the one who asked.
pub(crate) fn complaint(stderr: &str) -> ToolError {
    let text = one_line(&said(stderr).join("; "), 400);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["Forbidden", "forbidden", "Unauthorized", "must be logged in", "provide credentials"]) {
        ToolError::Denied(text)
    } else if has(&["NotFound", "not found", "doesn't have a resource type", "Invalid", "invalid", "unknown "]) {
        ToolError::BadQuery(text)
    } else {
        ToolError::Retry(if text.is_empty() { "kubectl failed and did not say why".to_owned() } else { text })
    }
}

/// A namespace: a DNS label.
pub(crate) fn is_label(name: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let bytes = name.as_bytes();
    matches!(bytes.len(), 1..=63) && bytes.iter().all(|c| inner(*c)) && bytes[0] != b'-' && name.ends_with(|c| c != '-')
}

/// An object's name: DNS labels with dots between them.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_be_an_option_or_a_path_passes_as_a_name() {
        assert!(is_label("shop") && is_name("cart-7d9f.v2"));
        for bad in ["", "-n", "--all", "a/b", "..", "a b", "Shop", "a.", ".a", "ä", "a\nb", "a-"] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn complaints_say_who_must_act() {
        let forbidden =
            "WARNING: version difference\nError from server (Forbidden): pods is forbidden: User \"r\" cannot";
        assert!(
            matches!(complaint(forbidden), ToolError::Denied(text) if text.starts_with("Error from server (Forbidden)"))
        );
        assert!(matches!(complaint("Error from server (NotFound): x"), ToolError::BadQuery(_)));
        assert!(matches!(complaint("Unable to connect to the server"), ToolError::Retry(_)));
        let logged = "E1123 08:17:54.770363      17 memcache.go:265] \"Unhandled Error\" err=\"x\"";
        let away = complaint(&format!("{logged}\n{logged}\nUnable to connect to the server: dial tcp"));
        assert!(matches!(away, ToolError::Retry(text) if text == "Unable to connect to the server: dial tcp"));
        assert!(matches!(complaint(logged), ToolError::Retry(text) if text.contains("memcache")));
    }
}

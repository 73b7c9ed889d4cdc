//! What options and operands may be. Nothing here may begin with a dash unless its kind says so: what one parser takes for a
//! value another may take for an option.

use super::paths::is_secret;

/// What a value is besides a value.
pub(super) enum What {
    /// Nothing.
    Value,
    /// A file that is read.
    File,
    /// A name that is looked up.
    Name,
}

/// Columns of `ps`, `top` and `pidstat`; those that show a process's environment are not among them.
const COLUMNS: [&str; 44] = [
    "pid", "ppid", "pgid", "sid", "tid", "spid", "lwp", "user", "uid", "ruser", "euser", "group", "gid", "comm", "cmd",
    "args", "command", "ucmd", "etime", "etimes", "time", "cputime", "start", "stime", "lstart", "stat", "state", "s",
    "nlwp", "thcount", "ni", "nice", "pri", "psr", "rss", "vsz", "sz", "size", "wchan", "%cpu", "pcpu", "%mem", "pmem",
    "cgroup",
];
/// Properties of units; those that hold environments and command lines are not among them.
const PROPERTIES: [&str; 30] = [
    "Id",
    "Names",
    "Description",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "NRestarts",
    "MainPID",
    "ExecMainStatus",
    "ExecMainCode",
    "ExecMainStartTimestamp",
    "ExecMainExitTimestamp",
    "StatusErrno",
    "StatusText",
    "MemoryCurrent",
    "MemoryPeak",
    "MemoryMax",
    "MemoryHigh",
    "CPUUsageNSec",
    "TasksCurrent",
    "TasksMax",
    "ActiveEnterTimestamp",
    "ActiveExitTimestamp",
    "InactiveEnterTimestamp",
    "InactiveExitTimestamp",
    "FragmentPath",
    "Restart",
    "LimitNOFILE",
];
/// What `docker inspect` may be asked for: never the environment, the arguments or the labels.
const INSPECTED: [&str; 26] = [
    ".Id",
    ".Name",
    ".Created",
    ".State",
    ".Image",
    ".RestartCount",
    ".Platform",
    ".Driver",
    ".LogPath",
    ".NetworkSettings",
    ".Mounts",
    ".Config.Image",
    ".Config.Hostname",
    ".Config.ExposedPorts",
    ".HostConfig.Memory",
    ".HostConfig.NanoCpus",
    ".HostConfig.CpuShares",
    ".HostConfig.PidsLimit",
    ".HostConfig.RestartPolicy",
    ".HostConfig.NetworkMode",
    ".HostConfig.PortBindings",
    ".Mountpoint",
    ".RepoTags",
    ".RepoDigests",
    ".Size",
    ".Architecture",
];
/// Questions to a name server.
const RECORDS: [&str; 16] = [
    "A", "AAAA", "ANY", "CAA", "CNAME", "DNSKEY", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SRV", "SVCB",
    "TXT",
];
/// What `dig` may be told with a plus.
const DIG: [&str; 22] = [
    "short",
    "noall",
    "answer",
    "noanswer",
    "stats",
    "nostats",
    "comments",
    "nocomments",
    "question",
    "noquestion",
    "cmd",
    "nocmd",
    "authority",
    "additional",
    "tcp",
    "notcp",
    "multiline",
    "identify",
    "ttlid",
    "nottlid",
    "recurse",
    "norecurse",
];

/// Whether a value is of this kind.
pub(super) fn check(kind: &str, value: &str) -> Result<What, String> {
    if kind.starts_with(|c: char| !c.is_ascii_uppercase()) {
        return one_of(kind, value);
    }
    let is_column = |one: &str| COLUMNS.iter().any(|known| known.eq_ignore_ascii_case(one));
    let fits = match kind {
        "NUM" => is_number(value),
        "TIME" => value.len() <= 60 && !value.is_empty() && all(value, ":+-. ,@/") && !value.starts_with("--"),
        "NAME" => is_word(value, "._:@%+-"),
        "DEVICE" => is_word(value, "._-") && !value.starts_with(|c: char| c.is_ascii_digit()),
        "LIST" => is_word(value, "._:@%+-,"),
        "REF" => is_word(value, "._:@%+,/-=") && !value.contains("://"),
        "SEL" => is_word(value.trim_start_matches('!'), "._:/=!,@%+ ()-") && !value.contains("://"),
        "EXPR" => is_text(value) && !value.contains("://"),
        "TEXT" => is_text(value),
        "QUERY" => is_text(value) && !value.starts_with('@') && !value.contains("://"),
        "PLACEORREF" => {
            value.len() <= 400 && !value.contains("://") && is_word(value.trim_start_matches('/'), "._:@%+,/-=#")
        }
        "BUCKET" => value.strip_prefix("s3://").is_some_and(|rest| is_word(rest, "._/-")),
        "REV" => is_word(value, "._/~^@+-") && !value.contains("/.."),
        "PIDS" => value
            .split(',')
            .all(|one| !one.is_empty() && one.len() <= 10 && one.bytes().all(|byte| byte.is_ascii_digit())),
        "PLACE" => value.starts_with('/') && all(value, "._:@%+/-") && value.len() <= 400,
        "UNIT" => is_word(value, "._:@\\-"),
        "MATCH" => {
            value.split_once('=').is_some_and(|(field, text)| !field.is_empty() && all(field, "_") && is_text(text))
        }
        "SOCKETS" => !value.starts_with('-') && all(value, ":.=!/%") && !value.is_empty(),
        "SORT" => value.split(',').all(|one| is_column(one.trim_start_matches(['+', '-']))),
        "COLUMNS" => value.split(',').all(|one| is_column(one.split(['=', ':']).next().unwrap_or_default())),
        "PROPERTIES" => value.split(',').all(|one| PROPERTIES.contains(&one)),
        "BSD" => !value.is_empty() && value.chars().all(|c| "auxwfjlmr".contains(c)),
        "KIND" => value.split(',').all(is_kind),
        "KINDREF" => {
            value.split_once('/').map_or(is_word(value, "._-:"), |(kind, name)| is_kind(kind) && is_word(name, "._-:"))
        }
        "OBJECT" => value.split_once('/').is_some_and(|(kind, name)| is_kind(kind) && is_word(name, "._-:")),
        "SQL" => super::sql::reads_statistics(value),
        "OUT" => is_output(value),
        "INSPECTED" => is_inspected(value),
        "REPO" => value.split('/').count() == 2 && value.split('/').all(|part| is_word(part, "._-")),
        "RECORD" => RECORDS.contains(&value.to_ascii_uppercase().as_str()),
        "DIG" if value.starts_with('+') => {
            let (name, number) = value[1..].split_once('=').unwrap_or((&value[1..], "1"));
            (DIG.contains(&name) && number == "1") || (matches!(name, "time" | "tries" | "retry") && is_number(number))
        }
        "DIG" if RECORDS.contains(&value.to_ascii_uppercase().as_str()) || value == "IN" => true,
        "HOST" if is_host(value) => return Ok(What::Name),
        // A word without a dot may be one more kind of question, such as a whole zone.
        "DIG" if is_host(value) && value.contains(['.', ':']) => return Ok(What::Name),
        "FILE" if is_path(value) && !is_secret(value) => return Ok(What::File),
        // What is read of it is public, whatever else the file holds.
        "CERTIFICATE" if is_path(value) && !is_secret(value.strip_suffix(".pem").unwrap_or(value)) => {
            return Ok(What::File);
        }
        _ => false,
    };
    if fits { Ok(What::Value) } else { Err(format!("`{}` is not taken as {}", shown(value), spoken(kind))) }
}

/// One of the values themselves.
fn one_of(values: &str, value: &str) -> Result<What, String> {
    match values.split('/').any(|word| word == value) {
        true => Ok(What::Value),
        false => Err(format!("`{}` is not one of {}", shown(value), values.replace('/', ", "))),
    }
}

/// Every kind that [`check`] knows: the catalogue's test asks.
#[cfg(test)]
pub(super) const KINDS: [&str; 34] = [
    "DEVICE",
    "OBJECT",
    "SQL",
    "CERTIFICATE",
    "QUERY",
    "PLACEORREF",
    "BUCKET",
    "REV",
    "PIDS",
    "NUM",
    "TIME",
    "NAME",
    "LIST",
    "REF",
    "SEL",
    "EXPR",
    "TEXT",
    "PLACE",
    "UNIT",
    "MATCH",
    "SOCKETS",
    "SORT",
    "COLUMNS",
    "PROPERTIES",
    "BSD",
    "KIND",
    "KINDREF",
    "OUT",
    "INSPECTED",
    "REPO",
    "RECORD",
    "DIG",
    "HOST",
    "FILE",
];

fn spoken(kind: &str) -> &'static str {
    match kind {
        "NUM" => "a number",
        "TIME" => "a time",
        "FILE" | "CERTIFICATE" => "a file that may be read (no key, no secret, nothing of /proc, /sys and /dev)",
        "PLACE" => "a whole path",
        "HOST" | "DIG" => "a name to look up",
        "KIND" | "KINDREF" | "OBJECT" => "a kind of object that may be read (Secrets may not)",
        "OUT" => "a format of output that reads no file",
        "INSPECTED" => "a template of fields that hold no secrets, such as {{json .State}}",
        "COLUMNS" | "SORT" => "columns without a process's environment",
        "SQL" => "one SELECT of one of PostgreSQL's statistics views",
        "PROPERTIES" => "properties that hold no environment",
        _ => "what belongs here",
    }
}

fn shown(value: &str) -> String {
    value.chars().take(60).collect()
}

/// Only letters and digits of ASCII, and these signs.
fn all(value: &str, signs: &str) -> bool {
    value.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
}

/// The same, not empty, beginning with a letter, a digit or an underscore.
fn is_word(value: &str, signs: &str) -> bool {
    let begins = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    begins && value.len() <= 400 && value.chars().all(|c| c == '_' || c.is_ascii_alphanumeric() || signs.contains(c))
}

fn is_text(value: &str) -> bool {
    !value.starts_with('-') && value.len() <= 1000
}

/// Digits with a sign before and a unit after.
fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let unit = digits.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &digits[..digits.len() - unit.len()];
    (1..=15).contains(&number.len())
        && number.starts_with(|c: char| c.is_ascii_digit())
        && unit.len() <= 12
        && all(unit, "")
}

/// A type of Kubernetes objects, perhaps with its group. Secrets, and what is made to hold such, are none.
fn is_kind(value: &str) -> bool {
    let small = value.to_ascii_lowercase();
    let secret = ["secret", "token", "credential", "password"].iter().any(|word| small.contains(word));
    is_word(value, ".-") && !secret
}

fn is_output(value: &str) -> bool {
    let (format, text) = value.split_once('=').unwrap_or((value, ""));
    match format {
        "json" | "yaml" | "wide" | "name" => text.is_empty() && !value.contains('='),
        "jsonpath" | "jsonpath-as-json" | "custom-columns" | "go-template" => !text.is_empty(),
        _ => false,
    }
}

/// Text with `{{.Field}}` and `{{json .Field}}` in it, fields that may be seen only.
fn is_inspected(value: &str) -> bool {
    let mut parts = value.split("{{");
    let text = parts.next().unwrap_or_default();
    let field = |part: &str| {
        let Some((inner, after)) = part.split_once("}}") else { return false };
        let path = inner.trim();
        let path = path.strip_prefix("json ").unwrap_or(path).trim();
        let seen = INSPECTED
            .iter()
            .any(|known| path == *known || path.strip_prefix(known).is_some_and(|rest| rest.starts_with('.')));
        seen && path.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') && !after.contains(['{', '}'])
    };
    is_text(value) && !text.contains(['{', '}']) && value.contains("{{") && parts.all(field)
}

fn is_host(value: &str) -> bool {
    let begins = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    begins && value.len() <= 253 && value.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c))
}

/// A path without steps back.
fn is_path(value: &str) -> bool {
    let steps = value.split('/').any(|part| part == "..");
    !value.is_empty() && !value.starts_with('-') && !steps && value.len() <= 1000 && !value.contains("://")
}

//! The one SQL that is a plain read: one SELECT of one of PostgreSQL's statistics views.

/// What may be read. `pg_stats` is not among them: it holds values of the tables.
const VIEWS: [&str; 14] = [
    "pg_stat_activity",
    "pg_stat_database",
    "pg_stat_database_conflicts",
    "pg_stat_replication",
    "pg_stat_wal_receiver",
    "pg_stat_bgwriter",
    "pg_stat_checkpointer",
    "pg_stat_wal",
    "pg_stat_archiver",
    "pg_stat_user_tables",
    "pg_stat_user_indexes",
    "pg_stat_progress_vacuum",
    "pg_locks",
    "pg_replication_slots",
];
/// What may be computed. PostgreSQL's other functions can end sessions, read files and sleep.
const FUNCTIONS: [&str; 10] =
    ["count", "sum", "min", "max", "avg", "now", "age", "round", "coalesce", "pg_size_pretty"];
/// Words that lead elsewhere, wherever they stand.
const ELSEWHERE: [&str; 9] = ["select", "from", "join", "into", "union", "intersect", "except", "for", "with"];

/// Whether a text is such a SELECT.
pub(super) fn reads_statistics(text: &str) -> bool {
    let text = text.trim();
    let text = text.strip_suffix(';').unwrap_or(text).to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || " _.,*()='<>+-/%".contains(c);
    if text.len() > 500 || !text.chars().all(plain) || text.contains("--") || text.contains("/*") {
        return false;
    }
    let Some(tokens) = tokens(&text) else { return false };
    let mut rest = tokens.iter().map(String::as_str);
    if rest.next() != Some("select") {
        return false;
    }
    let listed: Vec<&str> = rest.by_ref().take_while(|word| *word != "from").collect();
    let view = rest.next().is_some_and(|word| VIEWS.contains(&word));
    let after: Vec<&str> = rest.collect();
    let goes_on = after.first().is_none_or(|word| matches!(*word, "where" | "group" | "order" | "limit"));
    view && goes_on && !listed.is_empty() && is_harmless(&listed) && is_harmless(&after)
}

/// Words, quoted texts and single signs.
fn tokens(text: &str) -> Option<Vec<String>> {
    let (mut tokens, mut rest) = (vec![], text);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' => {
                rest = &rest[1..];
                continue;
            }
            '\'' => rest[1..].find('\'')? + 2,
            c if c.is_ascii_alphanumeric() || c == '_' => {
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len())
            }
            _ => 1,
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after;
    }
    Some(tokens)
}

/// Whether nothing leads elsewhere, and parentheses group or follow a function that only computes.
fn is_harmless(tokens: &[&str]) -> bool {
    let signs = ["where", "and", "or", "not", "in", "filter", "(", ",", "=", "<", ">", "+", "-", "*", "/", "by"];
    let call = |pair: &[&str]| {
        let [before, "("] = pair else { return true };
        FUNCTIONS.contains(before) || signs.contains(before)
    };
    !tokens.iter().any(|word| ELSEWHERE.contains(word)) && tokens.windows(2).all(call)
}

#[cfg(test)]
mod tests {
    use super::reads_statistics;

    #[test]
    fn only_statistics_are_read() {
        for good in [
            "SELECT count(*) FROM pg_stat_activity",
            "select state, count(*) from pg_stat_activity where state = 'idle' group by state order by 2 desc;",
            "SELECT pid, now() - xact_start FROM pg_stat_activity WHERE (wait_event_type = 'Lock' and state in ('active', 'idle')) LIMIT 5",
            "select * from pg_locks",
        ] {
            assert!(reads_statistics(good), "{good}");
        }
        for bad in [
            "",
            "select",
            "select 1",
            "delete from pg_stat_activity",
            "select * from users",
            "select * from pg_stats",
            "select * from pg_shadow",
            "select pg_terminate_backend(pid) from pg_stat_activity",
            "select pg_read_file('/etc/passwd') from pg_locks",
            "select * from pg_stat_activity, users",
            "select * from pg_stat_activity join users on true",
            "select * into x from pg_locks",
            "select (select 1) from pg_locks",
            "select * from pg_locks where 1 = (select pg_sleep(9))",
            "select * from pg_locks; drop table x",
            "select * from pg_locks for update",
            "select * from pg_locks union all select * from users",
            "select * from pg_locks -- x",
            "select pg_sleep (9) from pg_locks",
            "\\! id",
            "select * from pg_locks where a = 'x",
            "select E'\\x' from pg_locks",
            "select * from pg_locks where pg_sleep(1) = 1",
            "select * from public.users",
        ] {
            assert!(!reads_statistics(bad), "{bad}");
        }
    }
}

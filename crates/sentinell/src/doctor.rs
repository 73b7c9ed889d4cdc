//! Whether everything that the configuration names can be reached, and what to do where it cannot.

mod ears;
mod memory;

use crate::config::{Config, Senders, Slack, Surroundings, operator};
use crate::store::{Look, Store};
use futures::future::join_all;
use sentinell_adapters::slack as adapters;
use sentinell_core::ports::{Actuator, Tool, ToolError};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How long one connection may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// How one thing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Fine {
        /// What was found.
        found: String,
    },
    /// Not set up, which is a choice.
    Off {
        /// What would turn it on.
        how: String,
    },
    /// Set up and not working.
    Broken {
        /// What is wrong, and what to do.
        why: String,
    },
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// How it is.
    #[serde(flatten)]
    pub state: State,
}

impl Finding {
    fn new(what: &str, state: State) -> Self {
        Self { what: what.to_owned(), state }
    }
}

fn fine(found: impl Into<String>) -> State {
    State::Fine { found: found.into() }
}

fn broken(why: impl Into<String>) -> State {
    State::Broken { why: why.into() }
}

fn off(how: impl Into<String>) -> State {
    State::Off { how: how.into() }
}

/// Looks at everything side by side; changes nothing.
pub async fn examine(
    config: &Config,
    around: &Surroundings,
    eyes: Vec<Arc<dyn Tool>>,
    hands: Vec<Arc<dyn Actuator>>,
) -> Vec<Finding> {
    let mut findings = vec![
        Finding::new("database", database(config.database.url()).await),
        Finding::new("operator's token", token(config, around)),
        Finding::new("port", port(config).await),
    ];
    if eyes.is_empty() {
        let how = "nothing to look at: add [kubernetes], [[prometheus]], [[loki]] or another eye (docs/connect)";
        findings.push(Finding::new("eyes", off(how)));
    }
    findings.extend(join_all(eyes.iter().map(|eye| look(eye.as_ref()))).await);
    findings.extend(reach(&hands).await);
    findings.extend(senders(&config.auth.senders));
    findings.extend(ears::ears(config));
    findings.extend(memory::memory(config).await);
    let mind = config.model.as_ref().map_or_else(
        || off("no language model: the deterministic reasoner works alone; set [model] for one (docs/models.md)"),
        |model| {
            fine(format!("{} is asked when there is an incident; it was not asked now, since that costs", model.name))
        },
    );
    findings.push(Finding::new("model", mind));
    let mouths = match config.webhooks.len() {
        0 => off("nobody is told of escalations: add [[webhooks]] (docs/notices.md)"),
        number => fine(format!("{number} destinations; try each with `sentinell notify test <name>`")),
    };
    findings.push(Finding::new("notices", mouths));
    findings.push(Finding::new("to Slack", bot(config.slack.as_ref()).await));
    findings
}

async fn bot(settings: Option<&Slack>) -> State {
    let Some(settings) = settings else {
        return off("nothing is said in Slack: set SLACK_BOT_TOKEN (docs/connect/slack.md)");
    };
    let asked = match adapters::Slack::new(settings.token.expose(), settings.api.clone()) {
        Ok(slack) => slack.whoami().await.map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    match asked {
        Ok(who) => fine(format!("{who}; {} people may be recognised when they press a button", settings.people.len())),
        Err(why) => broken(why),
    }
}

async fn database(url: &str) -> State {
    match tokio::time::timeout(PATIENCE, Store::look(url)).await {
        Err(_) => broken(format!("it did not answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => broken(format!("{error}; check DATABASE_URL (`database` in the file)")),
        Ok(Ok(Look::Missing)) => fine("not there yet; the first `sentinell serve` makes it"),
        Ok(Ok(Look::Unprepared)) => fine("there, without our tables; the next `sentinell serve` makes them"),
        Ok(Ok(Look::Prepared { version, incidents })) => {
            fine(format!("tables of version {version}, {incidents} incidents"))
        }
    }
}

fn token(config: &Config, around: &Surroundings) -> State {
    if config.auth.operator_token.is_some() {
        return fine("configured");
    }
    match operator::find(around) {
        Ok(Some(_)) => fine("in its file, readable by its owner only"),
        Ok(None) => fine("none yet; the first `sentinell serve` mints one"),
        Err(error) => broken(format!("{error:#}")),
    }
}

async fn port(config: &Config) -> State {
    match tokio::net::TcpListener::bind(config.listen).await {
        Ok(_) => fine(format!("{} is free", config.listen)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            fine(format!("somebody listens on {}; `sentinell health` tells whether it is ours", config.listen))
        }
        Err(error) => broken(format!("{}: {error}; choose another with `listen`", config.listen)),
    }
}

/// Whether the hands reach what they would act on; nothing is touched.
async fn reach(hands: &[Arc<dyn Actuator>]) -> Vec<Finding> {
    if hands.is_empty() {
        let how = "nothing is ever changed: no hands are set up (docs/actions.md)";
        return vec![Finding::new("hands", off(how))];
    }
    join_all(hands.iter().map(|hand| async move {
        let kinds: Vec<String> = hand.kinds().into_iter().map(|(kind, _)| kind).collect();
        let room = kinds.first().and_then(|kind| kind.split_once('.')).map_or("hand", |(room, _)| room);
        let state = match tokio::time::timeout(PATIENCE, hand.check()).await {
            Err(_) => broken(format!("it did not answer within {} s", PATIENCE.as_secs())),
            Ok(Ok(Some(found))) => fine(format!("{found}; {}", kinds.join(", "))),
            Ok(Ok(None)) => fine(kinds.join(", ")),
            Ok(Err(ToolError::Denied(why))) => broken(format!("it refuses: {why}")),
            Ok(Err(error)) => broken(format!("{error}")),
        };
        Finding::new(&format!("{room} hands"), state)
    }))
    .await
}

async fn look(eye: &dyn Tool) -> Finding {
    let state = match tokio::time::timeout(PATIENCE, eye.check()).await {
        Err(_) => broken(format!("it did not answer within {} s; is the address right?", PATIENCE.as_secs())),
        Ok(Ok(found)) => fine(found.unwrap_or_else(|| "ready".to_owned())),
        Ok(Err(ToolError::Denied(why))) => broken(format!("it refuses: {why}")),
        Ok(Err(error)) => broken(format!("{error}")),
    };
    Finding::new(eye.name(), state)
}

fn senders(senders: &Senders) -> Vec<Finding> {
    let by_secret = [
        ("GitHub", &senders.github, "GITHUB_WEBHOOK_SECRET", "github"),
        ("Slack", &senders.slack, "SLACK_SIGNING_SECRET", "slack"),
        ("PagerDuty", &senders.pagerduty, "PAGERDUTY_WEBHOOK_SECRET", "pagerduty"),
        ("Sentry", &senders.sentry, "SENTRY_CLIENT_SECRET", "sentry"),
    ];
    let one = |(name, secret, setting, page): (&str, &Option<_>, &str, &str)| {
        let state = match secret {
            Some(_) => fine("its webhooks are taken when they are signed"),
            None => off(format!("its webhooks are refused until {setting} is set (docs/connect/{page}.md)")),
        };
        Finding::new(&format!("from {name}"), state)
    };
    by_secret.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_core::evidence::{Observation, Query};
    use sentinell_core::investigation::Investigation;
    use sentinell_core::ports::{BoxFuture, Question};

    struct Eye(Result<Option<String>, ToolError>);

    impl Tool for Eye {
        fn name(&self) -> &str {
            "telescope"
        }

        fn describe(&self) -> &str {
            ""
        }

        fn first_look(&self, _: &Investigation) -> Vec<Question> {
            vec![]
        }

        fn observe<'a>(&'a self, _: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
            Box::pin(async { Ok(Observation::default()) })
        }

        fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
            Box::pin(async { self.0.clone() })
        }
    }

    #[tokio::test]
    async fn an_eye_that_cannot_see_is_broken_and_says_why() {
        let state = async |result| look(&Eye(result)).await.state;
        assert_eq!(state(Ok(Some("12 stars".into()))).await, fine("12 stars"));
        assert_eq!(state(Ok(None)).await, fine("ready"));
        let refused = state(Err(ToolError::Denied("no key".into()))).await;
        assert_eq!(refused, broken("it refuses: no key"));
    }
}

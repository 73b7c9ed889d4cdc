//! `github.issue`: an issue with what was found, where there is no safe fix.

use super::words::Told;
use super::words::line;
use super::{GitHubHands, ISSUE, Repository, told};
use sentinell_core::action::{Action, ActionDraft, Deed, HttpDeed, Plan};
use sentinell_core::approval::Warrant;
use sentinell_core::ports::{ActError, Applied, ToolError};
use serde_json::{Value, json};

/// What one page of issues holds; the newest page is read.
const PAGE: usize = 100;

impl GitHubHands {
    pub(super) async fn plan_issue(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let repository = self.repository(&draft.target)?;
        let told = told(&draft.params, &[]).map_err(ToolError::BadQuery)?;
        self.about(repository).await?;
        if let Ok(number) = self.issue(repository, told).await? {
            let place = self.api.page(&repository.full_name, &format!("issues/{number}"));
            return Err(ToolError::BadQuery(format!("there is one already: {place}")));
        }
        let deed = self.issue_of(repository, told);
        let description = format!("an issue at {} that tells the cause and its evidence", repository.full_name);
        let precondition = "no issue of this incident is there yet (looked at right before)".to_owned();
        Ok(self.planned(repository, deed, 1, description, precondition))
    }

    fn issue_of(&self, repository: &Repository, told: Told<'_>) -> HttpDeed {
        let body = format!(
            "Sentinell found this in incident `{}` and knows no safe fix.\n\n{}",
            told.incident,
            told.sections()
        );
        let request = json!({"title": format!("{}{}", beginning(told), line(told.cause, 100)), "body": body});
        HttpDeed {
            method: "POST".into(),
            url: self.api.place(&repository.full_name, "issues"),
            body: Some(request.to_string()),
            ..HttpDeed::default()
        }
    }

    pub(super) async fn open_issue(&self, action: &Action, warrant: Warrant) -> Result<String, ActError> {
        let (repository, told, deed) = self.read_issue(action).map_err(ActError::NotStarted)?;
        let not_ready = |error: ToolError| ActError::NotStarted(error.to_string());
        self.about(repository).await.map_err(not_ready)?;
        if let Ok(number) = self.issue(repository, told).await.map_err(not_ready)? {
            return Ok(self.opened(repository, number));
        }
        let began = self.clock.now();
        let permit = warrant.redeem(&action.hash(), began).map_err(ActError::NotStarted)?;
        let request = deed.body.as_deref().unwrap_or_default();
        let (status, said) = self.api.post(&deed.url, request, self.left(permit.millis_left, began)).await?;
        let why = || format!("{status}: {}", self.api.message(&said));
        match (status, said["number"].as_u64()) {
            (200..300, Some(number)) => Ok(self.opened(repository, number)),
            (408 | 500.., _) | (200..300, None) => Err(ActError::Unknown(why())),
            _ => Err(ActError::Failed(why())),
        }
    }

    fn opened(&self, repository: &Repository, number: u64) -> String {
        format!("{} waits for people", self.api.page(&repository.full_name, &format!("issues/{number}")))
    }

    pub(super) async fn was_opened(&self, action: &Action) -> Result<Applied, ToolError> {
        let (repository, told, _) = self.read_issue(action).map_err(ToolError::BadQuery)?;
        Ok(match self.issue(repository, told).await? {
            Ok(_) => Applied::Yes,
            Err(all) if all < PAGE => Applied::No,
            // It may stand on an older page.
            Err(_) => Applied::Unknown,
        })
    }

    /// The newest issue of an incident, or how many were looked through.
    async fn issue(&self, repository: &Repository, told: Told<'_>) -> Result<Result<u64, usize>, ToolError> {
        let page = PAGE.to_string();
        let query = [("state", "all"), ("sort", "created"), ("direction", "desc"), ("per_page", &*page)];
        let all = self.api.get(&repository.full_name, "issues", &query).await?;
        let Some(all) = all.as_array() else {
            return Err(ToolError::BadQuery("GitHub's list of issues is none".into()));
        };
        let beginning = beginning(told);
        // GitHub lists pull requests among issues.
        let ours = |one: &&Value| {
            one.get("pull_request").is_none()
                && one["title"].as_str().is_some_and(|title| title.starts_with(&beginning))
        };
        Ok(all.iter().find(ours).and_then(|one| one["number"].as_u64()).ok_or(all.len()))
    }

    /// What an action is about, if its deed is exactly what this hand itself would have written.
    fn read_issue<'a>(&'a self, action: &'a Action) -> Result<(&'a Repository, Told<'a>, &'a HttpDeed), String> {
        let repository = self.repository(&action.target).map_err(|error| error.to_string())?;
        let told = told(&action.params, &[])?;
        let own = action.kind == ISSUE && action.undoes.is_none() && action.incident.as_str() == told.incident;
        match &action.plan.deed {
            Deed::Http(deed) if own && *deed == self.issue_of(repository, told) => Ok((repository, told, deed)),
            _ => Err(format!("the deed is none that this hand does to {}", action.target)),
        }
    }
}

/// How the title of an incident's issue begins: it is found again by that.
fn beginning(told: Told<'_>) -> String {
    format!("Incident {}: ", told.incident)
}

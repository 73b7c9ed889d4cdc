//! The memory's connections: what gives meaning, and where vectors are kept besides.

use super::{Finding, PATIENCE, State, broken, fine, off};
use crate::config::Config;
use crate::store::{Look, Nearness, Store};
use crate::wire::server::memory::{meaning, pinecone};

/// A word that any model has a vector for.
const WORD: &str = "ok";

pub(super) async fn memory(config: &Config) -> Vec<Finding> {
    let mut findings =
        vec![Finding::new("embeddings", embeddings(config).await), Finding::new("Pinecone", index(config).await)];
    if config.database.url().starts_with("postgres") {
        findings.push(Finding::new("pgvector", pgvector(config).await));
    }
    findings
}

async fn embeddings(config: &Config) -> State {
    let Some(wanted) = &config.memory.embeddings else {
        return match &config.memory.missing {
            Some(missing) => broken(missing.as_str()),
            None => off(
                "meaning comes from the table inside the binary; set [memory.embeddings] for a model (docs/memory.md)",
            ),
        };
    };
    let asked = async { meaning(config).map_err(|error| format!("{error:#}"))?.embed(&[WORD.to_owned()]).await };
    match tokio::time::timeout(PATIENCE, asked).await {
        Err(_) => broken(format!("no answer within {} s; is memory.embeddings.url right?", PATIENCE.as_secs())),
        Ok(Err(why)) => broken(format!("{why}; check memory.embeddings and its key")),
        Ok(Ok(_)) => fine(format!("`{}` answers with {} numbers", wanted.model, wanted.dimensions)),
    }
}

async fn index(config: &Config) -> State {
    let (Some(wanted), Ok(Some(pinecone))) = (&config.memory.pinecone, pinecone(config)) else {
        return match &config.memory.missing {
            Some(missing) if missing.contains("PINECONE") => broken(missing.as_str()),
            _ => {
                off("vectors are kept in the database alone; set PINECONE_API_KEY for an index there (docs/memory.md)")
            }
        };
    };
    match tokio::time::timeout(PATIENCE, pinecone.look()).await {
        Err(_) => broken(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(why)) => broken(format!("{why}; check PINECONE_API_KEY and PINECONE_INDEX")),
        Ok(Ok(None)) => {
            fine(format!("the index `{}` is not there yet; it is made when there is something to keep", wanted.index))
        }
        Ok(Ok(Some(state))) => fine(format!("the index `{}` is {state}", wanted.index)),
    }
}

async fn pgvector(config: &Config) -> State {
    if !config.memory.pgvector {
        return off("not used: memory.pgvector is false");
    }
    let url = config.database.url();
    match Store::look(url).await {
        Ok(Look::Prepared { .. }) => {}
        _ => return off("told once the database has our tables"),
    }
    match Store::look_for_nearness(url).await {
        Ok(Nearness::Indexed(version)) => fine(format!("version {version} can be used")),
        Ok(Nearness::Missing(why)) => off(format!(
            "{why}; meaning ranks what words and time bring. Install pgvector on the server to find all of it"
        )),
        Ok(Nearness::NoServer) => off("only on PostgreSQL"),
        Err(error) => broken(error.to_string()),
    }
}

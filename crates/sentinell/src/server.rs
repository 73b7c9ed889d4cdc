//! A running server: listens, hands requests to the API, and lets go of everything in order when told to stop.

use crate::api::{self, ApiConfig, AppState, OperatorToken, RepoChecks};
use crate::auth::session::login_ticket;
use crate::config::{Config, Secret};
use crate::metrics::Metrics;
use crate::store::Store;
use anyhow::{Context, anyhow};
use axum::serve::ListenerExt;
use sentinell_core::approval::{Principal, Role};
use sentinell_core::ids::Actor;
use sentinell_core::ports::Clock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The name under which the first operator's deeds stand in the journal.
pub const OPERATOR: &str = "operator";
/// How long requests at hand may take to end after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// A server that listens.
pub struct Server {
    address: SocketAddr,
    app: AppState,
    stopping: watch::Sender<bool>,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Listens where the configuration says (port 0: any free one) and serves from then on.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start(
        config: &Config,
        operator: &Secret,
        store: Store,
        clock: Arc<dyn Clock>,
        checks: Arc<dyn RepoChecks>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.with_context(|| {
            format!(
                "cannot listen on {}; is another server running? choose another address with --listen",
                config.listen
            )
        })?;
        let address = listener.local_addr()?;
        let settings = ApiConfig {
            open_reading_on_loopback: !config.auth.required,
            operators: vec![OperatorToken::new(OPERATOR, operator)],
            github_webhook_secret: config.auth.github_webhook_secret.clone(),
            repo_hosts: config.git.hosts.clone(),
            allowed_hosts: host_names(config),
            allowed_origins: config.public_url.iter().map(|url| url.origin().ascii_serialization()).collect(),
            ..ApiConfig::on(address)
        };
        let (stopping, stopped) = watch::channel(false);
        let app = AppState::new(store, clock, settings, checks, stopped);
        let stop = CancellationToken::new();
        // A frame of the stream is small and has to go out at once.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "small packets of a connection may wait for each other");
            }
        });
        let serving =
            axum::serve(listener, api::router(app.clone())).with_graceful_shutdown(stop.clone().cancelled_owned());
        let serving = tokio::spawn(async move { serving.await });
        Ok(Self { address, app, stopping, stop, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counters of this process, for whoever else works in it.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.app.metrics.clone()
    }

    /// A link that signs a browser in as the operator, once.
    ///
    /// # Errors
    /// When the store cannot take it.
    pub async fn login_link(&self) -> anyhow::Result<String> {
        let operator = Principal { actor: Actor(OPERATOR.into()), role: Role::Admin };
        let ticket = login_ticket(&self.app, &operator).await;
        let ticket = ticket.map_err(|_| anyhow!("the store did not take a login ticket; try again"))?;
        Ok(format!("http://{}/login?ticket={ticket}", self.address))
    }

    /// Says goodbye to streams, lets requests at hand end, and closes the door.
    ///
    /// # Errors
    /// When serving had failed.
    pub async fn stop(self) -> anyhow::Result<()> {
        // Nobody listening means that no stream is open.
        let _ = self.stopping.send(true);
        self.stop.cancel();
        match tokio::time::timeout(DRAIN, self.serving).await {
            Ok(ended) => Ok(ended??),
            Err(_) => {
                tracing::warn!("some requests did not end within {} s", DRAIN.as_secs());
                Ok(())
            }
        }
    }
}

/// Names that the server answers to besides its own address.
fn host_names(config: &Config) -> Vec<String> {
    let public = config.public_url.iter().filter_map(|url| url.host_str().map(str::to_owned));
    config.allowed_hosts.iter().cloned().chain(public).collect()
}

/// Waits for Ctrl-C or a request to terminate.
///
/// # Errors
/// When the operating system does not let us listen for it.
pub async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

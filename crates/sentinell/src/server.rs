//! A running server: listens, hands requests to the API, and lets go of everything in order when told to stop.

mod door;

pub use door::serve;

use crate::api::{self, ApiConfig, AppState, OperatorToken, RepoChecks};
use crate::audit::Notary;
use crate::auth::session::login_ticket;
use crate::config::{Config, Fetch, Secret, Senders, Sns};
use crate::metrics::Metrics;
use crate::slackbot::{Desk, socket};
use crate::store::Store;
use anyhow::{Context, anyhow};
use futures::future::BoxFuture;
use sentinell_adapters::http::{Http, HttpLimits, Url};
use sentinell_adapters::slack::Slack;
use sentinell_core::approval::{Principal, Role};
use sentinell_core::ids::Actor;
use sentinell_core::ports::Clock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The name under which the first operator's deeds stand in the journal.
pub const OPERATOR: &str = "operator";
/// How long requests at hand may take to end after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How senders prove who they are, with what asks Amazon for certificates.
fn senders(config: &Config) -> anyhow::Result<Senders> {
    let mut senders = config.auth.senders.clone();
    if let Some(sns) = senders.sns.take() {
        let limits = HttpLimits { total: Duration::from_secs(5), ..HttpLimits::default() };
        let http = Http::new(limits).map_err(|error| anyhow!(error))?;
        let fetch = move |url: String| -> BoxFuture<'static, Result<Vec<u8>, String>> {
            let http = http.clone();
            Box::pin(async move {
                let url = Url::parse(&url).map_err(|error| error.to_string())?;
                let said = http.look(url).await?;
                if said.status.is_success() { Ok(said.body) } else { Err(format!("Amazon answered {}", said.status)) }
            })
        };
        senders.sns = Some(Sns::new(sns.topics, Fetch(Arc::new(fetch))));
    }
    Ok(senders)
}

/// A server that listens.
pub struct Server {
    address: SocketAddr,
    app: AppState,
    stopping: watch::Sender<bool>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    /// Listens where the configuration says (port 0: any free one) and serves from then on.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start(
        config: &Config,
        operator: &Secret,
        notary: Option<Arc<Notary>>,
        store: Store,
        clock: Arc<dyn Clock>,
        checks: Arc<dyn RepoChecks>,
    ) -> anyhow::Result<Self> {
        let listener = listening(config.listen).with_context(|| {
            format!(
                "cannot listen on {}; is another server running? choose another address with --listen",
                config.listen
            )
        })?;
        let address = listener.local_addr()?;
        let settings = ApiConfig {
            open_reading_on_loopback: !config.auth.required,
            operators: vec![OperatorToken::new(OPERATOR, operator)],
            senders: senders(config)?,
            log_threshold: config.log_threshold,
            notary,
            slack: desk(config)?,
            repo_hosts: config.git.hosts.clone(),
            sense: crate::wire::server::memory::sense(config)?,
            allowed_hosts: host_names(config),
            allowed_origins: config.public_url.iter().map(|url| url.origin().ascii_serialization()).collect(),
            ..ApiConfig::on(address)
        };
        let (stopping, stopped) = watch::channel(false);
        crate::wire::server::memory::nearness(config, &store).await;
        let app = AppState::new(store, clock, settings, checks, stopped);
        let stop = CancellationToken::new();
        let serving = tokio::spawn(door::serve(listener, api::router(app.clone()), stop.clone()));
        listen_to_slack(config, &app, &stop)?;
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
            Ok(ended) => Ok(ended?),
            Err(_) => {
                tracing::warn!("some requests did not end within {} s", DRAIN.as_secs());
                Ok(())
            }
        }
    }
}

/// Alarms come in storms: as many connections may wait to be accepted as Linux allows (`net.core.somaxconn`).
fn listening(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that comes back must not wait for connections of its predecessor to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

/// Opens the connection to Slack, where an app's token allows it.
fn listen_to_slack(config: &Config, app: &AppState, stop: &CancellationToken) -> anyhow::Result<()> {
    let Some((token, api)) = config.slack.as_ref().and_then(|slack| Some((slack.app_token.as_ref()?, &slack.api)))
    else {
        return Ok(());
    };
    let slack = Slack::new(token.expose(), api.clone()).map_err(|why| anyhow!("slack.app_token: {why}"))?;
    tokio::spawn(socket::listen(app.clone(), slack, stop.clone()));
    Ok(())
}

fn desk(config: &Config) -> anyhow::Result<Option<Desk>> {
    let desk = config.slack.as_ref().map(|settings| Desk::new(settings, config.public_url.clone()));
    desk.transpose().map_err(|why| anyhow!("slack: {why}"))
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

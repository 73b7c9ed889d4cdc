//! Connections: accepted, given a time to say what they want, and let go of in order.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use std::io::ErrorKind;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a connection may take to the end of a request's headers, and may be idle. Whoever holds many open says little.
const HEADERS: Duration = Duration::from_secs(20);
/// How long what was answered may wait to be taken. Whoever asks and does not read is let go (Linux's `TCP_USER_TIMEOUT`,
/// tcp(7), which counts a closed window as well).
const UNREAD: Duration = Duration::from_secs(30);
/// How long to wait when no more connections can be had, as when every file descriptor is in use.
const EXHAUSTED: Duration = Duration::from_millis(500);

/// Serves HTTP/1.1 (and upgrades) until told to stop; then ends once every request at hand is answered.
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    let open = TaskTracker::new();
    while let Some(stream) = accepted(&listener, &stop).await {
        let service = TowerToHyperService::new(app.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let stop = stop.clone();
        open.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended badly");
            }
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// The next connection; none after a stop.
async fn accepted(listener: &TcpListener, stop: &CancellationToken) -> Option<TcpStream> {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // A frame of the stream is small and has to go out at once.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "small packets of a connection may wait for each other");
                }
                if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD)) {
                    tracing::debug!(%error, "a connection that is not read from may stay open");
                }
                return Some(stream);
            }
            Err(error) if is_theirs(error.kind()) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted now");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Whether only that one connection is gone.
fn is_theirs(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

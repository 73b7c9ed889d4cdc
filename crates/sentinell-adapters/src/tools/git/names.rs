//! Where the host of a repository is. A name is looked up once, every address is judged, and git is told to go to exactly
//! those: a second look-up could say something else.

use sentinell_core::address::{is_public, is_public_name};
use sentinell_core::ports::{BoxFuture, ToolError};
use sentinell_core::repository::clone_url;
use std::net::IpAddr;
use std::time::Duration;

/// How long a look-up may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Addresses that are tried.
const ADDRESSES: usize = 8;

/// Says where a host is.
pub trait Names: Send + Sync {
    /// Its addresses.
    ///
    /// # Errors
    /// Why none is known.
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<IpAddr>, String>>;
}

/// What the operating system says.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Names for System {
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<IpAddr>, String>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, port)).await.map_err(|error| error.to_string())?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// The setting that keeps git at the addresses that were judged; none where the URL names an address itself.
///
/// # Errors
/// [`ToolError::Denied`] if one address is not public and the rules do not say that the host may be there.
pub(super) async fn pin(names: &dyn Names, url: &str, private: &[String]) -> Result<Option<String>, ToolError> {
    let url = clone_url(url).map_err(|why| ToolError::Denied(why.to_owned()))?;
    let (host, port) = (url.host, url.port_or_default());
    if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    let found = tokio::time::timeout(PATIENCE, names.look_up(host, port)).await;
    let found = found.map_err(|_| ToolError::Retry(format!("{host} was not found within {} s", PATIENCE.as_secs())))?;
    let found = found.map_err(|why| ToolError::Retry(format!("{host} was not found: {why}")))?;
    // The operator wrote it into `git.hosts`, and a name like this cannot mean anything public.
    let inside = !is_public_name(host) || url.is_one_of(private);
    if let Some(odd) = found.iter().find(|address| !inside && !is_public(**address)) {
        return Err(ToolError::Denied(format!(
            "{host} is at {odd}, which is not a public address; if it belongs there, say so with `git.private = [\"{host}\"]`"
        )));
    }
    let list: Vec<String> = found
        .iter()
        .take(ADDRESSES)
        .map(|address| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        })
        .collect();
    if list.is_empty() {
        return Err(ToolError::Retry(format!("{host} has no address")));
    }
    Ok(Some(format!("http.curloptResolve={host}:{port}:{}", list.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Says one thing after the other.
    struct Says(Vec<Vec<&'static str>>, AtomicUsize);

    impl Names for Says {
        fn look_up<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, Result<Vec<IpAddr>, String>> {
            let said = &self.0[self.1.fetch_add(1, Ordering::SeqCst).min(self.0.len() - 1)];
            let said = said.iter().map(|address| address.parse().unwrap()).collect();
            Box::pin(async move { Ok(said) })
        }
    }

    async fn pinned(says: &[&[&'static str]], private: &[&str]) -> Result<Option<String>, ToolError> {
        let says = Says(says.iter().map(|one| one.to_vec()).collect(), AtomicUsize::new(0));
        let private: Vec<String> = private.iter().map(|host| (*host).to_owned()).collect();
        let pin = pin(&says, "https://rebind.example/a/b", &private).await;
        assert_eq!(says.1.load(Ordering::SeqCst), 1, "asked once: what is judged is what is connected to");
        pin
    }

    #[tokio::test]
    async fn git_goes_where_the_look_up_that_was_judged_said() {
        let pin = pinned(&[&["93.184.216.34", "2606:2800::1"], &["127.0.0.1"]], &[]).await.unwrap();
        assert_eq!(pin.unwrap(), "http.curloptResolve=rebind.example:443:93.184.216.34,[2606:2800::1]");
        for inner in
            [&["127.0.0.1"][..], &["93.184.216.34", "10.0.0.1"], &["::1"], &["::ffff:169.254.169.254"], &["0.0.0.0"]]
        {
            let refused = pinned(&[inner], &[]).await;
            assert!(matches!(&refused, Err(ToolError::Denied(why)) if why.contains("git.private")), "{refused:?}");
        }
        assert!(pinned(&[&["10.0.0.1"]], &["rebind.example"]).await.is_ok(), "the operator may say that it is inside");
        assert!(matches!(pinned(&[&[]], &[]).await, Err(ToolError::Retry(_))));
    }
}

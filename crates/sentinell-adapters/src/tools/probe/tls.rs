//! What a TLS server shows: its certificate, until when it is good, and whether clients trust it.
//!
//! The handshake goes on with whatever certificate is shown, so that one that nobody trusts can be read too; nothing is sent
//! over such a connection.

use crate::text::one_line;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;
use sentinell_core::time::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_cert::der::Decode;

/// One server's certificates.
pub(super) struct Certificates {
    name: ServerName<'static>,
    authorities: Vec<CertificateDer<'static>>,
}

/// What was shown.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// Until when the shortest-lived certificate of the chain is good, Unix milliseconds.
    not_after: i64,
    /// Whose it is, as the certificate tells.
    owner: String,
    /// Why clients do not trust it; none if they do.
    pub(super) distrust: Option<String>,
}

impl Shown {
    /// Days until it runs out, negative afterwards.
    pub(super) fn days_left(&self, now: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a span of time in milliseconds is small")]
        let left = self.not_after.saturating_sub(now) as f64;
        left / 86_400_000.0
    }

    /// For people.
    pub(super) fn spelled(&self) -> String {
        format!("{} is good until {}", self.owner, Timestamp(self.not_after))
    }
}

impl Certificates {
    /// Of the server `host`; `pem` are authorities besides the machine's own.
    pub(super) fn new(host: &str, pem: &[u8]) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("no name for TLS: {error}"))?;
        let authorities = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        Ok(Self { name, authorities: authorities.map_err(|error| format!("no certificates in PEM: {error}"))? })
    }

    /// Shakes hands and reads what is shown.
    pub(super) async fn ask(&self, stream: TcpStream) -> Result<Shown, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let trusted = Verifier::new_with_extra_roots(self.authorities.clone(), Arc::clone(&provider));
        let trusted = trusted.map_err(|error| format!("no authorities are trusted on this machine: {error}"))?;
        let watcher = Arc::new(Watcher { trusted, seen: Mutex::new(None) });
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| error.to_string())?.dangerous();
        let config = config.with_custom_certificate_verifier(Arc::clone(&watcher) as Arc<dyn ServerCertVerifier>);
        let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
        let shaken = connector.connect(self.name.clone(), stream).await;
        let seen = watcher.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A server that wants a certificate of ours has shown its own before it refuses.
        match (seen, shaken) {
            (Some(shown), _) => shown,
            (None, Err(error)) => Err(one_line(&error.to_string(), 200)),
            (None, Ok(_)) => Err("the server showed no certificate".to_owned()),
        }
    }
}

/// Lets every certificate pass and remembers what clients would have said.
#[derive(Debug)]
struct Watcher {
    trusted: Verifier,
    seen: Mutex<Option<Result<Shown, String>>>,
}

impl ServerCertVerifier for Watcher {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.trusted.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        let distrust = verdict.err().map(|error| one_line(&error.to_string(), 200));
        let shown = shown(end_entity, intermediates, distrust);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trusted.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trusted.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trusted.supported_verify_schemes()
    }
}

fn shown(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    distrust: Option<String>,
) -> Result<Shown, String> {
    let read = |der: &CertificateDer<'_>| x509_cert::Certificate::from_der(der);
    let own = read(end_entity).map_err(|error| format!("the certificate cannot be read: {error}"))?;
    let until = |certificate: &x509_cert::Certificate| {
        let until = certificate.tbs_certificate.validity.not_after.to_unix_duration();
        i64::try_from(until.as_millis()).unwrap_or(i64::MAX)
    };
    let others = intermediates.iter().filter_map(|der| read(der).ok());
    let not_after = others.map(|one| until(&one)).chain([until(&own)]).min().unwrap_or_default();
    Ok(Shown { not_after, owner: one_line(&own.tbs_certificate.subject.to_string(), 200), distrust })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_certificate_are_said_to_be_none() {
        for bytes in [vec![], vec![0x30], vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], vec![0xff; 4096]] {
            assert!(shown(&CertificateDer::from(bytes), &[], None).is_err());
        }
    }
}

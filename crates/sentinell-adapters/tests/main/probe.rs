//! Probes of real servers on this machine: TLS with certificates of a private authority, HTTP, ports and names.

use super::case::{ask, case, clock, now};
use super::fake::Fake;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use sentinell_adapters::tools::probe::{Probe, ProbeTarget};
use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::ports::{Tool, ToolError};
use std::net::TcpListener;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A server for `localhost` whose certificate runs out so many days from now, and the authority's PEM. After the handshake
/// it says nothing, and does not hang up either.
pub async fn tls_server(days: i64) -> (u16, String) {
    tls_server_for("localhost", days).await
}

/// The same for another name.
pub async fn tls_server_for(name: &str, days: i64) -> (u16, String) {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "ticket booth");
    let epoch = date_time_ymd(1970, 1, 1);
    let day = std::time::Duration::from_secs(86_400);
    let today = u32::try_from(now().0 / 86_400_000).unwrap();
    params.not_before = epoch + day * (today - 90);
    params.not_after = epoch + day * u32::try_from(i64::from(today) + days).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let _held = acceptor.accept(stream).await;
                std::future::pending::<()>().await;
            });
        }
    });
    (port, pem)
}

fn target(name: &str, url: &str) -> ProbeTarget {
    let subject = format!("service/fair/{name}");
    ProbeTarget { name: name.into(), url: url.into(), subject, expect: vec![], authorities: None }
}

fn trusting(name: &str, url: &str, pem: &str) -> ProbeTarget {
    ProbeTarget { authorities: Some(pem.as_bytes().to_vec()), ..target(name, url) }
}

fn eye(targets: Vec<ProbeTarget>) -> Probe {
    Probe::new(targets, clock()).unwrap()
}

fn last(seen: &Observation, wanted: &str) -> Option<f64> {
    seen.telemetry.iter().find_map(|one| match one {
        Telemetry::Metric { name, points, .. } if name == wanted => points.last().map(|(_, value)| *value),
        _ => None,
    })
}

fn said(seen: &Observation) -> String {
    let lines = seen.telemetry.iter().find_map(|one| match one {
        Telemetry::Logs { lines, .. } => lines.last().map(|line| line.text.clone()),
        _ => None,
    });
    lines.unwrap_or_default()
}

#[tokio::test]
async fn a_certificate_is_read_with_its_days_left_and_whether_clients_trust_it() {
    let (port, pem) = tls_server(3).await;
    let url = format!("tls://localhost:{port}");
    let eye = eye(vec![trusting("booth", &url, &pem), target("stranger", &url)]);
    let seen = ask(&eye, &[("target", "booth")]).await.unwrap();
    assert_eq!((last(&seen, "probe_success"), said(&seen)), (Some(1.0), String::new()));
    let left = last(&seen, "probe_certificate_days_left").unwrap();
    assert!((1.9..=3.0).contains(&left), "{left}");
    // Of an authority that nobody here knows: shown all the same, and not trusted.
    let seen = ask(&eye, &[("target", "stranger")]).await.unwrap();
    assert_eq!(last(&seen, "probe_success"), Some(0.0));
    assert!(last(&seen, "probe_certificate_days_left").is_some() && said(&seen).contains("ticket booth"), "{seen:?}");
}

#[tokio::test]
async fn a_certificate_that_has_run_out_is_told_as_clients_tell_it() {
    let (port, pem) = tls_server(-2).await;
    let eye = eye(vec![trusting("booth", &format!("https://localhost:{port}/"), &pem)]);
    let seen = ask(&eye, &[("target", "booth")]).await.unwrap();
    assert_eq!(last(&seen, "probe_success"), Some(0.0));
    assert!(last(&seen, "probe_certificate_days_left").unwrap() < -1.0);
    let said = said(&seen);
    assert!(
        said.contains("tls alert") && said.contains("certificate expired") && said.contains("ticket booth"),
        "{said}"
    );
}

#[tokio::test]
async fn a_page_a_port_and_a_name_answer_or_the_phase_that_failed_is_named() {
    let page = Fake::serve(|request| if request.path == "/ok" { (200, String::new()) } else { (503, "busy".into()) });
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let authority = page.url.trim_start_matches("http://");
    let chatty = TcpListener::bind("127.0.0.1:0").unwrap();
    let greets = chatty.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in chatty.incoming().map_while(Result::ok) {
            let _ = std::io::Write::write_all(&mut stream, b"220 welcome\r\n");
        }
    });
    let teapot = ProbeTarget { expect: vec![503], ..target("teapot", &format!("{}/no", page.url)) };
    let eye = eye(vec![
        target("ok", &format!("{}/ok?token=hunter2", page.url.replace("http://", "http://ann:hunter2@"))),
        target("busy", &format!("{}/no", page.url)),
        teapot,
        target("port", &format!("tcp://{authority}")),
        target("closed", &format!("tcp://127.0.0.1:{free}")),
        target("plain", &format!("tls://{greets}")),
        target("name", "dns://localhost"),
        target("nobody", "dns://nobody.invalid"),
    ]);
    for (name, success, failed) in [
        ("ok", 1.0, ""),
        ("busy", 0.0, "(http): status 503"),
        ("teapot", 1.0, ""),
        ("port", 1.0, ""),
        ("closed", 0.0, "refused"),
        ("plain", 0.0, "(tls)"),
        ("name", 1.0, ""),
        ("nobody", 0.0, "(dns)"),
    ] {
        let seen = ask(&eye, &[("target", name)]).await.unwrap();
        assert_eq!(last(&seen, "probe_success"), Some(success), "{name}: {seen:?}");
        assert!(said(&seen).contains(failed), "{name}: {}", said(&seen));
        assert!(!format!("{seen:?}").contains("hunter2"), "a secret of the address was told");
    }
}

#[tokio::test]
async fn only_what_the_operator_named_is_ever_asked() {
    let eye = eye(vec![target("shop", "https://shop.example:8443/health"), target("cart", "tcp://cart.example:80")]);
    let asked = |labels: &[(&str, &str)]| -> Vec<String> {
        eye.first_look(&case(labels)).into_iter().map(|question| question.args["target"].clone()).collect()
    };
    assert_eq!(asked(&[("service", "cart")]), ["cart"]);
    assert_eq!(asked(&[("instance", "https://shop.example:8443/health/")]), ["shop"]);
    assert_eq!(asked(&[("instance", "cart.example:80")]), ["cart"]);
    assert_eq!(asked(&[("instance", "http://169.254.169.254/latest"), ("alertname", "shop is down")]), [""; 0]);
    assert!(matches!(ask(&eye, &[("target", "http://127.0.0.1/")]).await, Err(ToolError::BadQuery(_))));
    assert!(matches!(ask(&eye, &[("target", "cart"), ("url", "x")]).await, Err(ToolError::BadQuery(_))));
    for odd in ["", "shop", "ftp://shop", "tcp://shop", "file:///etc/passwd"] {
        assert!(Probe::new(vec![target("odd", odd)], clock()).is_err(), "{odd}");
    }
}

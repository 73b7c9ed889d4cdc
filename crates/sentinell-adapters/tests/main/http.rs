use super::probe::{tls_server, tls_server_for};
use sentinell_adapters::http::Url;
use sentinell_adapters::http::{Credentials, Http, HttpLimits};
use sentinell_core::ports::ToolError;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

/// What a client makes of this answer of a server.
async fn answered(answer: String) -> Result<serde_json::Value, ToolError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:secret@{}/x", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(answer.as_bytes());
    });
    let limits = HttpLimits { total: Duration::from_secs(2), body: 1000, ..HttpLimits::default() };
    let result = Http::new(limits).unwrap().get_json(url.parse().unwrap(), &[], &Credentials::None).await;
    server.join().unwrap();
    if let Err(error) = &result {
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    result
}

fn with(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn an_answer_is_bounded_and_its_status_says_who_must_act() {
    assert_eq!(answered(with("200 OK", "[1]")).await, Ok(serde_json::json!([1])));
    assert!(
        matches!(answered(with("403 Forbidden", "no\x1b")).await, Err(ToolError::Denied(text)) if !text.contains('\x1b'))
    );
    assert!(matches!(answered(with("503 Busy", "later")).await, Err(ToolError::Retry(_))));
    assert!(
        matches!(answered(with("400 Bad", "what?")).await, Err(ToolError::BadQuery(text)) if text.contains("what?"))
    );
    assert!(matches!(answered(with("200 OK", "<html>")).await, Err(ToolError::BadQuery(_))));
    assert!(
        matches!(answered(with("200 OK", &"1".repeat(2000))).await, Err(ToolError::BadQuery(text)) if text.contains("larger"))
    );
    assert!(matches!(answered("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[".into()).await, Err(ToolError::Retry(_))));
    let elsewhere =
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert!(matches!(answered(elsewhere.into()).await, Err(ToolError::BadQuery(text)) if text.contains("302")));
}

/// Two of the answers that public lists of hostile servers have; the others are in the hall's `hostile` tests.
#[tokio::test]
async fn a_certificate_that_has_run_out_or_is_for_another_name_is_not_trusted() {
    let limits = HttpLimits { total: Duration::from_secs(3), ..HttpLimits::default() };
    for (server, needle) in
        [(tls_server(-2).await, "xpired"), (tls_server_for("elsewhere.example", 3).await, "not valid for")]
    {
        let (port, authority) = server;
        let http = Http::with_authorities(limits, authority.as_bytes()).unwrap();
        let url = Url::parse(&format!("https://localhost:{port}/")).unwrap();
        let refused = http.get_json(url, &[], &Credentials::None).await;
        assert!(matches!(&refused, Err(ToolError::Retry(why)) if why.contains(needle)), "{needle}: {refused:?}");
    }
}

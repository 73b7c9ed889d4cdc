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

use super::case::{ask, case, clock};
use sentinell_adapters::http::{Credentials, Http, HttpLimits};
use sentinell_adapters::tools::prometheus::Prometheus;
use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::ports::ToolError;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A real Prometheus that scrapes itself and a port where nobody listens.
struct Server {
    process: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start() -> Option<Server> {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\nscrape_configs:\n\
         - {{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n\
         - {{job_name: gone, static_configs: [{{targets: ['127.0.0.1:{nobody}']}}]}}\n"
    );
    std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    let rules = "groups: [{name: g, rules: [{alert: SomebodyIsDown, expr: 'min(up) < 1'}]}]\n";
    std::fs::write(folder.path().join("rules.yml"), rules).unwrap();
    let process = Command::new("prometheus")
        .current_dir(folder.path())
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match process {
        Ok(process) => Some(Server { process, url: format!("http://127.0.0.1:{port}/"), _folder: folder }),
        Err(error) => {
            eprintln!("SKIPPED: no prometheus here ({error}); the real-Prometheus stage did not run");
            None
        }
    }
}

fn tool(url: &str) -> Prometheus {
    let limits = HttpLimits { connect: Duration::from_secs(1), ..HttpLimits::default() };
    Prometheus::new(Http::new(limits).unwrap(), url, Credentials::None, clock()).unwrap()
}

fn names(seen: &Observation) -> Vec<String> {
    let name = |one: &Telemetry| match one {
        Telemetry::Metric { subject, name, .. } => Some(format!("{subject} {name}")),
        _ => None,
    };
    seen.telemetry.iter().filter_map(name).collect()
}

#[tokio::test]
async fn a_dead_target_the_alert_and_the_series_of_a_service_are_seen() {
    let Some(server) = start() else { return };
    let prometheus = tool(&server.url);
    let alert = case(&[("alertname", "SomebodyIsDown"), ("job", "self")]);
    let mut seen = vec![];
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let look = prometheus_look(&prometheus, &alert).await;
        seen = look;
        if seen.iter().any(|name| name.ends_with(" ALERTS")) && seen.iter().any(|name| name.contains("rate(")) {
            break;
        }
    }
    for expected in ["service/gone up", "service/self up", "service/self go_goroutines", "host/unknown min(up)"] {
        assert!(seen.iter().any(|name| name == expected), "{expected} is missing in {seen:?}");
    }
    assert!(seen.iter().any(|name| name.ends_with(" ALERTS")));
    assert!(seen.iter().any(|name| name == "service/self rate(prometheus_http_requests_total)"), "{seen:?}");
    assert!(!seen.iter().any(|name| name.contains("_bucket")));
    let answer = ask(&prometheus, &[("query", "up{job=\"gone\"}")]).await.unwrap();
    let Telemetry::Metric { points, .. } = &answer.telemetry[0] else { panic!() };
    assert_eq!(points.last().map(|(_, value)| *value), Some(0.0));
    assert!(
        matches!(ask(&prometheus, &[("query", "up{{")]).await, Err(ToolError::BadQuery(text)) if text.contains("parse"))
    );
    assert!(matches!(ask(&prometheus, &[("minutes", "0")]).await, Err(ToolError::BadQuery(_))));
}

async fn prometheus_look(prometheus: &Prometheus, alert: &sentinell_core::investigation::Investigation) -> Vec<String> {
    // It refuses connections until it has come up.
    let question = sentinell_core::ports::Tool::first_look(prometheus, alert).remove(0);
    let mut pairs: Vec<(&str, &str)> =
        question.args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    pairs.push(("minutes", "2"));
    match ask(prometheus, &pairs).await {
        Ok(seen) => names(&seen),
        Err(error) => {
            assert!(matches!(error, ToolError::Retry(_)), "{error}");
            vec![]
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_worth_another_try() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = tool(&format!("http://127.0.0.1:{port}"));
    assert!(matches!(ask(&away, &[("service", "cart")]).await, Err(ToolError::Retry(_))));
}

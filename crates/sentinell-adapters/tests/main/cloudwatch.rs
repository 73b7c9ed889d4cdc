//! The CloudWatch eye against a real moto (`SENTINELL_MOTO` is its `moto_server`), which checks every signature and is killed
//! in between; and against a fake for what moto does not do.

use super::case::{ask, case, clock, first_look, now};
use super::fake::{Answer, Fake, Request, hostile};
use sentinell_adapters::http::{HeaderMap, Http};
use sentinell_adapters::tools::cloudwatch::{AwsIdentity, AwsKeys, CloudWatch, CloudWatchSettings};
use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::ports::{Tool, ToolError};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub struct Moto {
    pub url: String,
    child: Child,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    pub async fn start(program: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Self { url: format!("http://127.0.0.1:{port}"), child: command.spawn().unwrap() };
        for _ in 0..150 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return moto;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("moto does not come up");
    }

    pub async fn post(&self, path: &str, headers: &[(&'static str, &str)], body: String) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let url = format!("{}{path}", self.url).parse().unwrap();
        let http = Http::new(Default::default()).unwrap();
        let (status, _, said) = http.post_bytes(url, map, body.into_bytes()).await.unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(status.is_success(), "{said}");
        said
    }

    /// A call that nobody checks the signature of, since checking was not asked for yet.
    pub async fn unchecked(&self, service: &str, target: &str, body: Value) {
        let proof = format!(
            "AWS4-HMAC-SHA256 Credential=x/20261122/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=x"
        );
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target),
            ("authorization", &proof),
            ("x-amz-date", "20261122T120000Z"),
        ];
        self.post("/", &headers, body.to_string()).await;
    }

    pub async fn iam(&self, form: &str) -> String {
        let proof =
            "AWS4-HMAC-SHA256 Credential=x/20261122/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x";
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", proof)];
        self.post("/", &headers, format!("{form}&Version=2010-05-08")).await
    }

    /// Somebody who may read CloudWatch and nothing else; from then on every call is checked.
    async fn reader(&self) -> AwsKeys {
        self.iam("Action=CreateUser&UserName=sentinell").await;
        let said = self.iam("Action=CreateAccessKey&UserName=sentinell").await;
        // moto takes the name in the signature, `monitoring`, for the name in policies, which is `cloudwatch`.
        let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%5B%22logs%3ADescribe%2A%22%2C%22logs%3AFilterLogEvents%22%2C%22logs%3AStartQuery%22%2C%22logs%3AGetQueryResults%22%2C%22cloudwatch%3AListMetrics%22%2C%22cloudwatch%3AGetMetricData%22%2C%22cloudwatch%3ADescribeAlarms%22%2C%22monitoring%3A%2A%22%5D%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
        self.iam(&format!("Action=PutUserPolicy&UserName=sentinell&PolicyName=read&PolicyDocument={policy}")).await;
        let between = |tag: &str| {
            let rest = said.split_once(&format!("<{tag}>")).unwrap().1;
            rest.split_once('<').unwrap().0.to_owned()
        };
        self.post("/moto-api/reset-auth", &[], "0".into()).await;
        AwsKeys { id: between("AccessKeyId"), secret: between("SecretAccessKey"), session: None }
    }

    /// A till that sold tickets for an hour and then ran out of change.
    async fn fill(&self) {
        let minute = |ago: i64| now().0 - ago * 60_000;
        for group in ["/ecs/fair/till", "/ecs/fair/tiller"] {
            let stream = json!({"logGroupName": group, "logStreamName": "a"});
            self.unchecked("logs", "Logs_20140328.CreateLogGroup", json!({"logGroupName": group})).await;
            self.unchecked("logs", "Logs_20140328.CreateLogStream", stream.clone()).await;
            let mut events: Vec<Value> =
                (10..60).rev().map(|ago| json!({"timestamp": minute(ago), "message": "sold a ticket"})).collect();
            events.push(json!({"timestamp": minute(1), "message": format!("ERROR no change left, says {group}")}));
            let body = json!({"logGroupName": group, "logStreamName": "a", "logEvents": events});
            self.unchecked("logs", "Logs_20140328.PutLogEvents", body).await;
        }
        let dimensions = json!([{"Name": "ServiceName", "Value": "till"}]);
        let data: Vec<Value> = (0..60)
            .map(|ago| {
                json!({"MetricName": "Errors", "Dimensions": dimensions, "Timestamp": minute(ago) / 1000,
                "Value": if ago < 3 { 40.0 } else { 0.0 }})
            })
            .collect();
        let metrics = json!({"Namespace": "Fair", "MetricData": data});
        self.unchecked("monitoring", "GraniteServiceVersion20100801.PutMetricData", metrics).await;
        let alarm = json!({"AlarmName": "till-errors", "MetricName": "Errors", "Namespace": "Fair", "Period": 60,
            "Statistic": "Sum", "EvaluationPeriods": 1, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold",
            "Dimensions": dimensions});
        self.unchecked("monitoring", "GraniteServiceVersion20100801.PutMetricAlarm", alarm).await;
        let state = json!({"AlarmName": "till-errors", "StateValue": "ALARM", "StateReason": "40 errors in a minute"});
        self.unchecked("monitoring", "GraniteServiceVersion20100801.SetAlarmState", state).await;
    }
}

fn eye(url: &str, identity: AwsIdentity, log_groups: &[&str]) -> CloudWatch {
    let log_groups = log_groups.iter().map(|group| (*group).to_owned()).collect();
    let settings =
        CloudWatchSettings { region: "eu-west-1".into(), endpoint: Some(url.to_owned()), identity, log_groups };
    CloudWatch::new(settings, clock()).unwrap()
}

fn keys(id: &str) -> AwsIdentity {
    AwsIdentity::Keys(AwsKeys { id: id.into(), secret: "s3cr3t".into(), session: None })
}

fn lines(seen: &Observation) -> (Vec<&str>, Vec<&str>) {
    let mut both = (vec![], vec![]);
    for telemetry in &seen.telemetry {
        if let Telemetry::Logs { subject, lines, baseline, .. } = telemetry {
            assert_eq!(subject, "service/fair/till");
            both.0.extend(lines.iter().map(|line| line.text.as_str()));
            both.1.extend(baseline.iter().map(|line| line.text.as_str()));
        }
    }
    both
}

#[tokio::test]
async fn a_real_moto_checks_our_signatures_and_gives_logs_metrics_and_alarms_of_the_service() {
    let Ok(program) = std::env::var("SENTINELL_MOTO") else {
        eprintln!("SKIPPED: no SENTINELL_MOTO; nothing that speaks CloudWatch was asked (scripts/test.sh aws)");
        return;
    };
    let mut moto = Moto::start(&program).await;
    moto.fill().await;
    let reader = moto.reader().await;
    let tool = eye(&moto.url, AwsIdentity::Keys(reader.clone()), &[]);
    assert!(tool.check().await.unwrap().unwrap().contains("can be read"));

    let seen = first_look(&tool, &case(&[("service", "till"), ("namespace", "fair")])).await.remove(0);
    let (trouble, calm) = lines(&seen);
    assert!(trouble.contains(&"ERROR no change left, says /ecs/fair/till"), "{seen:?}");
    assert!(trouble.iter().any(|text| text.contains("till-errors is in ALARM: 40 errors")), "{trouble:?}");
    assert!(!trouble.iter().any(|text| text.contains("tiller")), "another service's group was read");
    assert!(calm.len() > 20 && calm.iter().all(|text| *text == "sold a ticket"), "{calm:?}");
    let series = seen.telemetry.iter().find_map(|one| match one {
        Telemetry::Metric { name, points, labels, .. } if name == "errors" => Some((points, labels)),
        _ => None,
    });
    let (points, labels) = series.expect("the metric");
    assert_eq!((labels["ServiceName"].as_str(), labels["stat"].as_str()), ("till", "Sum"));
    assert!(points.len() > 40 && points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{points:?}");
    assert!(points.last().is_some_and(|(_, value)| *value >= 40.0) && points[0].1 == 0.0, "{points:?}");

    let narrow = ask(&tool, &[("log_group", "/ecs/fair/till"), ("contains", "change left")]).await.unwrap();
    let Some(Telemetry::Logs { lines, .. }) = narrow.telemetry.first() else { panic!("{narrow:?}") };
    assert!(lines.len() == 1 && lines[0].at.is_some(), "{lines:?}");
    let asked = [("service", "till"), ("query", "fields @timestamp, @message | limit 5")];
    let rows = ask(&tool, &asked).await.unwrap();
    assert!(matches!(rows.telemetry.first(), Some(Telemetry::Logs { .. })), "{rows:?}");

    let fenced = eye(&moto.url, AwsIdentity::Keys(reader.clone()), &["/ecs/park/"]);
    assert!(matches!(ask(&fenced, &[("log_group", "/ecs/fair/till")]).await, Err(ToolError::Denied(_))));
    let seen = ask(&fenced, &[("service", "till")]).await.unwrap();
    assert!(seen.gaps.iter().any(|gap| gap.what.contains("log groups of till")), "{seen:?}");

    let forged = AwsKeys { secret: "another".into(), ..reader };
    let answer = ask(&eye(&moto.url, AwsIdentity::Keys(forged), &[]), &[("service", "till")]).await;
    assert!(matches!(&answer, Err(ToolError::Denied(why)) if why.contains("SignatureDoesNotMatch")), "{answer:?}");

    moto.child.kill().unwrap();
    moto.child.wait().unwrap();
    assert!(matches!(ask(&tool, &[("service", "till")]).await, Err(ToolError::Retry(_))));
}

#[tokio::test]
async fn where_one_half_is_refused_the_other_is_told_with_a_gap() {
    let fake = Fake::serve(|request: &Request| -> Answer {
        match request.header("x-amz-target") {
            "GraniteServiceVersion20100801.DescribeAlarms" => {
                (400, r#"{"__type":"com.amazon#ThrottlingException","message":"Rate exceeded"}"#.into())
            }
            "Logs_20140328.DescribeLogGroups" => (200, json!({"logGroups": [{"logGroupName": "/x/till"}]}).to_string()),
            // More than can be read: errors are asked for once more.
            "Logs_20140328.FilterLogEvents" => {
                let asked: Value = serde_json::from_str(&request.body).unwrap();
                let only_errors = asked["filterPattern"].as_str().is_some_and(|text| text.contains("?ERROR"));
                let at = asked["startTime"].as_i64().unwrap() + 1;
                let events: Vec<Value> = match only_errors {
                    true => vec![json!({"timestamp": at, "message": "ERROR late", "eventId": "e"})],
                    false => (0..1000).map(|n| json!({"timestamp": at, "message": format!("line {n}")})).collect(),
                };
                let next = if only_errors { Value::Null } else { json!("more") };
                (200, json!({"events": events, "nextToken": next}).to_string())
            }
            _ => (500, String::new()),
        }
    });
    let tool = eye(&fake.url, keys("AKID"), &[]);
    let seen = ask(&tool, &[("service", "till")]).await.unwrap();
    let Some(Telemetry::Logs { lines, .. }) = seen.telemetry.first() else { panic!("{seen:?}") };
    assert!(lines.iter().any(|line| line.text == "ERROR late") && lines.len() < 2100);
    let whats: Vec<&str> = seen.gaps.iter().map(|gap| gap.what.as_str()).collect();
    assert!(whats.iter().any(|what| what.contains("errors excepted")), "{whats:?}");
    assert!(whats.contains(&"metrics and alarms of CloudWatch"), "{whats:?}");
    let filters = fake.seen().iter().filter(|one| one.header("x-amz-target").ends_with("FilterLogEvents")).count();
    assert_eq!(filters, 3, "two pages, and one for the errors");
    assert!(ask(&tool, &[]).await.is_err() && ask(&tool, &[("service", "a"), ("shell", "ls")]).await.is_err());
    assert!(tool.first_look(&case(&[("alertname", "A"), ("namespace", "fair")])).is_empty());
}

#[tokio::test]
async fn keys_are_fetched_from_a_role_once_and_again_when_they_are_refused() {
    let fake = Fake::serve(|request: &Request| -> Answer {
        let given = |id: &str| {
            let keys = json!({"AccessKeyId": id, "SecretAccessKey": "s", "Token": "t", "SessionToken": "t",
                "Expiration": "2099-01-01T00:00:00Z"});
            keys.to_string()
        };
        match (request.method.as_str(), request.path.as_str()) {
            ("PUT", "/latest/api/token") => (200, "a-token".into()),
            ("GET", "/latest/meta-data/iam/security-credentials/") => (200, "booth-role\n".into()),
            ("GET", "/latest/meta-data/iam/security-credentials/booth-role")
                if request.header("x-aws-ec2-metadata-token") == "a-token" =>
            {
                (200, given("INSTANCE"))
            }
            ("GET", "/task") if request.header("authorization") == "pod-token" => (200, given("TASK")),
            ("POST", "/sts/")
                if request.body.contains("WebIdentityToken=jwt") && request.header("accept").ends_with("json") =>
            {
                let keys: Value = serde_json::from_str(&given("WEB")).unwrap();
                let said = json!({"AssumeRoleWithWebIdentityResponse": {"AssumeRoleWithWebIdentityResult": {"Credentials": keys}}});
                (200, said.to_string())
            }
            ("POST", "/") if request.header("x-amz-security-token") == "t" => (200, "{}".into()),
            ("POST", "/") => (400, r#"{"__type":"UnrecognizedClientException"}"#.into()),
            _ => (404, String::new()),
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let web = AwsIdentity::WebIdentity {
        token: file("jwt", "jwt\n"),
        role: "arn:x".into(),
        sts: format!("{}/sts/", fake.url),
    };
    let task = AwsIdentity::Container { url: format!("{}/task", fake.url), token: Some(file("t", "pod-token")) };
    let instance = AwsIdentity::Instance { url: Some(fake.url.clone()) };
    for (identity, id) in [(instance, "INSTANCE"), (task, "TASK"), (web, "WEB")] {
        let tool = eye(&fake.url, identity, &[]);
        assert!(tool.check().await.is_ok(), "{id}: {:?}", tool.check().await);
        let calls = fake.seen();
        let proofs = calls.iter().filter(|one| one.header("authorization").contains(&format!("Credential={id}/")));
        assert_eq!(proofs.count(), 2, "{id}");
    }
    let fetched = fake.seen().iter().filter(|one| one.path.ends_with("booth-role")).count();
    assert_eq!(fetched, 1, "keys that last are kept");
    let profile = AwsIdentity::Profile { file: folder.path().join("missing"), name: "default".into() };
    let answer = eye(&fake.url, profile, &[]).check().await;
    assert!(matches!(&answer, Err(ToolError::Denied(why)) if why.contains("missing")), "{answer:?}");
}

#[tokio::test]
async fn an_answer_that_amazon_never_gives_is_an_error_or_nothing_and_never_the_end() {
    for (status, body) in hostile() {
        let fake = Fake::serve(move |_| (status, body.clone()));
        let answer = ask(&eye(&fake.url, keys("AKID"), &[]), &[("service", "till")]).await;
        assert!(answer.is_err() || answer.is_ok_and(|seen| seen.telemetry.is_empty()));
    }
    assert!(
        CloudWatch::new(
            CloudWatchSettings {
                region: "eu-west-1/x".into(),
                endpoint: None,
                identity: keys("A"),
                log_groups: vec![]
            },
            clock()
        )
        .is_err()
    );
}

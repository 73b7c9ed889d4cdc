//! The hands on Amazon's services against a real moto (`SENTINELL_MOTO` is its `moto_server`), which checks every signature; and
//! against a fake for what moto does not do.

use super::case::{action, args, clock, warrant_for};
use super::cloudwatch::Moto;
use super::fake::Fake;
use sentinell_adapters::actuators::Watch;
use sentinell_adapters::actuators::aws::{AwsHands, AwsHandsSettings};
use sentinell_adapters::aws::{AwsIdentity, AwsKeys};
use sentinell_adapters::http::{HeaderMap, Http, Method};
use sentinell_core::action::{Action, ActionDraft, Deed, HttpDeed};
use sentinell_core::ports::{ActError, Actuator, Applied, ToolError};
use serde_json::json;

const ECS: &str = "AmazonEC2ContainerServiceV20141113";

fn hands(endpoint: &str, keys: AwsKeys) -> AwsHands {
    let settings = AwsHandsSettings {
        region: "eu-west-1".into(),
        endpoint: Some(endpoint.to_owned()),
        identity: AwsIdentity::Keys(keys),
        targets: vec!["ecs/fair/till".into(), "asg/till".into(), "ec2/i-*".into(), "lambda/till/live".into()],
        max_capacity: 8,
        environment: "staging".into(),
        eye: "cloudwatch".into(),
        watch: Watch::default(),
    };
    AwsHands::new(settings, clock()).unwrap()
}

fn keys() -> AwsKeys {
    AwsKeys { id: "AKID".into(), secret: "secret".into(), session: None }
}

fn draft(kind: &str, target: &str, pairs: &[(&str, &str)]) -> ActionDraft {
    let (because, why) = ("h1".into(), String::new());
    ActionDraft { kind: kind.into(), target: target.into(), params: args(pairs), because, why }
}

async fn planned(hands: &AwsHands, kind: &str, target: &str, pairs: &[(&str, &str)]) -> Action {
    let plan = hands.plan(&draft(kind, target, pairs)).await;
    action(kind, target, pairs, plan.unwrap_or_else(|error| panic!("{kind}: {error}")))
}

async fn does(hands: &AwsHands, action: &Action) -> Result<String, ActError> {
    hands.apply(action, warrant_for(action, 60)).await
}

/// Done once, seen to be done; who comes late with the same permission does nothing; taken back where there is a way.
async fn once_and_back(hands: &AwsHands, action: &Action) {
    assert_eq!(hands.was_applied(action).await, Ok(Applied::No), "{}", action.kind);
    does(hands, action).await.unwrap_or_else(|error| panic!("{}: {error}", action.kind));
    assert_eq!(hands.was_applied(action).await, Ok(Applied::Yes), "{}", action.kind);
    let sleeper = does(hands, action).await;
    assert!(matches!(&sleeper, Err(ActError::NotStarted(why)) if why.contains("any more")), "{sleeper:?}");
    let Some(undo) = action.undo("a2".into(), action.expires_at) else { return };
    assert_eq!(hands.was_applied(&undo).await, Ok(Applied::No), "{}", action.kind);
    does(hands, &undo).await.unwrap_or_else(|error| panic!("undo of {}: {error}", action.kind));
    let after = (hands.was_applied(&undo).await, hands.was_applied(action).await);
    assert_eq!(after, (Ok(Applied::Yes), Ok(Applied::No)), "{}", action.kind);
}

/// A till in containers, on machines, and as a function; somebody who may act on them.
async fn fair(moto: &Moto) -> (AwsKeys, String) {
    let container = json!({"name": "main", "image": "till:1", "memory": 64});
    let task = json!({"family": "till", "containerDefinitions": [container]});
    moto.unchecked("ecs", &format!("{ECS}.CreateCluster"), json!({"clusterName": "fair"})).await;
    moto.unchecked("ecs", &format!("{ECS}.RegisterTaskDefinition"), task).await;
    let service = json!({"cluster": "fair", "serviceName": "till", "taskDefinition": "till", "desiredCount": 2});
    moto.unchecked("ecs", &format!("{ECS}.CreateService"), service).await;
    let form = async |service: &str, form: &str| {
        let proof = format!(
            "AWS4-HMAC-SHA256 Credential=x/20261122/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=x"
        );
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", proof.as_str())];
        moto.post("/", &headers, form.to_owned()).await
    };
    let ec2 = "Version=2016-11-15";
    let started = form("ec2", &format!("Action=RunInstances&{ec2}&ImageId=ami-12c6146b&MinCount=1&MaxCount=1")).await;
    let between =
        |text: &str, tag: &str| text.split_once(&format!("<{tag}>")).unwrap().1.split_once('<').unwrap().0.to_owned();
    let machine = between(&started, "instanceId");
    let scaling = "Version=2011-01-01";
    let launch = "LaunchConfigurationName=till&ImageId=ami-12c6146b&InstanceType=t2.micro";
    form("autoscaling", &format!("Action=CreateLaunchConfiguration&{scaling}&{launch}")).await;
    let group = "AutoScalingGroupName=till&LaunchConfigurationName=till&MinSize=1&MaxSize=4&DesiredCapacity=2&AvailabilityZones.member.1=eu-west-1a";
    form("autoscaling", &format!("Action=CreateAutoScalingGroup&{scaling}&{group}")).await;
    moto.iam("Action=CreateUser&UserName=hand").await;
    let said = moto.iam("Action=CreateAccessKey&UserName=hand").await;
    let services = ["ecs", "autoscaling", "ec2", "lambda"].map(|name| format!("%22{name}%3A%2A%22")).join("%2C");
    let policy = format!(
        "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%5B{services}%5D%2C%22Resource%22%3A%22%2A%22%7D%5D%7D"
    );
    moto.iam(&format!("Action=PutUserPolicy&UserName=hand&PolicyName=act&PolicyDocument={policy}")).await;
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    let role = moto.iam(&format!("Action=CreateRole&RoleName=till&AssumeRolePolicyDocument={trust}")).await;
    function(moto, &between(&role, "Arn")).await;
    let keys = AwsKeys { id: between(&said, "AccessKeyId"), secret: between(&said, "SecretAccessKey"), session: None };
    (keys, machine)
}

/// Two versions of a function, the newer one behind the alias `live`.
async fn function(moto: &Moto, role: &str) {
    let proof = "AWS4-HMAC-SHA256 Credential=x/20261122/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=x";
    let headers = [("content-type", "application/json"), ("authorization", proof)];
    let base = "/2015-03-31/functions";
    let made = json!({"FunctionName": "till", "Runtime": "python3.12", "Role": role, "Handler": "x.y",
        "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}, "Publish": true});
    moto.post(base, &headers, made.to_string()).await;
    // Without a change there is no other version.
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(name, value.parse().unwrap());
    }
    let url = format!("{}{base}/till/configuration", moto.url).parse().unwrap();
    let changed = br#"{"Timeout": 5}"#.to_vec();
    let (status, _, _) = Http::new(Default::default()).unwrap().send(Method::PUT, url, map, changed).await.unwrap();
    assert!(status.is_success());
    moto.post(&format!("{base}/till/versions"), &headers, "{}".into()).await;
    let alias = json!({"Name": "live", "FunctionVersion": "2"});
    moto.post(&format!("{base}/till/aliases"), &headers, alias.to_string()).await;
}

#[tokio::test]
async fn a_real_moto_is_acted_on_exactly_as_shown_and_once() {
    let Ok(program) = std::env::var("SENTINELL_MOTO") else {
        eprintln!("SKIPPED: SENTINELL_MOTO is not set; no moto was acted on (scripts/test.sh aws)");
        return;
    };
    let moto = Moto::start(&program).await;
    let (keys, machine) = fair(&moto).await;
    let hands = hands(&moto.url, keys);
    // Before signatures are checked: of a GET moto refuses the one that Amazon's own library makes, too.
    once_and_back(&hands, &planned(&hands, "aws.lambda_rollback", "lambda/till/live", &[("version", "1")]).await).await;
    let latest = hands.plan(&draft("aws.lambda_rollback", "lambda/till/live", &[("version", "$LATEST")])).await;
    assert!(matches!(latest, Err(ToolError::BadQuery(_))), "{latest:?}");
    moto.post("/moto-api/reset-auth", &[], "0".into()).await;
    let redeploy = planned(&hands, "aws.ecs_redeploy", "ecs/fair/till", &[]).await;
    let shown = redeploy.plan.deed.http().unwrap();
    assert_eq!(shown.headers["x-amz-target"], format!("{ECS}.UpdateService"));
    assert!(!serde_json::to_string(&redeploy).unwrap().contains("Signature"), "who we are is in no plan");
    once_and_back(&hands, &redeploy).await;
    let tasks = planned(&hands, "aws.ecs_scale", "ecs/fair/till", &[("desired", "4")]).await;
    assert_eq!(tasks.plan.blast_radius.objects, 2);
    once_and_back(&hands, &tasks).await;
    let capacity = [("desired", "3"), ("service", "till")];
    once_and_back(&hands, &planned(&hands, "aws.asg_scale", "asg/till", &capacity).await).await;
    let reboot = planned(&hands, "aws.ec2_reboot", &format!("ec2/{machine}"), &[]).await;
    does(&hands, &reboot).await.unwrap();
    assert_eq!(hands.was_applied(&reboot).await, Ok(Applied::Unknown), "a machine does not tell when it was rebooted");

    for (kind, target, pairs) in [
        ("aws.asg_scale", "asg/till", &[("desired", "5"), ("service", "till")][..]),
        ("aws.ecs_scale", "ecs/fair/till", &[("desired", "9")]),
        ("aws.ecs_scale", "ecs/fair/till", &[("desired", "0")]),
        ("aws.ecs_scale", "asg/till", &[("desired", "3")]),
        ("aws.ec2_reboot", "ec2/i-0123456789abcdef0", &[]),
        ("aws.ec2_terminate", "ec2/i-0123456789abcdef0", &[]),
    ] {
        let answer = hands.plan(&draft(kind, target, pairs)).await;
        assert!(matches!(answer, Err(ToolError::BadQuery(_))), "{kind} {target} {pairs:?}: {answer:?}");
    }
    let foreign = hands.plan(&draft("aws.ecs_redeploy", "ecs/fair/booth", &[])).await;
    assert!(matches!(foreign, Err(ToolError::Denied(_))), "{foreign:?}");
    let stranger = self::hands(&moto.url, self::keys());
    let answer = stranger.plan(&draft("aws.ecs_redeploy", "ecs/fair/till", &[])).await;
    assert!(matches!(answer, Err(ToolError::Denied(_))), "{answer:?}");
}

#[tokio::test]
async fn a_fake_that_loses_what_it_was_told_leaves_the_outcome_unknown_and_a_bent_request_is_not_sent() {
    for (status, expected) in [(500, "unknown"), (0, "unknown"), (400, "failed"), (409, "failed"), (200, "done")] {
        let fake = Fake::serve(move |request| match request.method.as_str() {
            "GET" => (200, r#"{"FunctionVersion":"2","RevisionId":"r1"}"#.into()),
            _ => (status, "{}".into()),
        });
        let hands = hands(&fake.url, keys());
        let back = planned(&hands, "aws.lambda_rollback", "lambda/till/live", &[("version", "1")]).await;
        let body = back.plan.deed.http().unwrap().body.clone().unwrap();
        assert_eq!(body, r#"{"FunctionVersion":"1","RevisionId":"r1"}"#, "Lambda itself checks the revision");
        let bends: [fn(&mut HttpDeed); 5] = [
            |deed| deed.url = deed.url.replace("till", "booth"),
            |deed| deed.body = Some(r#"{"FunctionVersion":"1"} "#.into()),
            |deed| deed.method = "DELETE".into(),
            |deed| drop(deed.headers.insert("x-amz-target".into(), "x".into())),
            |deed| deed.expect.clear(),
        ];
        for bend in bends {
            let mut bent = back.clone();
            if let Deed::Http(deed) = &mut bent.plan.deed {
                bend(deed);
            }
            assert!(matches!(does(&hands, &bent).await, Err(ActError::NotStarted(_))));
        }
        let answer = match does(&hands, &back).await {
            Ok(_) => "done",
            Err(ActError::Unknown(_)) => "unknown",
            Err(ActError::Failed(_)) => "failed",
            Err(ActError::NotStarted(_)) => "not started",
        };
        assert_eq!(answer, expected, "{status}");
        assert_eq!(fake.seen().iter().filter(|one| one.method == "PUT").count(), 1);
        assert_eq!(hands.was_applied(&back).await, Ok(Applied::No));
    }
}

//! The adapters against real neighbours: processes, files, git, a Prometheus, a Kubernetes.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod main {
    mod aws_hands;
    mod case;
    mod cloudwatch;
    mod cluster;
    mod command;
    mod context;
    mod databases;
    mod docker;
    mod docker_hands;
    mod elasticsearch;
    mod fake;
    mod files;
    mod git;
    mod github;
    mod github_hands;
    mod http;
    mod http_actions;
    mod loki;
    mod machine;
    mod mcp;
    mod models;
    mod probe;
    mod process;
    mod prometheus;
    mod reads;
    mod systemd;
    mod terraform;
    mod traces;
}

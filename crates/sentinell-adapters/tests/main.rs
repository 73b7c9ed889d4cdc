//! The adapters against real neighbours: processes, files, git, a Prometheus, a Kubernetes.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod main {
    mod case;
    mod cluster;
    mod command;
    mod files;
    mod git;
    mod http;
    mod models;
    mod process;
    mod prometheus;
}

//! What the town's own people would do.

/// The town's runbooks, `(name, Markdown)`, most particular first: the first that applies should be followed.
pub fn runbooks() -> Vec<(&'static str, &'static str)> {
    vec![
        ("town-database-config", include_str!("runbooks/town-database-config.md")),
        ("town-rollout-undo", include_str!("runbooks/town-rollout-undo.md")),
        ("town-restart", include_str!("runbooks/town-restart.md")),
        ("town-certificate", include_str!("runbooks/town-certificate.md")),
        ("town-scale", include_str!("runbooks/town-scale.md")),
        ("town-full-disk", include_str!("runbooks/town-full-disk.md")),
    ]
}

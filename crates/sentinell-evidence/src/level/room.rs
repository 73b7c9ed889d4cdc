//! How full file systems are, where only their sizes are told: node_exporter and the kubelet give what there is and what is
//! left as two series with the same labels.

use crate::case::Series;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What is left, the whole beside it, and what the share is called. Of node_exporter the room that ordinary users have
/// (`avail`) counts.
const PAIRS: [(&str, &str, &str); 4] = [
    ("node_filesystem_avail_bytes", "node_filesystem_size_bytes", "node_filesystem_used_percent"),
    ("node_filesystem_files_free", "node_filesystem_files", "node_filesystem_inodes_used_percent"),
    (
        "kubelet_volume_stats_available_bytes",
        "kubelet_volume_stats_capacity_bytes",
        "kubelet_volume_stats_used_percent",
    ),
    ("kubelet_volume_stats_inodes_free", "kubelet_volume_stats_inodes", "kubelet_volume_stats_inodes_used_percent"),
];

/// File systems that are full by their nature: images, read-only.
const IMAGES: [&str; 5] = ["squashfs", "iso9660", "erofs", "cramfs", "udf"];

/// Labels without the name, which tells the two of a pair apart.
fn place(series: &Series) -> impl Iterator<Item = (&String, &String)> {
    series.labels.iter().filter(|(key, _)| *key != "__name__")
}

/// For every pair a series of how much is taken, per cent; everything else as it is, but for images.
pub(super) fn with_shares(metrics: &[Series]) -> Vec<Cow<'_, Series>> {
    let is_image = |series: &Series| series.labels.get("fstype").is_some_and(|kind| IMAGES.contains(&kind.as_str()));
    let mut all: Vec<Cow<'_, Series>> = metrics.iter().filter(|one| !is_image(one)).map(Cow::Borrowed).collect();
    for (left, whole, name) in PAIRS {
        let wholes: Vec<&Series> = metrics.iter().filter(|one| one.name == whole && !is_image(one)).collect();
        for free in metrics.iter().filter(|one| one.name == left && !is_image(one)) {
            let same = |one: &&&Series| one.subject == free.subject && place(one).eq(place(free));
            if let Some(size) = wholes.iter().find(same) {
                all.push(Cow::Owned(share(name, free, size)));
            }
        }
    }
    all
}

fn share(name: &str, free: &Series, size: &Series) -> Series {
    let sizes: BTreeMap<i64, f64> = size.points.iter().copied().filter(|(_, value)| *value > 0.0).collect();
    let taken = |(at, left): &(i64, f64)| {
        let (_, whole) = sizes.range(..=*at).next_back()?;
        Some((*at, 100.0 * (1.0 - left / whole)))
    };
    Series {
        subject: free.subject.clone(),
        name: name.to_owned(),
        labels: free.labels.clone(),
        source: free.source.clone(),
        points: free.points.iter().filter_map(taken).collect(),
    }
}

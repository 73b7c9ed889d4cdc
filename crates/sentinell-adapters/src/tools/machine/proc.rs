//! Load, memory, disks and processes, as Linux tells in `/proc`. <https://docs.kernel.org/filesystems/proc.html>

use crate::text::{clip, one_line};
use sentinell_core::evidence::{Gap, LogLine, Observation, Telemetry};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// Between the two looks that tell how busy a process is.
const BETWEEN: Duration = Duration::from_secs(1);
/// Processes that are looked at.
const MAX_PROCESSES: usize = 20_000;
/// Of them the busiest and the largest that are told.
const TOLD: usize = 8;
/// File systems that are on this machine: asking one over the network may take forever.
const LOCAL: [&str; 9] = ["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "vfat"];
/// Of them, those told at most.
const MAX_DISKS: usize = 20;
/// Ticks of processor time in a second (`USER_HZ`), the same on every Linux that matters here.
const TICKS: f64 = 100.0;

/// One process at one moment.
struct Process {
    name: String,
    ticks: u64,
    resident_pages: u64,
}

/// Figures of one moment.
struct Figures {
    subject: String,
    at: Timestamp,
    found: Vec<Telemetry>,
    lines: Vec<LogLine>,
}

impl Figures {
    fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        if !value.is_finite() {
            return;
        }
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), one_line(value, 120))).collect();
        let points = vec![(self.at.0, value)];
        let (subject, source) = (self.subject.clone(), "/proc".to_owned());
        self.found.push(Telemetry::Metric { subject, name: name.to_owned(), labels, source, points });
    }
}

/// The state of this machine; takes a second.
pub(super) fn state(host: &str, at: Timestamp) -> Observation {
    let mut figures = Figures { subject: format!("host/{host}"), at, found: vec![], lines: vec![] };
    let mut gaps = vec![];
    let mut note = |what: &str, read: Option<()>| {
        let why = || "the kernel does not tell it here".to_owned();
        gaps.extend(read.is_none().then(|| Gap { what: format!("{what} of {host}"), why: why() }));
    };
    let (before, begun) = (processes(), Instant::now());
    note("load", load(&mut figures));
    note("memory", memory(&mut figures));
    note("pressure", pressure(&mut figures));
    note("disks", disks(&mut figures));
    std::thread::sleep(BETWEEN);
    busiest(&before, &processes(), begun.elapsed(), &mut figures);
    let Figures { subject, found: mut telemetry, lines, .. } = figures;
    if !lines.is_empty() {
        telemetry.push(Telemetry::Logs { subject, source: "/proc".to_owned(), lines, baseline: vec![] });
    }
    Observation { telemetry, gaps, call: format!("load, memory, disks and processes of {host}") }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| clip(&text, 1 << 20))
}

fn load(figures: &mut Figures) -> Option<()> {
    let text = read("/proc/loadavg")?;
    let mut numbers = text.split(' ').map(|number| number.parse::<f64>().ok());
    for name in ["node_load1", "node_load5", "node_load15"] {
        figures.add(name, &[], numbers.next()??);
    }
    let stat = read("/proc/stat")?;
    let processors = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    figures.add("node_processors", &[], f64::from(u32::try_from(processors).ok()?));
    Some(())
}

fn memory(figures: &mut Figures) -> Option<()> {
    let text = read("/proc/meminfo")?;
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().split(' ').next()?.parse::<f64>().ok()
    };
    let (total, available) = (kilobytes("MemTotal")?, kilobytes("MemAvailable")?);
    figures.add("node_memory_total_bytes", &[], total * 1024.0);
    figures.add("node_memory_available_bytes", &[], available * 1024.0);
    figures.add("node_memory_used_percent", &[], 100.0 * (1.0 - available / total.max(1.0)));
    if let (Some(total), Some(free)) = (kilobytes("SwapTotal").filter(|total| *total > 0.0), kilobytes("SwapFree")) {
        figures.add("node_swap_used_percent", &[], 100.0 * (1.0 - free / total));
    }
    let killed = read("/proc/vmstat")?;
    let killed = killed.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<f64>().ok());
    figures.add("node_oom_kills", &[], killed?);
    Some(())
}

/// How long work waited for something in the last ten seconds, per cent.
fn pressure(figures: &mut Figures) -> Option<()> {
    for what in ["cpu", "memory", "io"] {
        let text = read(&format!("/proc/pressure/{what}"))?;
        let some =
            text.lines().find_map(|line| line.strip_prefix("some avg10=")?.split(' ').next()?.parse::<f64>().ok());
        figures.add("node_pressure_waiting_percent", &[("for", what)], some?);
    }
    Some(())
}

fn disks(figures: &mut Figures) -> Option<()> {
    let mounts = read("/proc/self/mounts")?;
    let mut seen = BTreeMap::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        let (Some(device), Some(place), Some(kind)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let device = if device.starts_with('/') { device } else { place };
        if LOCAL.contains(&kind) && seen.len() < MAX_DISKS {
            // A disk that is mounted in several places is told once.
            seen.entry(device.to_owned()).or_insert_with(|| place.replace("\\040", " "));
        }
    }
    for place in seen.into_values() {
        let Ok(disk) = rustix::fs::statvfs(place.as_str()) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "per cent do not need the last digits")]
        let part = |free: u64, all: u64| (all > 0).then(|| 100.0 * (1.0 - free as f64 / all as f64));
        let Some(used) = part(disk.f_bavail, disk.f_blocks) else { continue };
        figures.add("node_filesystem_used_percent", &[("mountpoint", &place)], used);
        let inodes = part(disk.f_favail, disk.f_files);
        if let Some(used) = inodes {
            figures.add("node_filesystem_inodes_used_percent", &[("mountpoint", &place)], used);
        }
        let out_of = match (disk.f_bavail, inodes, disk.f_favail) {
            (0, ..) => "bytes",
            (_, Some(_), 0) => "inodes",
            _ => continue,
        };
        // What is read-only is always full.
        if !disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
            let text =
                format!("{}: no space left on device for ordinary users, out of {out_of}", one_line(&place, 200));
            figures.lines.push(LogLine { at: Some(figures.at), level: Some("error".into()), text, trace: None });
        }
    }
    Some(())
}

fn processes() -> BTreeMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.take(MAX_PROCESSES).filter_map(|id| Some((id, process(&read(&format!("/proc/{id}/stat"))?)?))).collect()
}

/// `1234 (name) S …`: the name may hold anything, so the last parenthesis counts.
fn process(stat: &str) -> Option<Process> {
    let (open, close) = (stat.find('(')?, stat.rfind(')')?);
    let name = one_line(stat.get(open + 1..close)?, 40);
    let fields: Vec<&str> = stat[close + 1..].split_whitespace().collect();
    // Counted from the state, which is the third field of the whole line: 14, 15 and 24 there.
    let number = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    Some(Process { name, ticks: number(11)?.saturating_add(number(12)?), resident_pages: number(21)? })
}

fn busiest(before: &BTreeMap<u32, Process>, after: &BTreeMap<u32, Process>, span: Duration, figures: &mut Figures) {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let busy = |(id, process): (&u32, &Process)| {
        let ticks = process.ticks.checked_sub(before.get(id)?.ticks)?;
        #[expect(clippy::cast_precision_loss, reason = "ticks of a second are few")]
        let percent = 100.0 * ticks as f64 / TICKS / span.as_secs_f64().max(0.1);
        (percent >= 1.0).then(|| (percent, *id, process.name.clone()))
    };
    let mut busy: Vec<(f64, u32, String)> = after.iter().filter_map(busy).collect();
    busy.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (percent, id, name) in busy.into_iter().take(TOLD) {
        figures.add("process_cpu_percent", &[("name", &name), ("pid", &id.to_string())], percent);
    }
    let mut large: Vec<(&u32, &Process)> = after.iter().collect();
    large.sort_by_key(|(_, process)| std::cmp::Reverse(process.resident_pages));
    for (id, process) in large.into_iter().take(TOLD) {
        #[expect(clippy::cast_precision_loss, reason = "megabytes are told")]
        let bytes = process.resident_pages.saturating_mul(page) as f64;
        figures.add("process_resident_memory_bytes", &[("name", &process.name), ("pid", &id.to_string())], bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 700 50 0 0 20 0 1 0 99 1000 42 18446744073709551615";
        let found = process(&format!("7 (a) (b) {rest}")).unwrap();
        assert_eq!((found.name.as_str(), found.ticks, found.resident_pages), ("a) (b", 750, 42));
        for odd in ["", "7 (a", "7 ) (", "7 (a) S", "7 (a) S x x x x x x x x x x x x x x"] {
            assert!(process(odd).is_none(), "{odd}");
        }
    }
}

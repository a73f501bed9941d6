//! The operating system's figures for this process, under the names that every client library uses. Linux has them
//! under `/proc`; on other systems, or if a file cannot be read, nothing is shown.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Ticks per second in `/proc`: `USER_HZ`, which is part of Linux's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let stat = Stat::read(&read("/proc/self/stat"), &read("/proc/stat"));
        if let Some(Stat { cpu_seconds, .. }) = stat {
            let help = "CPU time that the process has used, user and system, in seconds";
            let descriptor =
                encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            ConstCounter::new(cpu_seconds).encode(descriptor)?;
        }
        let status = read("/proc/self/status");
        let open_fds = fs::read_dir("/proc/self/fd").ok().map(|open| open.count() as f64);
        for (name, help, value) in [
            (
                "process_start_time_seconds",
                "When the process was started, in seconds since 1970",
                stat.map(|stat| stat.start_seconds),
            ),
            (
                "process_resident_memory_bytes",
                "Memory that the process holds",
                status_bytes(&status, "VmRSS:"),
            ),
            ("process_virtual_memory_bytes", "Addresses in use", status_bytes(&status, "VmSize:")),
            ("process_threads", "Threads of the process", status_number(&status, "Threads:")),
            ("process_open_fds", "File descriptors in use", open_fds),
            (
                "process_max_fds",
                "File descriptors that may be in use",
                limit(&read("/proc/self/limits"), "Max open files"),
            ),
        ] {
            let Some(value) = value else { continue };
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(descriptor)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    start_seconds: f64,
}

impl Stat {
    /// Reads `/proc/self/stat` and `/proc/stat` (proc(5)).
    fn read(own: &str, system: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may contain any character; the third field
        // follows it.
        let fields: Vec<&str> = own.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let booted: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        let (user, kernel, started) = (ticks(14)?, ticks(15)?, ticks(22)?);
        Some(Self {
            cpu_seconds: (user + kernel) / TICKS_PER_SECOND,
            start_seconds: booted + started / TICKS_PER_SECOND,
        })
    }
}

fn status_number(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `/proc/self/status` gives memory in units of 1024 bytes.
fn status_bytes(status: &str, name: &str) -> Option<f64> {
    status_number(status, name).map(|kib| kib * 1024.0)
}

/// The soft limit, which is the effective one.
fn limit(limits: &str, name: &str) -> Option<f64> {
    let soft = limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?;
    if soft == "unlimited" { Some(f64::INFINITY) } else { soft.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_shifts_no_field() {
        let own = "7 (a) (b c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 1234 1000 200 18";
        let read = Stat::read(own, "cpu 1 2\nbtime 1700000000\nprocesses 5\n").unwrap();
        assert_eq!(read, Stat { cpu_seconds: 3.0, start_seconds: 1_700_000_012.34 });
    }

    #[test]
    fn what_is_not_there_is_not_shown() {
        assert_eq!(Stat::read("", ""), None);
        assert_eq!(Stat::read("7 (x) S 1", "btime 5"), None);
        assert_eq!(status_bytes("VmSize: 1 kB\n", "VmRSS:"), None);
        assert_eq!(limit("", "Max open files"), None);
    }

    #[test]
    fn memory_is_in_bytes_and_the_soft_limit_holds() {
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t5\n";
        assert_eq!(status_bytes(status, "VmRSS:"), Some(2_097_152.0));
        assert_eq!(status_number(status, "Threads:"), Some(5.0));
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        assert_eq!(limit(limits, "Max open files"), Some(1024.0));
    }
}

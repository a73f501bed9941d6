//! The operating system's figures for this process, under the names that every client library uses: on Linux,
//! which has them under `/proc`. A figure that cannot be read is not shown.

use std::fmt;

use procfs::process::{LimitValue, Process};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(own) = Process::myself() else { return Ok(()) };
        let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
        let times = own.stat().and_then(|stat| Ok((stat, procfs::boot_time_secs()?))).ok();
        if let Some((stat, _)) = &times {
            let help = "CPU time that the process has used, user and system, in seconds";
            let descriptor =
                encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            ConstCounter::new(seconds(stat.utime + stat.stime)).encode(descriptor)?;
        }
        let started = times.map(|(stat, booted)| booted as f64 + seconds(stat.starttime));
        let status = own.status().ok();
        // `/proc/self/status` gives memory in units of 1024 bytes.
        let bytes = |kib: Option<u64>| kib.map(|kib| (kib * 1024) as f64);
        let files_max = own.limits().ok().map(|limits| match limits.max_open_files.soft_limit {
            LimitValue::Unlimited => f64::INFINITY,
            LimitValue::Value(files) => files as f64,
        });
        for (name, help, value) in [
            ("process_start_time_seconds", "When the process was started, in seconds since 1970", started),
            (
                "process_resident_memory_bytes",
                "Memory that the process holds",
                status.as_ref().and_then(|status| bytes(status.vmrss)),
            ),
            (
                "process_virtual_memory_bytes",
                "Addresses in use",
                status.as_ref().and_then(|status| bytes(status.vmsize)),
            ),
            ("process_threads", "Threads of the process", status.map(|status| status.threads as f64)),
            ("process_open_fds", "File descriptors in use", own.fd_count().ok().map(|open| open as f64)),
            ("process_max_fds", "File descriptors that may be in use", files_max),
        ] {
            let Some(value) = value else { continue };
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(descriptor)?;
        }
        Ok(())
    }
}

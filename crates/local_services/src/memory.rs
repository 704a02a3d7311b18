//! How much memory there is.
use std::fs;

/// MiB of memory that this process and its children may use; 0 where nothing tells (`proc_meminfo(5)`, Linux' `cgroup-v2`).
pub(crate) fn memory_mb() -> u64 {
    let of_machine = || {
        let text = fs::read_to_string("/proc/meminfo").ok()?;
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        total.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kb| kb >> 10)
    };
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").unwrap_or_default();
    let limit = limit.trim().parse::<u64>().map_or(u64::MAX, |bytes| bytes >> 20);
    of_machine().unwrap_or(0).min(limit)
}

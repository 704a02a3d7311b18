//! What searches may take of this process's memory.
use super::Reader;
use std::fs;

/// MiB that are kept where nothing tells how much memory there is.
const UNKNOWN: usize = 256;

/// Searches.
#[derive(Clone, Debug)]
pub struct SearchConfig {
    /// Bytes of customers' chunks that a process keeps in memory; 0 for none.
    pub memory: usize,
}

impl SearchConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let default = machine_mib().map_or(UNKNOWN, |mib| mib / 8);
        Self {
            memory: r.number("SEARCH_MEMORY_MB", default, 0..=1 << 20, "512") << 20,
        }
    }
}

/// MiB that this process may use, by the machine and by its group's limit (`proc_meminfo(5)`, Linux' `cgroup-v2`).
fn machine_mib() -> Option<usize> {
    let machine = fs::read_to_string("/proc/meminfo").ok()?;
    let total = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let total: usize = total.trim().strip_suffix(" kB")?.parse().ok()?;
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").unwrap_or_default();
    let limit = limit.trim().parse().map_or(usize::MAX, |bytes: usize| bytes >> 20);
    Some((total >> 10).min(limit))
}

//! Processor time of processes, which tells more than the clock while others use the machine; and their memory.
use anyhow::Result;
use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike as _,
    },
    unistd::Pid,
};
use std::fs;

/// Linux counts in hundredths of a second (`USER_HZ`).
const TICK_US: f64 = 10_000.0;

/// What `/proc/PID/stat` says of a process.
struct Stat {
    parent: u32,
    own: f64,
    /// Of children that have ended and were waited for.
    ended: f64,
}

/// µs that this process has used, to the µs.
pub fn precise() -> f64 {
    let used = getrusage(UsageWho::RUSAGE_SELF).map(|usage| [usage.user_time(), usage.system_time()]);
    used.map_or(0.0, |times| {
        times.iter().map(|time| time.num_microseconds() as f64).sum()
    })
}

/// Keeps a process, or this thread without one, and whatever it starts from now on, on one processor.
pub fn keep_on(processor: usize, pid: Option<u32>) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(processor)?;
    let whom = pid.map_or(Ok(0), i32::try_from)?;
    Ok(sched_setaffinity(Pid::from_raw(whom), &only)?)
}

/// MiB of memory that a process holds now, and the most that it ever held.
pub fn memory(pid: u32) -> (f64, f64) {
    let [now, most] = sizes(pid, ["VmRSS", "VmHWM"]);
    (now, most)
}

/// MiB of a process's memory that are its own, and that are pages of its executable and libraries, which the kernel can drop and read
/// again, and which processes of the same executable share.
pub fn own_and_files(pid: u32) -> (f64, f64) {
    let [own, files] = sizes(pid, ["RssAnon", "RssFile"]);
    (own, files)
}

fn sizes<const N: usize>(pid: u32, names: [&str; N]) -> [f64; N] {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    names.map(|name| field(name).unwrap_or_default() / 1024.0)
}

/// µs that a process has used.
pub fn of(pid: u32) -> f64 {
    stat(pid).map_or(0.0, |stat| stat.own)
}

/// µs that a process and its children have used, those that have ended included.
pub fn of_family(pid: u32) -> f64 {
    let Ok(entries) = fs::read_dir("/proc") else {
        return 0.0;
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let children = pids.filter_map(stat).filter(|stat| stat.parent == pid);
    let children: f64 = children.map(|stat| stat.own + stat.ended).sum();
    children + stat(pid).map_or(0.0, |stat| stat.own + stat.ended)
}

/// `proc_pid_stat(5)`: the name in brackets may hold anything; after it come the state, the parent, and from the 12th on user
/// and system time, first the process's own and then its children's.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? * TICK_US);
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        ended: ticks(13)? + ticks(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_computes_uses_time() {
        let begun = of(std::process::id());
        let mut sum = 0_u64;
        while of(std::process::id()) <= begun {
            sum = (0..1_000_000).fold(sum, u64::wrapping_add);
        }
        assert!(of_family(std::process::id()) > begun, "{sum}");
    }
}

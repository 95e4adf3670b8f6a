//! What a process has used so far, by `/proc`.

use std::time::Duration;

/// Memory and processor time of one process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Resident, in bytes.
    pub resident: u64,
    /// The most that was ever resident, in bytes.
    pub peak: u64,
    /// In user mode and in the kernel, of all its threads, exact to a nanosecond where the kernel tells.
    pub cpu: Duration,
}

/// What process `id` has used.
pub fn usage(id: u32) -> Usage {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let kib = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
            .unwrap_or(0)
    };
    let mut nanos = 0_u64;
    if let Ok(threads) = std::fs::read_dir(format!("/proc/{id}/task")) {
        for thread in threads.flatten() {
            let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            nanos += text.split(' ').next().and_then(|run| run.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Usage { resident: kib("VmRSS:") * 1024, peak: kib("VmHWM:") * 1024, cpu: Duration::from_nanos(nanos) }
}

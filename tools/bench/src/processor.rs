//! Processor time as the kernel counts it.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// The processes to count.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    /// A process and all its children that have ended.
    ProcessAndChildren(u32),
    /// All children of this program that have ended.
    OwnChildren,
}

/// The kernel's unit for programs on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time (`proc_pid_stat(5)`, fields 14 to 17).
pub(crate) fn time(whose: Whose) -> Result<Duration> {
    let (path, first) = match whose {
        Whose::ProcessAndChildren(pid) => (format!("/proc/{pid}/stat"), 0),
        Whose::OwnChildren => ("/proc/self/stat".to_owned(), 2),
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    // The name in parentheses may contain any character.
    let (_, fields) = text.rsplit_once(") ").context("it has no name")?;
    let times = fields.split(' ').skip(11).take(4).skip(first);
    let ticks = times.map(str::parse::<f64>).sum::<Result<f64, _>>().context("it is no number")?;
    Ok(Duration::from_secs_f64(ticks / TICKS_PER_SECOND))
}

use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::{KILL_PATIENCE, POLL};

/// Identifies a process: the kernel reuses a number, but not a number with the same start time in one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process number.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub started_ticks: u64,
    /// The boot in which these ticks count.
    pub boot: String,
}

impl Identity {
    /// The process that has this number now.
    ///
    /// # Errors
    /// There is none.
    pub fn of(pid: u32) -> Result<Self> {
        let stat = Stat::read(pid).with_context(|| format!("there is no process {pid}"))?;
        Ok(Self { pid, started_ticks: stat.started_ticks, boot: boot_id() })
    }

    /// Whether this same process still runs. A zombie counts as ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.boot == boot_id()
            && Stat::read(self.pid)
                .is_ok_and(|stat| stat.started_ticks == self.started_ticks && !stat.has_ended())
    }

    /// Sends SIGTERM. After `patience`, kills its whole process group.
    pub async fn stop(&self, patience: Duration) {
        self.ask_to_end();
        if !self.wait_for_end(patience).await {
            self.kill_group();
            self.wait_for_end(KILL_PATIENCE).await;
        }
    }

    /// Whether it ends within `patience`.
    pub async fn wait_for_end(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_running() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }

    /// Sends SIGTERM, on which our services drain.
    pub fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        let Some(pid) = self.raw_pid() else { return };
        // Opened before the identity is checked: an open descriptor always means the same process, even if
        // its number is reused.
        if let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty())
            && self.is_running()
        {
            // Fails only if the process has just ended.
            let _ = pidfd_send_signal(&descriptor, signal);
        }
    }

    pub(super) fn kill_group(&self) {
        if let Some(pid) = self.raw_pid()
            && self.is_running()
        {
            // The process leads its own session, so its group has its number. ESRCH: it has just ended.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        self.signal(Signal::KILL);
    }

    fn raw_pid(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }
}

/// The fields of `/proc/PID/stat` that are used here.
pub(super) struct Stat {
    state: char,
    pub(super) parent: u32,
    started_ticks: u64,
}

impl Stat {
    pub(super) fn read(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable process state"))
    }

    /// The second field is the program's name in parentheses, which may contain spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        // Fields 3 and 4 were read above, so field 22 is the eighteenth of the rest.
        let started_ticks = fields.nth(17)?.parse().ok()?;
        Some(Self { state, parent, started_ticks })
    }

    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Launch, Lifetime};
    use crate::project::find_program;

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        let text = "7 (a) b (c)) S 3 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 99 100";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.parent, stat.started_ticks), ('S', 3, 4711));
    }

    #[tokio::test]
    async fn a_process_number_with_another_start_time_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let sleep = Launch::new(find_program("sleep").unwrap()).argument("60");
        let mut process = sleep.start(&dir.path().join("log"), Lifetime::WithStarter).unwrap();
        let mut namesake = process.identity().clone();
        namesake.started_ticks += 1;

        namesake.stop(Duration::from_secs(1)).await;
        assert!(process.is_running());

        process.stop(Duration::from_secs(5)).await;
        assert!(!process.is_running());
    }
}

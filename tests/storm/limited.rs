use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A process with a memory limit like in Kubernetes, if this machine permits. Its memory is measured in any
/// case.
pub(crate) struct Limited {
    pid: u32,
    group: Option<PathBuf>,
}

impl Limited {
    pub(crate) fn to(bytes: u64, pid: u32) -> Self {
        let group = match limited_group(bytes, pid) {
            Ok(group) => Some(group),
            Err(error) => {
                println!(
                    "No cgroup limits the memory ({error:#}); the peak is compared with the limit instead."
                );
                None
            }
        };
        Self { pid, group }
    }

    /// Its current memory.
    pub(crate) fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// Its highest memory since [`Self::forget_peak`].
    pub(crate) fn peak(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) -> Result<()> {
        // proc(5): resets the "high water mark".
        fs::write(format!("/proc/{}/clear_refs", self.pid), "5").context("could not reset the peak")
    }

    fn status(&self, name: &str) -> Result<u64> {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.pid)).context("the gateway is gone")?;
        let value = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        let kibibytes: u64 = value.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            // A group can be removed only when no process is in it.
            let parent = group.parent().unwrap_or(group);
            let _ = fs::write(parent.join("cgroup.procs"), self.pid.to_string());
            let _ = fs::remove_dir(group);
        }
    }
}

/// Creates a memory group below our own, of cgroup version 1 or 2, and moves the process into it.
fn limited_group(bytes: u64, pid: u32) -> Result<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup")?;
    let version_1 = own.lines().find_map(|line| line.split_once(":memory:").map(|(_, path)| path));
    let (root, path, limit) = if let Some(path) = version_1 {
        ("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
    } else {
        let path = own.lines().find_map(|line| line.strip_prefix("0::")).context("there are no cgroups")?;
        ("/sys/fs/cgroup", path, "memory.max")
    };
    let parent = Path::new(root).join(path.trim_start_matches('/'));
    let group = parent.join(format!("mixdown-storm-{pid}"));
    fs::create_dir(&group).context("no group can be made")?;
    let limited = fs::write(group.join(limit), bytes.to_string())
        .and_then(|()| fs::write(group.join("cgroup.procs"), pid.to_string()));
    if let Err(error) = limited {
        let _ = fs::remove_dir(&group);
        return Err(error).context("the group takes no limit");
    }
    Ok(group)
}

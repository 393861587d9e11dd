//! A small file system for one test.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use test_kit::process::Identity;
use test_kit::unique_name;

/// One mebibyte.
pub(crate) const MIB: u64 = 1 << 20;

const PREFIX: &str = "mixdown-disk-";

/// A file system in memory. It is unmounted when this is dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// An empty file system of this size.
    ///
    /// # Panics
    /// Mounting is not permitted: these tests would prove nothing then.
    pub(crate) fn of(bytes: u64) -> Result<Self> {
        remove_abandoned()?;
        let name = format!("{PREFIX}{}-{}", std::process::id(), unique_name("small"));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).context("no temporary folder")?;
        let size = format!("size={bytes},mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "mixdown"]).arg(&folder).output();
        let said = mounted.context("could not start mount")?;
        assert!(
            said.status.success(),
            "No small file system can be mounted here, so how full disks are met is NOT tested. Run it as root, or in \
             `unshare --user --map-root-user --mount`. mount says: {}",
            String::from_utf8_lossy(&said.stderr)
        );
        Ok(Self { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn free(&self) -> Result<u64> {
        let volume = rustix::fs::statvfs(&self.folder)?;
        Ok(volume.f_bavail * volume.f_frsize)
    }

    /// Fills it with useless data, except for this many bytes.
    pub(crate) fn fill(&self, leaving: u64) -> Result<()> {
        let mut ballast = File::options().create(true).append(true).open(self.ballast())?;
        let block = vec![0; 256 << 10];
        loop {
            let surplus = self.free()?.saturating_sub(leaving);
            let length = usize::try_from(surplus)?.min(block.len());
            match ballast.write(&block[..length]) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes the useless data.
    pub(crate) fn clear(&self) -> Result<()> {
        fs::remove_file(self.ballast()).context("it was not filled")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.folder) {
            eprintln!("a small file system stays: {error:#}");
        }
    }
}

fn remove(folder: &Path) -> Result<()> {
    // Unmounts lazily: a process with an open file keeps that file and nothing else.
    let said = Command::new("umount").arg("--lazy").arg(folder).output().context("could not start umount")?;
    ensure!(said.status.success(), "umount says: {}", String::from_utf8_lossy(&said.stderr));
    fs::remove_dir(folder).with_context(|| format!("could not remove {}", folder.display()))
}

/// Removes what killed test runs left.
fn remove_abandoned() -> Result<()> {
    let prefix = std::env::temp_dir().join(PREFIX).display().to_string();
    for line in fs::read_to_string("/proc/self/mounts")?.lines() {
        let Some(folder) = line.split(' ').nth(1).filter(|folder| folder.starts_with(&prefix)) else {
            continue;
        };
        let owner = folder[prefix.len()..].split('-').next().and_then(|pid| pid.parse().ok());
        if owner.is_some_and(|pid: u32| Identity::of(pid).is_err()) {
            // Another run may do the same now.
            let _ = remove(Path::new(folder));
        }
    }
    Ok(())
}

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Where a converter keeps the files of the jobs that it works on.
///
/// Several converters may share one scratch folder: each has a directory of its own in it, locked for as long as the
/// process lives.
#[derive(Debug)]
pub struct ScratchSpace {
    own: TempDir,
    _lock: File,
}

/// The name of the video in its job's directory.
pub(crate) const SOURCE: &str = "source";

/// The directory of one job. It is removed with all that is in it when this is dropped.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl ScratchSpace {
    /// Makes this process's directory, and removes those that killed processes left. Blocks.
    ///
    /// # Errors
    /// The folder cannot be made, read or written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        // One process at a time: a directory whose lock is not taken yet looks like one that was left.
        let opening = File::create(folder.join("lock"))?;
        opening.lock()?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() && is_abandoned(&path) {
                match fs::remove_dir_all(&path) {
                    Ok(()) => tracing::info!("removed the scratch directory of a converter that is gone"),
                    Err(error) => tracing::warn!(%error, "could not remove an abandoned scratch directory"),
                }
            }
        }
        let own = tempfile::Builder::new().prefix("converter-").tempdir_in(folder)?;
        let lock = File::create(own.path().join("lock"))?;
        lock.lock()?;
        Ok(Self { own, _lock: lock })
    }

    /// A new directory for one job.
    pub fn begin_job(&self) -> io::Result<Scratch> {
        tempfile::Builder::new().prefix("job-").tempdir_in(self.own.path()).map(Scratch)
    }

    /// How many bytes more fit in.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let volume = rustix::fs::statvfs(self.own.path())?;
        Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
    }
}

/// Whether the directory is a converter's, and that converter is gone: the kernel gives its lock back then.
fn is_abandoned(directory: &Path) -> bool {
    let is_ours = directory.file_name().is_some_and(|name| name.to_string_lossy().starts_with("converter-"));
    is_ours
        && match File::open(directory.join("lock")) {
            Ok(lock) => lock.try_lock().is_ok(),
            // It died before it could take one.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
}

impl Scratch {
    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.0.path()
    }

    /// Where the video has to be.
    #[must_use]
    pub fn source(&self) -> PathBuf {
        self.0.path().join(SOURCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gone_converter_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = folder.path().join("converter-gone/job-1");
        fs::create_dir_all(&abandoned).unwrap();
        fs::write(abandoned.join("source"), "left").unwrap();
        fs::write(folder.path().join("converter-gone/lock"), "").unwrap();
        fs::create_dir(folder.path().join("somebody-elses")).unwrap();

        let first = ScratchSpace::open(folder.path()).unwrap();
        assert!(!abandoned.exists());
        let job = first.begin_job().unwrap();
        let second = ScratchSpace::open(folder.path()).unwrap();
        assert!(job.directory().exists() && folder.path().join("somebody-elses").exists());
        assert!(second.free_bytes().unwrap() > 0);

        let directory = job.directory().to_owned();
        fs::write(job.source(), "video").unwrap();
        drop(job);
        assert!(!directory.exists());
    }
}

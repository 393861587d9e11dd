use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

/// A converter's folder for the files of its running jobs.
///
/// Several converters may share one scratch folder. Each has its own directory in it and holds a lock on it
/// for as long as the process lives.
#[derive(Debug)]
pub struct ScratchSpace {
    own: TempDir,
    reserved_bytes: Arc<AtomicU64>,
    _lock: File,
}

/// Disk space reserved for a job's files. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "it is given back when it is dropped"]
pub struct Reservation {
    reserved_bytes: Arc<AtomicU64>,
    bytes: u64,
}

/// Why no space was reserved.
#[derive(Debug, thiserror::Error)]
pub enum ReservationError {
    /// The folder cannot be read.
    #[error("could not look at the scratch folder")]
    Look(#[from] io::Error),
    /// Too little space is free or unreserved.
    #[error(
        "there is no room for the job: {needed} bytes are needed, {free} are free and not promised to others"
    )]
    NoRoom {
        /// Bytes that are free and not reserved.
        free: u64,
        /// Bytes that were asked for.
        needed: u64,
    },
    /// The job would not fit even if the disk were empty.
    #[error("{needed} bytes are needed at least, and the whole disk has {size}")]
    NeverFits {
        /// The least bytes that the job needs.
        needed: u64,
        /// Size of the disk that all jobs share.
        size: u64,
    },
}

/// A job that has filled this share of a disk is itself too large for it: other jobs' files are too small to
/// be the cause.
const NEARLY_ALL: f64 = 0.9;

/// The disk of a folder.
struct Volume {
    free: u64,
    size: u64,
}

impl Volume {
    fn of(folder: &Path) -> io::Result<Self> {
        let volume = rustix::fs::statvfs(folder)?;
        // Some of the free blocks may be reserved for the administrator.
        let for_us = volume.f_blocks.saturating_sub(volume.f_bfree.saturating_sub(volume.f_bavail));
        let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
        Ok(Self { free: bytes(volume.f_bavail), size: bytes(for_us) })
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a disk, on which a few bytes do not matter"
    )]
    fn nearly_all(&self) -> u64 {
        (self.size as f64 * NEARLY_ALL) as u64
    }
}

/// The video's name in its job's directory.
pub(crate) const SOURCE: &str = "source";

/// The directory of one job. Dropping it removes the directory with its content.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl ScratchSpace {
    /// Creates this process's directory, and removes directories that killed processes left. Blocks.
    ///
    /// # Errors
    /// The folder cannot be created, read or written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        // Only one process at a time may do this: a new directory without a lock yet looks like an abandoned
        // one.
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
        Ok(Self { own, reserved_bytes: Arc::default(), _lock: lock })
    }

    /// Creates a directory for one job.
    pub fn begin_job(&self) -> io::Result<Scratch> {
        tempfile::Builder::new().prefix("job-").tempdir_in(self.own.path()).map(Scratch)
    }

    /// Free bytes and size of the folder's disk. Blocks.
    pub fn free_and_size(&self) -> io::Result<(u64, u64)> {
        Volume::of(self.own.path()).map(|volume| (volume.free, volume.size))
    }

    /// Whether a job has filled nearly all of the disk by itself. Blocks.
    pub fn is_filled_by(&self, job: &Scratch) -> io::Result<bool> {
        Ok(filled_by(job.directory()) >= Volume::of(self.own.path())?.nearly_all())
    }

    /// Reserves space for a job that is about to begin, beside the space that others have reserved and not
    /// filled yet. Blocks.
    ///
    /// `least` is what the job cannot do without, `bytes` what it will probably need. A job never gets more
    /// than nearly all of the disk.
    pub fn reserve(&self, bytes: u64, least: u64) -> Result<Reservation, ReservationError> {
        let volume = Volume::of(self.own.path())?;
        if least >= volume.size {
            return Err(ReservationError::NeverFits { needed: least, size: volume.size });
        }
        let bytes = bytes.min(volume.nearly_all()).max(least);
        let for_jobs = volume.free.saturating_add(self.filled_bytes()?);
        let promise = |reserved: u64| reserved.checked_add(bytes).filter(|promised| *promised <= for_jobs);
        match self.reserved_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, promise) {
            Ok(_) => Ok(Reservation { reserved_bytes: Arc::clone(&self.reserved_bytes), bytes }),
            Err(reserved) => {
                Err(ReservationError::NoRoom { free: for_jobs.saturating_sub(reserved), needed: bytes })
            }
        }
    }

    /// Bytes that the files of this process's jobs take.
    fn filled_bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for job in fs::read_dir(self.own.path())? {
            bytes += filled_by(&job?.path());
        }
        Ok(bytes)
    }
}

/// Bytes that the files of one job take. A job that ends meanwhile counts as 0.
fn filled_by(job: &Path) -> u64 {
    let files = fs::read_dir(job).into_iter().flatten().flatten();
    files.flat_map(|file| file.metadata()).map(|file| file.len()).sum()
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.reserved_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Whether this is the directory of a converter that no longer runs: the kernel has then released its lock.
fn is_abandoned(directory: &Path) -> bool {
    let is_ours = directory.file_name().is_some_and(|name| name.to_string_lossy().starts_with("converter-"));
    is_ours
        && match File::open(directory.join("lock")) {
            Ok(lock) => lock.try_lock().is_ok(),
            // The converter died before it created the lock.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
}

impl Scratch {
    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.0.path()
    }

    /// The path at which the video must be.
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
        let _second = ScratchSpace::open(folder.path()).unwrap();
        assert!(job.directory().exists() && folder.path().join("somebody-elses").exists());

        let directory = job.directory().to_owned();
        fs::write(job.source(), "video").unwrap();
        drop(job);
        assert!(!directory.exists());
    }

    #[test]
    fn room_that_is_promised_is_not_promised_again() {
        let folder = tempfile::tempdir().unwrap();
        let space = ScratchSpace::open(folder.path()).unwrap();
        let (free, _) = space.free_and_size().unwrap();
        // Other programs share the disk, but use far less than half of it during the test.
        let half = free / 2 + free / 8;
        let first = space.reserve(half, half).unwrap();
        assert!(matches!(space.reserve(half, half), Err(ReservationError::NoRoom { .. })));
        drop(first);
        drop(space.reserve(half, half).unwrap());
    }

    #[test]
    fn what_is_larger_than_the_disk_never_fits_and_what_may_be_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        let space = ScratchSpace::open(folder.path()).unwrap();
        let (_, size) = space.free_and_size().unwrap();
        assert!(matches!(space.reserve(size, size), Err(ReservationError::NeverFits { .. })));
        // The disk is too full now, but could have the space later.
        assert!(matches!(space.reserve(u64::MAX, size - 1), Err(ReservationError::NoRoom { .. })));
    }

    #[test]
    fn what_a_job_has_filled_of_its_room_is_not_counted_twice() {
        let folder = tempfile::tempdir().unwrap();
        let space = ScratchSpace::open(folder.path()).unwrap();
        let job = space.begin_job().unwrap();
        fs::write(job.source(), vec![1; 3_000_000]).unwrap();
        assert_eq!(space.filled_bytes().unwrap(), 3_000_000);
    }
}

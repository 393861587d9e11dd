use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

/// Where a converter keeps the files of the jobs that it works on.
///
/// Several converters may share one scratch folder: each has a directory of its own in it,
/// locked for as long as the process lives.
#[derive(Debug)]
pub struct ScratchSpace {
    own: TempDir,
    reserved_bytes: Arc<AtomicU64>,
    _lock: File,
}

/// Room for a job's files. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "it is given back when it is dropped"]
pub struct Reservation {
    reserved_bytes: Arc<AtomicU64>,
    bytes: u64,
}

/// Why there is no reservation.
#[derive(Debug, thiserror::Error)]
pub enum ReservationError {
    /// The folder cannot be looked at.
    #[error("could not look at the scratch folder")]
    Look(#[from] io::Error),
    /// It is too full, or will be.
    #[error(
        "there is no room for the job: {needed} bytes are needed, {free} are free and not promised to others"
    )]
    NoRoom {
        /// What is free and not promised.
        free: u64,
        /// What was asked for.
        needed: u64,
    },
    /// It would be too small if it were empty.
    #[error("{needed} bytes are needed at least, and the whole disk has {size}")]
    NeverFits {
        /// What a job needs at least.
        needed: u64,
        /// What all jobs together could have.
        size: u64,
    },
}

/// A job that has filled so much of a disk would fill a larger one, too: what
/// others take is less than what it lacks.
const NEARLY_ALL: f64 = 0.9;

/// The disk that a folder is on.
struct Volume {
    free: u64,
    size: u64,
}

impl Volume {
    fn of(folder: &Path) -> io::Result<Self> {
        let volume = rustix::fs::statvfs(folder)?;
        // Some of it may be kept for the administrator alone.
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
        Ok(Self { own, reserved_bytes: Arc::default(), _lock: lock })
    }

    /// A new directory for one job.
    pub fn begin_job(&self) -> io::Result<Scratch> {
        tempfile::Builder::new().prefix("job-").tempdir_in(self.own.path()).map(Scratch)
    }

    /// What is free on the folder's disk, and how large that is. Blocks.
    pub fn free_and_size(&self) -> io::Result<(u64, u64)> {
        Volume::of(self.own.path()).map(|volume| (volume.free, volume.size))
    }

    /// Whether a job has filled nearly all of the disk by itself. Blocks.
    pub fn is_filled_by(&self, job: &Scratch) -> io::Result<bool> {
        Ok(filled_by(job.directory()) >= Volume::of(self.own.path())?.nearly_all())
    }

    /// Sets room aside for a job that is about to begin, beside what others
    /// have set aside and not filled yet. Blocks.
    ///
    /// `least` is what it cannot do without, `bytes` what it will probably need: more
    /// than nearly all of the disk is nobody's.
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

    /// What the files of this process's jobs take.
    fn filled_bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for job in fs::read_dir(self.own.path())? {
            bytes += filled_by(&job?.path());
        }
        Ok(bytes)
    }
}

/// What the files of one job take; one that ends meanwhile takes nothing.
fn filled_by(job: &Path) -> u64 {
    let files = fs::read_dir(job).into_iter().flatten().flatten();
    files.flat_map(|file| file.metadata()).map(|file| file.len()).sum()
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.reserved_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
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
        // The disk is shared with others: half of it is far more than they take meanwhile.
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
        // Too full now, but it could be.
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

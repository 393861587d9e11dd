use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use test_kit::servers::create_private_dir;

/// The folder of a native stack: `.stack` in the checkout, unless another is given.
#[derive(Debug, Clone)]
pub(crate) struct StackFolder {
    path: PathBuf,
}

impl StackFolder {
    /// The folder at this path, which need not exist yet.
    ///
    /// # Errors
    /// The path cannot be made absolute, or it belongs to another user.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).context("the stack's folder has no absolute path")?;
        if let Ok(folder) = fs::metadata(&path) {
            let user = rustix::process::getuid().as_raw();
            if folder.uid() != user {
                bail!(
                    "{} belongs to user {}, and this is user {user}: run it as that user, or remove the folder",
                    path.display(),
                    folder.uid()
                );
            }
        }
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn create(&self) -> Result<()> {
        [&self.path, &self.data(), &self.logs(), &self.secrets()]
            .into_iter()
            .try_for_each(|dir| create_private_dir(dir))
    }

    /// The lock that `up` and `down` hold while they work. The kernel releases it when they end, even after a
    /// crash.
    pub(crate) fn lock(&self) -> Result<File> {
        let lock = File::create(self.path.join("lock")).context("could not create the lock")?;
        if lock.try_lock().is_err() {
            say!("Another `make up` or `make down` is at work; waiting for it.");
            lock.lock().context("could not take the lock")?;
        }
        Ok(lock)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(crate) fn secrets(&self) -> PathBuf {
        self.path.join("secrets")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub(crate) fn log(&self, part: &str) -> PathBuf {
        self.logs().join(format!("{part}.log"))
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.path.join("state.json")
    }
}

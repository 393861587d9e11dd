//! Paths: the checkout, the tools that `scripts/install.sh` put into it, and programs on the PATH.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The checkout that this program belongs to.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

// The file that identifies the checkout's root folder.
const LANDMARK: &str = "tools/mail-catcher/package.json";

impl Project {
    /// Finds the checkout above the current folder or, failing that, above this executable.
    ///
    /// # Errors
    /// Neither is in a checkout.
    pub fn locate() -> Result<Self> {
        let here = std::env::current_dir().ok();
        let executable = std::env::current_exe().ok();
        [here, executable]
            .into_iter()
            .flatten()
            .find_map(|start| {
                start.ancestors().find(|dir| dir.join(LANDMARK).is_file()).map(Path::to_path_buf)
            })
            .map(|root| Self { root })
            .context("this is not a Mixdown checkout; run it from inside one")
    }

    /// The folder with the workspace's `Cargo.toml`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The git-ignored folder of the native stack: `.stack`.
    #[must_use]
    pub fn stack_dir(&self) -> PathBuf {
        self.root.join(".stack")
    }

    /// The folder of the built browser page, if it is built.
    #[must_use]
    pub fn page(&self) -> Option<PathBuf> {
        let folder = self.root.join("web/dist");
        folder.join("index.html").is_file().then_some(folder)
    }

    /// The MongoDB server: from the PATH, or else from `.stack/tools`, where the installer puts it.
    ///
    /// # Errors
    /// There is none.
    pub fn mongod(&self) -> Result<PathBuf> {
        find_program("mongod").or_else(|_| installed(self.stack_dir().join("tools/mongodb/mongod")))
    }

    /// The mail catcher's JavaScript, which node runs.
    ///
    /// # Errors
    /// It is not installed.
    pub fn mail_catcher(&self) -> Result<PathBuf> {
        installed(self.stack_dir().join("tools/mail-catcher/node_modules/maildev/bin/maildev"))
    }

    /// The folder in which the tests' tus client is installed.
    ///
    /// # Errors
    /// It is not installed.
    pub fn tus_client(&self) -> Result<PathBuf> {
        let folder = self.stack_dir().join("tools/tus-client");
        installed(folder.join("node_modules/tus-js-client/package.json"))?;
        Ok(folder)
    }

    /// The folder in which Schemathesis is installed, for Python.
    ///
    /// # Errors
    /// It is not installed.
    pub fn schemathesis(&self) -> Result<PathBuf> {
        let folder = self.stack_dir().join("tools/schemathesis");
        installed(folder.join("schemathesis/__init__.py"))?;
        Ok(folder)
    }
}

/// The absolute path of a program.
///
/// # Errors
/// It is neither on the PATH nor in Debian's folders for servers.
pub fn find_program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A normal user's PATH lacks the sbin folders, where mariadbd is.
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_absolute() && candidate.is_file())
        .with_context(|| format!("{name} is missing: run `make install`"))
}

/// A program of this workspace, beside the running one: one `cargo build` makes all.
///
/// # Errors
/// It is not built.
pub fn built_program(name: &str) -> Result<PathBuf> {
    let executable = std::env::current_exe().context("this program has no path")?;
    // A test program is in target/release/deps.
    executable
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("{name} is not built: run `cargo build --release --bins`"))
}

pub(crate) fn installed(path: PathBuf) -> Result<PathBuf> {
    if path.is_file() {
        Ok(path)
    } else {
        Err(anyhow::anyhow!("{} is missing: run `make install`", path.display()))
    }
}

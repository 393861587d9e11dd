use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::folder::StackFolder;
use test_kit::ports::{free_port, is_free};
use test_kit::process::{Identity, Launch};
use test_kit::servers::write_private;

/// The stack's record between commands: its ports and its processes. Every change is written at once, so that
/// the next command knows of it even after an interruption.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Entries {
    ports: BTreeMap<String, u16>,
    processes: BTreeMap<String, Entry>,
}

/// A process that the stack started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) identity: Identity,
    pub(crate) launch: Launch,
    program: Fingerprint,
    /// Seconds since 1970.
    started_at: u64,
}

/// Identifies one build of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Fingerprint {
    bytes: u64,
    modified_seconds: i64,
    modified_nanoseconds: i64,
}

impl Fingerprint {
    fn of(program: &Path) -> Result<Self> {
        let file = fs::metadata(program).with_context(|| format!("{} is not there", program.display()))?;
        Ok(Self {
            bytes: file.len(),
            modified_seconds: file.mtime(),
            modified_nanoseconds: file.mtime_nsec(),
        })
    }
}

impl Entry {
    /// Whether the process is the one that the launch would start now.
    pub(crate) fn is_current(&self, launch: &Launch) -> bool {
        self.launch == *launch
            && Fingerprint::of(&launch.program).is_ok_and(|program| program == self.program)
    }

    /// How long it has run, in seconds.
    pub(crate) fn age_seconds(&self) -> u64 {
        now().saturating_sub(self.started_at)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Ledger {
    /// Reads the record, if there is one.
    pub(crate) fn open(folder: &StackFolder) -> Result<Self> {
        let path = folder.ledger();
        let entries = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged: run `make clean`", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Entries::default(),
            Err(error) => return Err(error).with_context(|| format!("could not read {}", path.display())),
        };
        Ok(Self { path, entries: Mutex::new(entries) })
    }

    /// The recorded port with that name. `owner` is the part that uses it. If that part does not run and
    /// another program has taken the port, another one is chosen. The first choice is `preferred`.
    pub(crate) fn port(&self, name: &str, owner: &str, preferred: Option<u16>) -> Result<u16> {
        let remembered = self.entries().ports.get(name).copied();
        if let Some(port) = remembered
            && (self.running(owner).is_some() || is_free(port))
        {
            return Ok(port);
        }
        let port = match preferred {
            Some(port) if is_free(port) => port,
            _ => free_port()?,
        };
        self.change(|entries| entries.ports.insert(name.to_owned(), port))?;
        Ok(port)
    }

    /// The port with that name, if one was ever chosen.
    pub(crate) fn remembered_port(&self, name: &str) -> Option<u16> {
        self.entries().ports.get(name).copied()
    }

    /// A part's process, if it runs.
    pub(crate) fn running(&self, part: &str) -> Option<Entry> {
        self.entries().processes.get(part).filter(|entry| entry.identity.is_running()).cloned()
    }

    /// Whether a part was started and not stopped. It may have crashed since.
    pub(crate) fn expects(&self, part: &str) -> bool {
        self.entries().processes.contains_key(part)
    }

    /// Every running process.
    pub(crate) fn all_running(&self) -> Vec<Identity> {
        let entries = self.entries();
        entries.processes.values().map(|entry| entry.identity.clone()).filter(Identity::is_running).collect()
    }

    pub(crate) fn started(&self, part: &str, identity: &Identity, launch: &Launch) -> Result<()> {
        let entry = Entry {
            identity: identity.clone(),
            launch: launch.clone(),
            program: Fingerprint::of(&launch.program)?,
            started_at: now(),
        };
        self.change(|entries| entries.processes.insert(part.to_owned(), entry))
    }

    pub(crate) fn stopped(&self, part: &str) -> Result<()> {
        self.change(|entries| entries.processes.remove(part))
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> Result<()> {
        let mut entries = self.entries();
        change(&mut entries);
        write_private(&self.path, &serde_json::to_string_pretty(&*entries)?)
    }
}

use std::error::Error;
use std::fmt;

use contracts::FileId;
use mongodb::error::{ErrorKind, RETRYABLE_WRITE_ERROR, WriteFailure};

impl StoreError {
    /// Whether a document with this key exists already.
    pub(crate) fn is_duplicate_key(&self) -> bool {
        let Self::Database { source, .. } = self else { return false };
        matches!(&*source.kind, ErrorKind::Write(WriteFailure::WriteError(refused)) if refused.code == DUPLICATE_KEY)
    }
}

/// Why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// MongoDB can't be reached, has no primary, or did not answer in time. Trying again later may help.
    /// Whether the step took effect is unknown.
    #[error("MongoDB is away: could not {step}")]
    Unavailable {
        /// What was to be done.
        step: &'static str,
        /// The driver's error, or that the deadline passed.
        source: Box<dyn Error + Send + Sync>,
    },
    /// MongoDB refused a step.
    #[error("could not {step}")]
    Database {
        /// What was to be done.
        step: &'static str,
        /// The driver's error.
        source: Box<mongodb::error::Error>,
    },
    /// A sweeper considered the upload abandoned and deleted it.
    #[error("the upload was swept away")]
    Lost,
    /// Another writer has the draft now.
    #[error("another writer has the draft")]
    Taken,
    /// Not every byte of the upload has reached the store, so it can't become a file.
    #[error("the upload has gaps")]
    Incomplete,
    /// The file was deleted while it was read.
    #[error("file {0} was deleted while it was read")]
    Deleted(FileId),
    /// The file's documents contradict each other.
    #[error("file {fid} is corrupt: {damage}")]
    Corrupt {
        /// The file.
        fid: FileId,
        /// What is wrong with it.
        damage: Damage,
    },
}

/// What is wrong with a corrupt file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The `fs.files` document lacks a field that the specification requires, or a field is invalid.
    Description,
    /// A chunk is missing.
    MissingChunk(u64),
    /// A chunk has no data, or not as much as its place in the file requires.
    WrongChunkLength(u64),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Description => f.write_str("its description is malformed"),
            Self::MissingChunk(n) => write!(f, "chunk {n} is missing"),
            Self::WrongChunkLength(n) => write!(f, "chunk {n} has the wrong length"),
        }
    }
}

impl StoreError {
    pub(crate) fn from_driver(step: &'static str, error: mongodb::error::Error) -> Self {
        let source = Box::new(error);
        if is_there_already(&source) {
            // Identifiers are generated, so the duplicate can only come from another writer of the same
            // draft.
            return Self::Taken;
        }
        if is_away(&source) { Self::Unavailable { step, source } } else { Self::Database { step, source } }
    }

    /// Whether the failed step may still take effect, now or later.
    pub(crate) fn leaves_doubt(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Database { .. }
            | Self::Lost
            | Self::Taken
            | Self::Incomplete
            | Self::Deleted(_)
            | Self::Corrupt { .. } => false,
        }
    }
}

/// Codes of server errors that mean "no primary here", "shutting down" or "too slow", in addition to errors
/// with a label of their own. They are the codes of the specification of retryable reads, and 50 (time
/// limit), 64 and 100 (write concern not satisfied), 14031 (too little disk).
const AWAY_CODES: [i32; 17] =
    [6, 7, 50, 64, 89, 91, 100, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 14031];

/// The code for a duplicate key in a unique index.
const DUPLICATE_KEY: i32 = 11000;

fn is_there_already(error: &mongodb::error::Error) -> bool {
    match &*error.kind {
        ErrorKind::InsertMany(failure) => {
            failure.write_errors.iter().flatten().any(|refused| refused.code == DUPLICATE_KEY)
        }
        _ => false,
    }
}

fn is_away(error: &mongodb::error::Error) -> bool {
    if error.contains_label(RETRYABLE_WRITE_ERROR) {
        return true;
    }
    match &*error.kind {
        ErrorKind::Io(_)
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::Shutdown
        // The write was carried out, but not on enough nodes.
        | ErrorKind::Write(WriteFailure::WriteConcernError(_)) => true,
        ErrorKind::Command(refusal) => AWAY_CODES.contains(&refusal.code),
        ErrorKind::InsertMany(failure) => failure.write_concern_error.is_some(),
        _ => false,
    }
}

//! A backup of the three MongoDB databases in one file, through the driver: for machines without MongoDB's
//! own tools, and with no more rights than the services have.
//!
//! [`back_up`] reads every collection at one cluster time, while everything runs. [`restore`] writes a file
//! into collections beside those in use, and swaps the two only when the file is proven whole and every
//! document is stored. So a damaged file, a full disk or a killed restore leaves the old content.
//!
//! The [file](records) is a sequence of BSON documents with a SHA-256 at its end, for [`check`].

mod collections;
mod error;
pub mod records;
mod restoring;
mod snapshot;
mod taking;
mod timeout;

pub use error::{BackupError, LostSnapshot};
pub use records::Summary;
pub use restoring::{check, is_half_restored, restore};
pub use taking::back_up;

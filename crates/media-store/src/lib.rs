//! The only GridFS code: streaming writes, ranged reads, deletion, and the sweep of unfinished uploads.
//!
//! Files are stored as the [GridFS specification] requires (bucket `fs`, collections `fs.files` and
//! `fs.chunks`), so that any driver can read them. This crate exists for what the drivers' own streams lack:
//! ranged reads, uploads that leave nothing behind when a process is killed, and speed in bounded memory.
//!
//! # An upload
//!
//! [`MediaStore::begin`] writes a marker into the collection `fs.pending`. Then the chunks are written.
//! [`Upload::finish`] adds the `fs.files` document, which makes them a file, and deletes the marker. A
//! process that dies in between leaves the marker, and [`MediaStore::sweep_unfinished`] deletes the chunks
//! that it stands for. A marker's state changes only by conditional updates, so that an upload and a sweeper
//! never both believe that they won:
//!
//! ```text
//! (none) ── begin ──▶ open ── finish ──▶ finishing ── the file is whole ──▶ (none)
//!    │                  └──────┬─────────────┘
//!    ├── delete ──────▶ sweeping ── files document and chunks are gone ──▶ (none)
//!    └── delete_unless ──▶ doubted ── nothing refers to it ──▶ sweeping; or else ──▶ (none)
//! ```
//!
//! Only the database server's clock (`$$NOW`) measures ages: the hosts' clocks may differ.
//!
//! A file that arrives over several connections is a *draft* first: [`MediaStore::begin_draft`],
//! [`MediaStore::resume_draft`].
//!
//! # What is acknowledged when
//!
//! Chunks, and the marker's states up to `finishing`, are written with `w: 1`: waiting for the journal or a
//! second node each time costs half of the throughput. The `fs.files` document is written with
//! `w: "majority"`. Everything that the same primary wrote before is then safe too. If the primary changed
//! during the upload, a rollback may have taken some chunks. They are counted after that write, and if some
//! are missing, the upload fails. Deletion waits for the majority at each step. Otherwise a rollback could
//! bring back chunks that no marker stands for any more.
//!
//! [GridFS specification]: https://github.com/mongodb/specifications/blob/master/source/gridfs/gridfs-spec.md

mod chunks;
mod deadline;
mod drafts;
mod error;
mod file;
mod finish;
mod marker;
mod offer;
mod read;
mod remove;
mod room;
mod store;
mod upload;

pub use drafts::{Draft, DraftDiscarded, DraftState, DraftWriter, NewDraft, Resumed};
pub use error::{Damage, StoreError};
pub use file::StoredFile;
pub use room::Room;
pub use store::MediaStore;
pub use upload::Upload;

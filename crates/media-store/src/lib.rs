//! The only GridFS code: streaming write, ranged read, delete, and the sweep of what nobody finished.
//!
//! Files are stored as the [GridFS specification] wants them (bucket `fs`, collections `fs.files` and
//! `fs.chunks`), so that any driver reads them. What the drivers' own streams lack is why this crate exists: ranged
//! reads, uploads that leave nothing behind when a process is killed, and speed in bounded memory.
//!
//! # An upload
//!
//! [`MediaStore::begin`] writes a marker into collection `fs.pending`, then come the chunks, and [`Upload::finish`]
//! adds the `fs.files` document, which makes them a file, and takes the marker away. Whoever dies in between leaves the
//! marker, and [`MediaStore::sweep_unfinished`] deletes what it stands for. A marker's state changes by conditional
//! updates alone, so that an upload and a sweeper never both believe that they won:
//!
//! ```text
//! (none) ── begin ──▶ open ── finish ──▶ finishing ── the file is whole ──▶ (none)
//!    │                  └──────┬─────────────┘
//!    ├── delete ──────▶ sweeping ── files document and chunks are gone ──▶ (none)
//!    └── delete_unless ──▶ doubted ── nothing refers to it ──▶ sweeping; or else ──▶ (none)
//! ```
//!
//! Ages are measured by the database server's clock (`$$NOW`) alone: the hosts' clocks may differ.
//!
//! A file that arrives over several connections is a *draft* first: [`MediaStore::begin_draft`], [`MediaStore::resume_draft`].
//!
//! # What is acknowledged when
//!
//! Chunks, and the marker's way to `finishing`, are written with `w: 1`: waiting for the journal or for a second node with each of
//! them costs half of the throughput. The `fs.files` document is written with `w: "majority"`. Everything that
//! the same primary wrote before is then safe too; and if the primary changed during the upload, so that a rollback may have taken
//! some, the count of the chunks that follows comes out short and the upload fails. Deletion waits for the majority at each step,
//! lest a rollback bring back chunks that no marker tells of any more.
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

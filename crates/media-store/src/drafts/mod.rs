//! Files that arrive over several connections, and through several processes.
//!
//! A draft is one document of the collection `fs.drafts`. It says how many whole chunks are stored (`chunks`)
//! and who may write (`lease`), and holds the beginning of the next chunk (`tail`). Its chunks are stored
//! where a file's chunks are. A document in `fs.files` makes it a file:
//!
//! ```text
//! (none) ── begin ──▶ open ── every byte is there, and the file is described ──▶ stored ── settle ──▶ settled ──▶ (none)
//!                      └── discard, or its time is over ──▶ discarded ── everything is deleted ──▶ (none)
//! ```
//!
//! # Two writers
//!
//! A writer holds a lease with its own token, and each change of the draft names that token. Chunks do not
//! name it. But a writer that lost its lease cannot make a chunk count: only the lease's holder increases
//! `chunks`, and only after its own inserts succeeded. The index over a file's chunks is unique. So a late
//! chunk of a former writer is either deleted when the next writer begins, or makes an insert of the next
//! writer fail, and that writer begins again. A byte counts only if the writer that counts it has stored it.
//!
//! # What is durable
//!
//! Chunks are written with `w: 1` and the draft with `w: "majority"`, as everywhere in this crate. A majority
//! write also makes safe what the same primary wrote before it. If a rollback took chunks nevertheless, the
//! next reader of the draft counts too few, and the draft goes back to the chunks that are there.

mod ending;
mod writer;

use std::time::Duration;

use contracts::FileId;
use futures_util::TryStreamExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Document, doc};
use mongodb::options::{
    CollectionOptions, ReadConcern, ReadPreference, ReturnDocument, SelectionCriteria, WriteConcern,
};
use mongodb::{Collection, Database, IndexModel};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub use self::ending::DraftDiscarded;
pub use self::writer::{DraftWriter, Resumed};
use crate::file::{CHUNK_BYTES, file_id, object_id};
use crate::{MediaStore, StoreError};

/// A draft to create.
#[derive(Debug, Clone, Copy)]
pub struct NewDraft<'a> {
    /// The file's name.
    pub name: &'a str,
    /// Its media type.
    pub content_type: &'a str,
    /// Its length.
    pub bytes: u64,
    /// Its owner.
    pub owner: &'a str,
    /// The caller's own data, which is returned with the draft.
    pub about: &'a str,
    /// How long it is kept after its last change.
    pub lasts: Duration,
}

/// A file that may not be complete yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The identifier that the file will have.
    pub fid: FileId,
    /// The caller's own data, as it was given.
    pub about: String,
    /// The length of the complete file.
    pub bytes: u64,
    /// How many bytes are stored for good.
    pub offset: u64,
    /// Its state.
    pub state: DraftState,
    /// When it is deleted, unless it changes before; in whole milliseconds.
    pub expires_at: OffsetDateTime,
}

/// The state of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftState {
    /// Bytes are missing.
    Open,
    /// Every byte is there.
    Received,
    /// It is a file.
    Stored,
    /// It is a file, and the caller has recorded that it exists.
    Settled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredState {
    Open,
    Stored,
    Settled,
    Discarded,
}

impl StoredState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Stored => "stored",
            Self::Settled => "settled",
            Self::Discarded => "discarded",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DraftDocument {
    #[serde(rename = "_id")]
    id: ObjectId,
    state: StoredState,
    name: String,
    content_type: String,
    about: String,
    bytes: i64,
    /// How many whole chunks are stored.
    chunks: i32,
    /// The stored bytes of the next chunk.
    tail: Binary,
    is_received: bool,
    lease: Option<LeaseDocument>,
    expires_at: DateTime,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct LeaseDocument {
    token: ObjectId,
    until: DateTime,
    /// Whether another writer waits for the lease.
    #[serde(default)]
    is_wanted: bool,
}

impl DraftDocument {
    fn fid(&self) -> FileId {
        file_id(self.id)
    }

    fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or_default()
    }

    fn offset(&self) -> u64 {
        u64::try_from(self.chunks).unwrap_or_default() * u64::from(CHUNK_BYTES) + self.tail.bytes.len() as u64
    }
}

impl From<&DraftDocument> for Draft {
    fn from(document: &DraftDocument) -> Self {
        let state = match document.state {
            StoredState::Open | StoredState::Discarded if document.is_received => DraftState::Received,
            StoredState::Open | StoredState::Discarded => DraftState::Open,
            StoredState::Stored => DraftState::Stored,
            StoredState::Settled => DraftState::Settled,
        };
        let offset = match state {
            DraftState::Open => document.offset(),
            DraftState::Received | DraftState::Stored | DraftState::Settled => document.bytes(),
        };
        Self {
            fid: document.fid(),
            about: document.about.clone(),
            bytes: document.bytes(),
            offset,
            state,
            expires_at: document.expires_at.to_system_time().into(),
        }
    }
}

/// Collection `fs.drafts`.
pub(crate) fn collection(database: &Database) -> Collection<DraftDocument> {
    let options = CollectionOptions::builder()
        .write_concern(WriteConcern::majority())
        // A client must not be told an offset that a rollback could still take back.
        .read_concern(ReadConcern::majority())
        .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
        .build();
    database.collection_with_options("fs.drafts", options)
}

/// An update that sets these fields. It is a pipeline, so that they may be expressions.
fn set(fields: Document) -> Vec<Document> {
    vec![doc! { "$set": fields }]
}

fn in_state(fid: FileId, state: StoredState) -> Document {
    doc! { "_id": object_id(fid), "state": state.as_str() }
}

fn binary(bytes: Vec<u8>) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes }
}

/// An expression: when a draft that changes now expires.
fn kept() -> Document {
    doc! { "$add": ["$$NOW", "$lasts_ms"] }
}

impl MediaStore {
    pub(crate) async fn index_drafts(&self) -> Result<(), StoreError> {
        let by_state = IndexModel::builder().keys(doc! { "state": 1, "expires_at": 1 }).build();
        let by_owner = IndexModel::builder().keys(doc! { "owner": 1 }).build();
        let create = self.drafts.create_indexes([by_state, by_owner]);
        self.deadline.bound("index the drafts", create).await.map(drop)
    }

    /// The total length of the files that the owner has begun and not finished.
    pub async fn draft_bytes(&self, owner: &str) -> Result<u64, StoreError> {
        let open = doc! { "owner": owner, "state": StoredState::Open.as_str() };
        let pipeline =
            [doc! { "$match": open }, doc! { "$group": { "_id": null, "bytes": { "$sum": "$bytes" } } }];
        let sum = async { self.drafts.aggregate(pipeline).await?.try_next().await };
        let sum = self.deadline.bound("add up the drafts", sum).await?;
        let bytes = sum.and_then(|sum| sum.get_i64("bytes").ok()).unwrap_or_default();
        Ok(u64::try_from(bytes).unwrap_or_default())
    }

    /// Creates a draft: a file that may arrive in several parts.
    pub async fn begin_draft(&self, new: NewDraft<'_>) -> Result<Draft, StoreError> {
        let fields = doc! {
            "state": StoredState::Open.as_str(),
            "name": { "$literal": new.name },
            "content_type": { "$literal": new.content_type },
            "owner": { "$literal": new.owner },
            "about": { "$literal": new.about },
            "bytes": i64::try_from(new.bytes).unwrap_or(i64::MAX),
            "chunks": 0,
            "tail": binary(Vec::new()),
            "is_received": new.bytes == 0,
            "lasts_ms": i64::try_from(new.lasts.as_millis()).unwrap_or(i64::MAX),
        };
        let id = doc! { "_id": ObjectId::new() };
        // A stage of its own, because it refers to a field that the first stage sets.
        let stages = [set(fields), set(doc! { "expires_at": kept() })].concat();
        let insert = self.drafts.find_one_and_update(id, stages).upsert(true);
        let insert = insert.return_document(ReturnDocument::After);
        let inserted = self.deadline.bound("begin a draft", insert).await?;
        Ok(Draft::from(&inserted.ok_or(StoreError::Lost)?))
    }

    /// A draft as it is now; `None` if it does not exist.
    pub async fn draft(&self, fid: FileId) -> Result<Option<Draft>, StoreError> {
        let Some(mut document) = self.draft_document(fid).await? else { return Ok(None) };
        if document.state == StoredState::Open && !self.has_first_chunks(fid, document.chunks).await? {
            document.chunks = self.chunks_in_a_row(fid).await?.min(document.chunks);
            document.tail = binary(Vec::new());
            document.is_received = false;
        }
        Ok(Some(Draft::from(&document)))
    }

    /// Whether the file has a draft that is not settled: it is still arriving, or was just stored.
    pub async fn is_draft(&self, fid: FileId) -> Result<bool, StoreError> {
        let document = self.draft_document(fid).await?;
        Ok(document.is_some_and(|document| document.state != StoredState::Settled))
    }

    /// Complete drafts whose writer died: no writer holds them, and they are not settled. At most `limit`.
    pub async fn forsaken_drafts(&self, limit: u16) -> Result<Vec<FileId>, StoreError> {
        let filter = doc! {
            "state": { "$in": [StoredState::Open.as_str(), StoredState::Stored.as_str()] },
            "is_received": true,
            "$expr": is_free(),
        };
        self.find_drafts("look for forsaken drafts", filter, limit.into()).await
    }

    async fn find_drafts(
        &self,
        step: &'static str,
        filter: Document,
        limit: i64,
    ) -> Result<Vec<FileId>, StoreError> {
        let drafts = self.drafts.clone_with_type::<Document>();
        let query = drafts.find(filter).projection(doc! { "_id": 1 }).limit(limit);
        let found = async { query.await?.try_collect::<Vec<_>>().await };
        let found = self.deadline.bound(step, found).await?;
        Ok(found.iter().filter_map(|draft| draft.get_object_id("_id").ok().map(file_id)).collect())
    }

    async fn draft_document(&self, fid: FileId) -> Result<Option<DraftDocument>, StoreError> {
        let filter = doc! { "_id": object_id(fid), "state": { "$ne": StoredState::Discarded.as_str() } };
        self.deadline.bound("look up the draft", self.drafts.find_one(filter)).await
    }

    /// Changes a draft if it still matches the filter. Returns the changed draft.
    async fn change_draft(
        &self,
        step: &'static str,
        filter: Document,
        fields: Document,
    ) -> Result<Option<DraftDocument>, StoreError> {
        let update = self.drafts.find_one_and_update(filter, set(fields));
        self.deadline.bound(step, update.return_document(ReturnDocument::After)).await
    }

    async fn has_first_chunks(&self, fid: FileId, chunks: i32) -> Result<bool, StoreError> {
        if chunks == 0 {
            return Ok(true);
        }
        let count = self
            .chunks
            .count_documents(doc! { "files_id": object_id(fid), "n": { "$lt": chunks } })
            .read_concern(ReadConcern::majority());
        Ok(i32::try_from(self.deadline.bound("count the draft's chunks", count).await?) == Ok(chunks))
    }

    /// The number of chunks from the first one to the first gap.
    async fn chunks_in_a_row(&self, fid: FileId) -> Result<i32, StoreError> {
        let chunks = self.chunks.clone_with_type::<Document>();
        let query = chunks
            .find(doc! { "files_id": object_id(fid) })
            .projection(doc! { "_id": 0, "n": 1 })
            .sort(doc! { "n": 1 })
            .read_concern(ReadConcern::majority());
        let count = async {
            let mut found = query.await?;
            let mut next = 0;
            while found.try_next().await?.is_some_and(|chunk| chunk.get_i32("n").is_ok_and(|n| n == next)) {
                next += 1;
            }
            Ok(next)
        };
        self.deadline.bound("look for the draft's chunks", count).await
    }

    async fn delete_chunks_from(&self, fid: FileId, chunks: i32) -> Result<(), StoreError> {
        let behind = doc! { "files_id": object_id(fid), "n": { "$gte": chunks } };
        let delete = self.chunks.delete_many(behind);
        self.deadline.bound("delete what does not count of a draft", delete).await.map(drop)
    }
}

/// An expression: whether no writer holds the lease. A missing lease compares as less than every date.
fn is_free() -> Document {
    doc! { "$lt": ["$lease.until", "$$NOW"] }
}

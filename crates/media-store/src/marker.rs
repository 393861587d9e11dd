use std::time::Duration;

use contracts::FileId;
use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{
    Acknowledgment, CollectionOptions, IndexOptions, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Collection, Database, IndexModel};

use crate::StoreError;
use crate::deadline::Deadline;
use crate::file::{file_id, object_id};

/// How many markers one sweep handles. The rest waits for the next sweep.
const SWEEP_LIMIT: i64 = 1000;

/// What a marker in `fs.pending` says about the chunks of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkerState {
    /// They are being uploaded.
    Open,
    /// They are all there, and the file's document is being written.
    Finishing,
    /// They are a file that nothing seems to refer to. A sweeper is checking that.
    Doubted,
    /// They are being deleted.
    Sweeping,
}

impl MarkerState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Finishing => "finishing",
            Self::Doubted => "doubted",
            Self::Sweeping => "sweeping",
        }
    }
}

/// Collection `fs.pending`: `{_id: fid, state, touched_at}` for each file that is not settled.
#[derive(Clone)]
pub(crate) struct Markers {
    pending: Collection<Document>,
    pub(crate) deadline: Deadline,
}

impl Markers {
    pub(crate) fn new(database: &Database, deadline: Deadline) -> Self {
        // `w: 1` is enough for a write that no deletion relies on. A crash of the server loses later writes
        // first, so chunks never outlive their marker. An upload whose marker a rollback took cannot finish.
        let options = CollectionOptions::builder()
            .write_concern(one_node())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .build();
        Self { pending: database.collection_with_options("fs.pending", options), deadline }
    }

    pub(crate) async fn ensure_index(&self) -> Result<(), StoreError> {
        let by_state = IndexModel::builder().keys(doc! { "state": 1, "touched_at": 1 }).build();
        let sparse = IndexOptions::builder().sparse(true).build();
        let by_owner = IndexModel::builder().keys(doc! { "owner": 1 }).options(sparse).build();
        let create = self.pending.create_indexes([by_state, by_owner]);
        self.deadline.bound("index the upload markers", create).await.map(drop)
    }

    pub(crate) async fn open(&self, fid: FileId) -> Result<(), StoreError> {
        let update = self.pending.update_one(this(fid), become_now(MarkerState::Open)).upsert(true);
        self.deadline.bound("mark the upload as begun", update).await.map(drop)
    }

    pub(crate) async fn open_for(&self, fid: FileId, owner: &str, bytes: u64) -> Result<(), StoreError> {
        let mut fields = become_now(MarkerState::Open);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        fields.push(doc! { "$set": { "owner": { "$literal": owner }, "bytes": bytes } });
        let update = self.pending.update_one(this(fid), fields).upsert(true);
        self.deadline.bound("mark the upload as begun", update).await.map(drop)
    }

    /// Records that an upload has grown beyond its announced size.
    pub(crate) async fn grow(&self, fid: FileId, bytes: u64) -> Result<(), StoreError> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let update = self.pending.update_one(this(fid), doc! { "$max": { "bytes": bytes } });
        self.deadline.bound("note the upload's size", update).await.map(drop)
    }

    pub(crate) async fn bytes_of(&self, owner: &str) -> Result<u64, StoreError> {
        let states = [MarkerState::Open.as_str(), MarkerState::Finishing.as_str()];
        let mine = doc! { "owner": owner, "state": { "$in": states.as_slice() } };
        let pipeline =
            [doc! { "$match": mine }, doc! { "$group": { "_id": null, "bytes": { "$sum": "$bytes" } } }];
        let sum = async { self.pending.aggregate(pipeline).await?.try_next().await };
        let sum = self.deadline.bound("add up the uploads under way", sum).await?;
        let bytes = sum.and_then(|sum| sum.get_i64("bytes").ok()).unwrap_or_default();
        Ok(u64::try_from(bytes).unwrap_or_default())
    }

    /// Shows sweepers that the upload is alive.
    ///
    /// # Errors
    /// [`StoreError::Lost`] if a sweeper has already taken the marker.
    pub(crate) async fn touch(&self, fid: FileId) -> Result<(), StoreError> {
        self.advance("touch the upload's marker", fid, MarkerState::Open).await
    }

    /// # Errors
    /// [`StoreError::Lost`] if a sweeper has taken the marker.
    pub(crate) async fn start_finishing(&self, fid: FileId) -> Result<(), StoreError> {
        self.advance("mark the upload as finishing", fid, MarkerState::Finishing).await
    }

    async fn advance(&self, step: &'static str, fid: FileId, to: MarkerState) -> Result<(), StoreError> {
        let update = self.pending.update_one(in_state(fid, MarkerState::Open), become_now(to));
        let done = self.deadline.bound(step, update).await?;
        if done.matched_count == 1 { Ok(()) } else { Err(StoreError::Lost) }
    }

    /// Deletes the marker of a complete file. Returns whether it was still there.
    pub(crate) async fn release_finished(&self, fid: FileId) -> Result<bool, StoreError> {
        let delete = self.pending.delete_one(in_state(fid, MarkerState::Finishing));
        self.deadline.bound("take away the marker", delete).await.map(|done| done.deleted_count == 1)
    }

    /// Marks the file as one that may be deleted soon. `false`: it is being stored or deleted at this moment.
    pub(crate) async fn doubt(&self, fid: FileId) -> Result<bool, StoreError> {
        let doubt = self
            .pending
            .update_one(in_state(fid, MarkerState::Doubted), become_now(MarkerState::Doubted))
            .upsert(true)
            // Every reader must see the mark, even on a new primary.
            .write_concern(WriteConcern::majority());
        match self.deadline.bound("doubt a file", doubt).await {
            Ok(_) => Ok(true),
            // The file has a marker in another state.
            Err(error) if error.is_duplicate_key() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Decides that a doubted file is deleted. `false`: another process has already decided.
    pub(crate) async fn condemn(&self, fid: FileId) -> Result<bool, StoreError> {
        let update = self
            .pending
            .update_one(in_state(fid, MarkerState::Doubted), become_now(MarkerState::Sweeping))
            .write_concern(WriteConcern::majority());
        self.deadline.bound("condemn a file", update).await.map(|done| done.matched_count == 1)
    }

    /// Removes the doubt about a file.
    pub(crate) async fn acquit(&self, fid: FileId) -> Result<(), StoreError> {
        let delete = self.pending.delete_one(in_state(fid, MarkerState::Doubted));
        self.deadline.bound("take a doubt back", delete).await.map(drop)
    }

    /// Whether the file has a marker.
    pub(crate) async fn exists(&self, fid: FileId) -> Result<bool, StoreError> {
        let found = self.deadline.bound("look for a marker", self.pending.find_one(this(fid))).await?;
        Ok(found.is_some())
    }

    /// Announces that the file will be deleted, whatever state it is in.
    pub(crate) async fn start_sweeping(&self, fid: FileId) -> Result<(), StoreError> {
        let update = self
            .pending
            .update_one(this(fid), become_now(MarkerState::Sweeping))
            .upsert(true)
            // Must survive a change of primary: the deletion that it announces cannot be undone.
            .write_concern(WriteConcern::majority());
        self.deadline.bound("mark the file for deletion", update).await.map(drop)
    }

    pub(crate) async fn clear(&self, fid: FileId) -> Result<(), StoreError> {
        self.deadline.bound("take away the marker", self.pending.delete_one(this(fid))).await.map(drop)
    }

    /// The markers in this state that were not touched for this long, the oldest first.
    pub(crate) async fn stale(&self, state: MarkerState, age: Duration) -> Result<Vec<FileId>, StoreError> {
        let mut filter = doc! { "state": state.as_str() };
        filter.insert("$expr", older_than("$touched_at", age));
        let query = self
            .pending
            .find(filter)
            .projection(doc! { "_id": 1 })
            .sort(doc! { "touched_at": 1 })
            .limit(SWEEP_LIMIT);
        let markers = async { query.await?.try_collect::<Vec<_>>().await };
        let markers = self.deadline.bound("look for abandoned uploads", markers).await?;
        Ok(markers.iter().filter_map(|marker| marker.get_object_id("_id").ok().map(file_id)).collect())
    }

    /// Takes a stale marker for deletion. `false`: its upload came back, or another sweeper was quicker.
    pub(crate) async fn take_stale(
        &self,
        fid: FileId,
        state: MarkerState,
        age: Duration,
    ) -> Result<bool, StoreError> {
        let mut filter = in_state(fid, state);
        filter.insert("$expr", older_than("$touched_at", age));
        let update = self
            .pending
            .update_one(filter, become_now(MarkerState::Sweeping))
            .write_concern(WriteConcern::majority());
        self.deadline.bound("take over an abandoned upload", update).await.map(|done| done.matched_count == 1)
    }
}

/// The primary acknowledges the write before it is in the journal.
pub(crate) fn one_node() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Nodes(1)).build()
}

/// An expression: whether the date in this field is at least this old by the server's clock.
pub(crate) fn older_than(field: &str, age: Duration) -> Bson {
    let milliseconds = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    doc! { "$lte": [field, { "$subtract": ["$$NOW", milliseconds] }] }.into()
}

fn this(fid: FileId) -> Document {
    doc! { "_id": object_id(fid) }
}

fn in_state(fid: FileId, state: MarkerState) -> Document {
    doc! { "_id": object_id(fid), "state": state.as_str() }
}

fn become_now(state: MarkerState) -> Vec<Document> {
    vec![doc! { "$set": { "state": state.as_str(), "touched_at": "$$NOW" } }]
}

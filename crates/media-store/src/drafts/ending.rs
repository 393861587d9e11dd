use contracts::FileId;
use mongodb::bson::doc;
use mongodb::bson::oid::ObjectId;
use mongodb::options::ReturnDocument;

use super::writer::{held_by, lease_end};
use super::{DraftDocument, StoredState, binary, in_state, is_free, kept, set};
use crate::chunks::ChunkWriter;
use crate::file::object_id;
use crate::finish::Description;
use crate::{MediaStore, StoreError, StoredFile};

/// The result of discarding a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftDiscarded {
    /// The draft is deleted, with everything that was stored of it.
    Deleted,
    /// The draft had become a file. The file stays; the draft's document is deleted.
    Forgotten,
    /// The draft is becoming a file at this moment.
    Busy,
    /// The draft does not exist.
    Gone,
}

/// How many drafts one sweep handles. The rest waits for the next sweep.
const SWEEP_LIMIT: i64 = 1000;

impl MediaStore {
    /// Makes a complete draft a file, if its writer died before it could. `None`: there is nothing to do, or
    /// another writer holds the draft.
    pub async fn finish_draft(&self, fid: FileId) -> Result<Option<StoredFile>, StoreError> {
        let filter = doc! {
            "_id": object_id(fid),
            "state": { "$in": [StoredState::Open.as_str(), StoredState::Stored.as_str()] },
            "is_received": true,
        };
        let Some((token, document)) = self.take_draft(filter).await? else { return Ok(None) };
        if !document.is_received {
            return Ok(None);
        }
        self.complete_draft(token, &document).await.map(Some)
    }

    /// Makes a complete draft a file. A writer that died may already have done any of the steps.
    pub(super) async fn complete_draft(
        &self,
        token: ObjectId,
        document: &DraftDocument,
    ) -> Result<StoredFile, StoreError> {
        let fid = document.fid();
        if document.state == StoredState::Open {
            let tail = &document.tail.bytes;
            ChunkWriter::behind(self.clone(), fid, document.chunks, tail).flush().await?;
            let description = Description {
                name: &document.name,
                content_type: &document.content_type,
                bytes: document.bytes(),
                sidecar: None,
                picture: None,
                right: None,
            };
            let file = self.describe(fid, &description).await?;
            if !self.has_every_chunk(&file).await? {
                // The next writer that takes the draft finds out which chunks are left. The description
                // stays: another writer may have been quicker, and then the description is that writer's.
                return Err(StoreError::Incomplete);
            }
            let fields = doc! {
                "state": StoredState::Stored.as_str(),
                "tail": binary(Vec::new()),
                "lease.until": lease_end(),
            };
            let stored = self.change_draft("make a draft a file", held_by(fid, token), fields).await?;
            stored.ok_or(StoreError::Taken)?;
            return Ok(file);
        }
        let file = self.open(fid).await?;
        if file.is_none() {
            // The file was in use already, and has been deleted since.
            self.settle_draft(fid).await?;
        }
        file.ok_or(StoreError::Lost)
    }

    /// Marks a stored draft as settled: the caller has recorded that the file exists.
    pub async fn settle_draft(&self, fid: FileId) -> Result<(), StoreError> {
        let fields =
            doc! { "state": StoredState::Settled.as_str(), "lease": "$$REMOVE", "expires_at": kept() };
        self.change_draft("settle a draft", in_state(fid, StoredState::Stored), fields).await.map(drop)
    }

    /// Deletes a draft and everything that is stored of it. [`Self::sweep_drafts`] deletes what a crash
    /// leaves.
    pub async fn discard_draft(&self, fid: FileId) -> Result<DraftDiscarded, StoreError> {
        let mut unfinished = in_state(fid, StoredState::Open);
        unfinished.insert("is_received", false);
        let discard = self
            .drafts
            .find_one_and_update(unfinished, set(doc! { "state": StoredState::Discarded.as_str() }));
        let discard = discard.return_document(ReturnDocument::Before);
        if let Some(before) = self.deadline.bound("discard a draft", discard).await? {
            self.delete_draft(fid, before.lease.is_some()).await?;
            return Ok(DraftDiscarded::Deleted);
        }
        let forget = self.drafts.delete_one(in_state(fid, StoredState::Settled));
        if self.deadline.bound("forget a draft", forget).await?.deleted_count == 1 {
            return Ok(DraftDiscarded::Forgotten);
        }
        let is_there = self.draft_document(fid).await?.is_some();
        Ok(if is_there { DraftDiscarded::Busy } else { DraftDiscarded::Gone })
    }

    /// Deletes an owner's unfinished drafts, and the documents of settled ones. `false`: there are more, or
    /// one is about to become a file. Then the caller must call again.
    pub async fn discard_drafts_of(&self, owner: &str) -> Result<bool, StoreError> {
        let found =
            self.find_drafts("look for an owner's drafts", doc! { "owner": owner }, SWEEP_LIMIT).await?;
        let mut is_done = i64::try_from(found.len()).is_ok_and(|count| count < SWEEP_LIMIT);
        for fid in found {
            match self.discard_draft(fid).await? {
                DraftDiscarded::Deleted | DraftDiscarded::Forgotten | DraftDiscarded::Gone => {}
                DraftDiscarded::Busy => is_done = false,
            }
        }
        Ok(is_done)
    }

    /// Returns the owners among these who have a draft.
    pub async fn owners_with_drafts(&self, owners: &[String]) -> Result<Vec<String>, StoreError> {
        let query = self.drafts.distinct("owner", doc! { "owner": { "$in": owners } });
        let found = self.deadline.bound("look for owners of drafts", query).await?;
        Ok(found.iter().filter_map(|owner| owner.as_str().map(str::to_owned)).collect())
    }

    async fn delete_draft(&self, fid: FileId, may_be_written: bool) -> Result<(), StoreError> {
        if may_be_written {
            // A writer may still be writing, or its last inserts may be in flight. The marker makes the
            // sweeper delete once more.
            self.delete_for_now(fid).await?;
        } else {
            self.delete(fid).await?;
        }
        // Last: without this document no sweep would look for what is left.
        let delete = self.drafts.delete_one(in_state(fid, StoredState::Discarded));
        self.deadline.bound("delete a draft", delete).await.map(drop)
    }

    /// Deletes expired drafts, and what a crash left of discarded ones. Returns their number. Two sweepers
    /// may run at once.
    pub async fn sweep_drafts(&self) -> Result<u64, StoreError> {
        let is_over = doc! { "$lt": ["$expires_at", "$$NOW"] };
        let mut swept = 0;

        let forgotten = doc! { "state": StoredState::Settled.as_str(), "$expr": &is_over };
        let forget = self.drafts.delete_many(forgotten);
        self.deadline.bound("forget old drafts", forget).await?;

        let expired = doc! {
            "state": StoredState::Open.as_str(),
            "is_received": false,
            "$expr": { "$and": [&is_over, is_free()] },
        };
        for fid in self.find_drafts("look for old drafts", expired.clone(), SWEEP_LIMIT).await? {
            let mut still = expired.clone();
            still.insert("_id", object_id(fid));
            let fields = doc! { "state": StoredState::Discarded.as_str() };
            self.change_draft("discard an old draft", still, fields).await?;
        }
        let discarded = doc! { "state": StoredState::Discarded.as_str() };
        for fid in self.find_drafts("look for discarded drafts", discarded, SWEEP_LIMIT).await? {
            let draft = self.drafts.find_one(in_state(fid, StoredState::Discarded));
            let Some(draft) = self.deadline.bound("look up the draft", draft).await? else { continue };
            self.delete_draft(fid, draft.lease.is_some()).await?;
            swept += 1;
        }
        Ok(swept)
    }
}

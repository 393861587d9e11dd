use std::time::Duration;

use contracts::FileId;
use mongodb::bson::doc;

use crate::file::object_id;
use crate::marker::MarkerState;
use crate::{MediaStore, StoreError};

impl MediaStore {
    /// Deletes a file, if it exists. [`sweep_unfinished`](Self::sweep_unfinished) deletes what a crash leaves
    /// of it.
    pub async fn delete(&self, fid: FileId) -> Result<(), StoreError> {
        self.delete_for_now(fid).await?;
        // Last: without the marker no sweeper would look for what is left.
        self.markers.clear(fid).await
    }

    /// Deletes a file that nothing seems to refer to, unless `is_needed` finds a reference. Returns whether
    /// the file was deleted.
    ///
    /// `is_needed` runs after a mark is set that [`is_kept`](Self::is_kept) sees. So if one process is about
    /// to delete the file and another has just referred to it, at least one of them notices the other,
    /// however long either was delayed before.
    pub async fn delete_unless<E: From<StoreError>>(
        &self,
        fid: FileId,
        is_needed: impl Future<Output = Result<bool, E>>,
    ) -> Result<bool, E> {
        if !self.markers.doubt(fid).await? {
            return Ok(false);
        }
        if is_needed.await? {
            self.markers.acquit(fid).await?;
            return Ok(false);
        }
        if !self.markers.condemn(fid).await? {
            return Ok(false);
        }
        self.delete_documents(fid).await?;
        self.markers.clear(fid).await?;
        Ok(true)
    }

    /// Whether a file that was just referred to exists, and no process is about to delete it. If not, take
    /// the reference back.
    pub async fn is_kept(&self, fid: FileId) -> Result<bool, StoreError> {
        // The mark is checked first: a deletion removes the mark only after the file.
        Ok(!self.markers.exists(fid).await? && self.open(fid).await?.is_some())
    }

    /// Deletes a file, but leaves the marker, so that a sweeper deletes what may arrive late.
    pub(crate) async fn delete_for_now(&self, fid: FileId) -> Result<(), StoreError> {
        self.markers.start_sweeping(fid).await?;
        self.delete_documents(fid).await
    }

    /// Deletes what uploads and deletions left that made no progress for this long. Returns the number of
    /// files.
    ///
    /// The age must exceed every pause that an upload may make: at least 15 minutes. Two sweepers may run at
    /// once.
    pub async fn sweep_unfinished(&self, older_than: Duration) -> Result<u64, StoreError> {
        let mut swept = 0;
        // Their sweeper died between the doubt and the decision.
        for fid in self.markers.stale(MarkerState::Doubted, older_than).await? {
            self.markers.acquit(fid).await?;
        }
        for state in [MarkerState::Finishing, MarkerState::Open, MarkerState::Sweeping] {
            for fid in self.markers.stale(state, older_than).await? {
                swept += u64::from(self.sweep(fid, state, older_than).await?);
            }
        }
        Ok(swept)
    }

    async fn sweep(&self, fid: FileId, state: MarkerState, older_than: Duration) -> Result<bool, StoreError> {
        if state == MarkerState::Finishing && self.is_whole(fid).await? {
            // The uploader may have been told that the file is stored: the marker is deleted with `w: 1`, and
            // a rollback brings it back. If the uploader was not told, nothing refers to the file, and the
            // sweep of orphaned files finds it.
            self.markers.release_finished(fid).await?;
            return Ok(false);
        }
        if !self.markers.take_stale(fid, state, older_than).await? {
            return Ok(false);
        }
        self.delete_documents(fid).await?;
        self.markers.clear(fid).await?;
        Ok(true)
    }

    async fn delete_documents(&self, fid: FileId) -> Result<(), StoreError> {
        // The description first, so that no reader opens a file that is losing its chunks.
        let description = self.files.delete_one(doc! { "_id": object_id(fid) });
        self.deadline.bound("delete the file's description", description).await?;
        let chunks = self.chunks.delete_many(doc! { "files_id": object_id(fid) });
        self.deadline.bound("delete the file's bytes", chunks).await.map(drop)
    }
}

use bytes::Bytes;
use contracts::FileId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, doc};
use mongodb::options::{ReadConcern, ReturnDocument};

use crate::file::{CHUNK_BYTES, PICTURE, RIGHT, SIDECAR, object_id, without_attachments};
use crate::{MediaStore, StoreError, StoredFile, Upload};

impl Upload {
    /// Makes the upload a file. When it returns, the file survives the loss of any minority of the nodes.
    ///
    /// On an error the upload is discarded.
    ///
    /// # Errors
    /// [`StoreError::Lost`] if a sweeper considered the upload abandoned, [`StoreError::Incomplete`] if an
    /// earlier write failed or MongoDB lost bytes in a rollback.
    pub async fn finish(mut self) -> Result<StoredFile, StoreError> {
        self.chunks.flush().await?;
        let finished = self.settle().await;
        let file = self.chunks.doubt_if_unclear(finished)?;
        self.is_settled = true;
        Ok(file)
    }

    async fn settle(&self) -> Result<StoredFile, StoreError> {
        let Self { store, fid, .. } = self;
        store.markers.start_finishing(*fid).await?;
        let description = Description {
            name: &self.name,
            content_type: &self.content_type,
            bytes: self.bytes,
            sidecar: self.sidecar.as_ref(),
            picture: self.picture.as_ref(),
            right: self.right.as_deref(),
        };
        let file = store.describe(*fid, &description).await?;
        // Counted after the description, which the majority has acknowledged: see the crate's documentation.
        if !store.has_every_chunk(&file).await? {
            return Err(StoreError::Incomplete);
        }
        // Decides between us and a sweeper: one that came in between has changed the state, and deletes the
        // file.
        if !store.markers.release_finished(*fid).await? {
            return Err(StoreError::Lost);
        }
        Ok(file)
    }
}

/// The description that makes chunks a file.
pub(crate) struct Description<'a> {
    pub(crate) name: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) bytes: u64,
    pub(crate) sidecar: Option<&'a Bytes>,
    pub(crate) picture: Option<&'a Bytes>,
    pub(crate) right: Option<&'a str>,
}

impl MediaStore {
    /// Writes the document of `fs.files`, dated by the server's clock.
    pub(crate) async fn describe(
        &self,
        fid: FileId,
        what: &Description<'_>,
    ) -> Result<StoredFile, StoreError> {
        let length = i64::try_from(what.bytes).unwrap_or(i64::MAX);
        // An upsert, because only an update can use `$$NOW`. Texts are literal: one that begins with `$`
        // would be taken for a field.
        let mut metadata = doc! { "contentType": { "$literal": what.content_type } };
        for (field, bytes) in [(SIDECAR, what.sidecar), (PICTURE, what.picture)] {
            if let Some(bytes) = bytes {
                metadata.insert(field, Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() });
            }
        }
        if let Some(right) = what.right {
            metadata.insert(RIGHT, doc! { "$literal": right });
        }
        let description = doc! { "$set": {
            "length": length,
            "chunkSize": CHUNK_BYTES,
            "uploadDate": "$$NOW",
            "filename": { "$literal": what.name },
            "metadata": metadata,
        } };
        let write = self
            .files
            .find_one_and_update(doc! { "_id": object_id(fid) }, vec![description])
            .upsert(true)
            .projection(without_attachments())
            .return_document(ReturnDocument::After);
        let written = self.deadline.bound("store the file's description", write).await?;
        StoredFile::parse(fid, &written.unwrap_or_default())
    }

    pub(crate) async fn has_every_chunk(&self, file: &StoredFile) -> Result<bool, StoreError> {
        let count = self
            .chunks
            .count_documents(doc! { "files_id": object_id(file.fid) })
            // Chunks that only a deposed primary still has must not count.
            .read_concern(ReadConcern::majority());
        Ok(self.deadline.bound("count the file's chunks", count).await? == file.chunks())
    }

    /// Whether the file has a description and all its chunks.
    pub(crate) async fn is_whole(&self, fid: FileId) -> Result<bool, StoreError> {
        match self.open(fid).await? {
            Some(file) => self.has_every_chunk(&file).await,
            None => Ok(false),
        }
    }
}

use std::time::Duration;

use bytes::Bytes;
use contracts::FileId;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use tokio::time::{Instant, sleep};

use super::{Draft, DraftDocument, StoredState, binary, in_state, is_free, kept};
use crate::chunks::{CHUNK, ChunkWriter};
use crate::{MediaStore, StoreError, StoredFile};

/// How long a lease lasts without a [`DraftWriter::tick`]. Long enough for a few late ticks.
const LEASE: Duration = Duration::from_secs(10);

/// How long the next writer waits for the one before: until that writer has noticed the request, or its lease
/// has run out.
const TAKEOVER_PATIENCE: Duration = Duration::from_secs(13);

/// How often the waiting writer looks.
const TAKEOVER_POLL: Duration = Duration::from_millis(100);

/// The result of resuming a draft.
#[derive(Debug)]
pub enum Resumed {
    /// The caller holds the lease and may write.
    Writing(Box<DraftWriter>),
    /// The draft is at another offset.
    Elsewhere(u64),
    /// Every byte is there already.
    Complete(Draft),
    /// Another writer holds the lease, and did not give it back in time.
    Busy,
    /// The draft does not exist.
    Gone,
}

/// The right to write a draft, until it is given back or runs out. Written bytes count only after a
/// [`DraftWriter::tick`], a [`DraftWriter::pause`] or a [`DraftWriter::finish`].
#[must_use = "what was written counts when the writer pauses"]
pub struct DraftWriter {
    store: MediaStore,
    fid: FileId,
    token: ObjectId,
    chunks: ChunkWriter,
    /// The number of chunks that counted when this writer began.
    first_chunks: i32,
    offset: u64,
    bytes: u64,
    counts_at_once: bool,
}

impl std::fmt::Debug for DraftWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DraftWriter")
            .field("fid", &self.fid)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl MediaStore {
    /// Resumes a draft at this offset. If another writer holds it, asks that writer to stop and waits for it.
    pub async fn resume_draft(&self, fid: FileId, offset: u64) -> Result<Resumed, StoreError> {
        let deadline = Instant::now() + TAKEOVER_PATIENCE;
        loop {
            let Some(document) = self.draft_document(fid).await? else { return Ok(Resumed::Gone) };
            let draft = Draft::from(&document);
            if document.state != StoredState::Open || document.is_received {
                return Ok(if offset == draft.bytes {
                    Resumed::Complete(draft)
                } else {
                    Resumed::Elsewhere(draft.bytes)
                });
            }
            // A client with a wrong offset must not interrupt the current writer.
            if offset != draft.offset {
                return Ok(Resumed::Elsewhere(draft.offset));
            }
            if let Some((token, document)) = self.take_draft(in_state(fid, StoredState::Open)).await? {
                let writer = DraftWriter::new(self, token, &document);
                if document.is_received || writer.offset != offset {
                    let offset = writer.offset;
                    writer.release().await?;
                    return Ok(Resumed::Elsewhere(offset));
                }
                return Ok(Resumed::Writing(Box::new(writer)));
            }
            if Instant::now() > deadline {
                return Ok(Resumed::Busy);
            }
            // The filter names the token: if the lease was given back meanwhile, the update would create one
            // without a holder.
            let held = doc! { "_id": document.id, "lease.token": { "$exists": true } };
            let wish = self.drafts.update_one(held, doc! { "$set": { "lease.is_wanted": true } });
            self.deadline.bound("ask for a draft", wish).await?;
            sleep(TAKEOVER_POLL).await;
        }
    }

    /// Takes the lease if it is free, and repairs the draft: afterwards the stored chunks are exactly those
    /// that count.
    pub(super) async fn take_draft(
        &self,
        mut filter: Document,
    ) -> Result<Option<(ObjectId, DraftDocument)>, StoreError> {
        let token = ObjectId::new();
        filter.insert("$expr", is_free());
        let lease = doc! { "lease": { "$literal": { "token": token } }, "expires_at": kept() };
        let stages = vec![doc! { "$set": lease }, doc! { "$set": { "lease.until": lease_end() } }];
        let take = self.drafts.find_one_and_update(filter, stages);
        let take = take.return_document(mongodb::options::ReturnDocument::After);
        let document = self.deadline.bound("take a draft", take).await?;
        let Some(mut document) = document else { return Ok(None) };
        if document.state != StoredState::Open {
            return Ok(Some((token, document)));
        }
        let fid = document.fid();
        if !self.has_first_chunks(fid, document.chunks).await? {
            let chunks = self.chunks_in_a_row(fid).await?.min(document.chunks);
            tracing::warn!(file.id = %fid, counted = document.chunks, chunks, "chunks of a draft were lost");
            let fields = doc! { "chunks": chunks, "tail": binary(Vec::new()), "is_received": false };
            let mended = self.change_draft("mend a draft", held_by(fid, token), fields).await?;
            document = mended.ok_or(StoreError::Taken)?;
        }
        self.delete_chunks_from(fid, document.chunks).await?;
        Ok(Some((token, document)))
    }
}

impl DraftWriter {
    fn new(store: &MediaStore, token: ObjectId, document: &DraftDocument) -> Self {
        let (fid, chunks) = (document.fid(), document.chunks);
        Self {
            store: store.clone(),
            fid,
            token,
            chunks: ChunkWriter::behind(store.clone(), fid, chunks, &document.tail.bytes),
            first_chunks: chunks,
            offset: document.offset(),
            bytes: document.bytes(),
            counts_at_once: true,
        }
    }

    /// How often to call [`DraftWriter::tick`].
    pub const TICK: Duration = Duration::from_secs(1);

    /// How many bytes of the file have been accepted.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes of the file are missing.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.bytes.saturating_sub(self.offset)
    }

    /// Makes written bytes count only at the end, so that [`DraftWriter::undo`] can delete them.
    pub fn counting_at_the_end(mut self) -> Self {
        self.counts_at_once = false;
        self
    }

    /// Appends to the draft. Returns when the bytes are buffered or in flight. Waits while too many are in
    /// flight.
    ///
    /// After an error, or if the future is dropped before it ends, nothing more can be written.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] beyond the file's end.
    pub async fn write(&mut self, data: Bytes) -> Result<(), StoreError> {
        let length = data.len() as u64;
        if length > self.missing() {
            return Err(StoreError::Incomplete);
        }
        self.chunks.begin_step()?;
        self.chunks.append(data).await?;
        self.offset += length;
        self.chunks.end_step();
        Ok(())
    }

    /// Renews the lease, and counts what is stored by now. Returns whether another writer waits for the
    /// draft.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if another writer has the draft, [`StoreError::Lost`] if it was discarded.
    pub async fn tick(&mut self) -> Result<bool, StoreError> {
        let mut fields = doc! { "lease.until": lease_end(), "expires_at": kept() };
        let chunks = self.chunks.chunks_stored().await?;
        if self.counts_at_once && chunks > self.first_chunks {
            fields.insert("chunks", chunks);
            fields.insert("tail", binary(Vec::new()));
        }
        let document = self.change(fields).await?;
        Ok(document.lease.is_some_and(|lease| lease.is_wanted))
    }

    /// Counts everything that was accepted, and gives the lease back.
    pub async fn pause(mut self) -> Result<Draft, StoreError> {
        let mut fields = self.everything().await?;
        fields.insert("lease", "$$REMOVE");
        Ok(Draft::from(&self.change(fields).await?))
    }

    /// Deletes everything that was written and does not count yet, and gives the lease back.
    pub async fn undo(mut self) -> Result<(), StoreError> {
        if self.chunks.take_rest().has_come().await {
            // Fails if another writer has the lease: its chunks are not ours to delete.
            self.change(doc! { "lease.until": lease_end() }).await?;
            self.store.delete_chunks_from(self.fid, self.first_chunks).await?;
            self.release().await?;
        }
        // Otherwise the lease runs out, and the next writer deletes what has arrived by then.
        Ok(())
    }

    /// Makes the draft a file, which survives the loss of any minority of the nodes.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] if bytes are missing. After any error the draft is as complete as before.
    pub async fn finish(mut self) -> Result<StoredFile, StoreError> {
        if self.missing() > 0 {
            return Err(StoreError::Incomplete);
        }
        let mut fields = self.everything().await?;
        fields.insert("lease.until", lease_end());
        let document = self.change(fields).await?;
        self.store.complete_draft(self.token, &document).await
    }

    async fn everything(&mut self) -> Result<Document, StoreError> {
        let tail = self.chunks.flush_full_chunks().await?;
        let chunks = self.chunks.chunks_stored().await?;
        debug_assert_eq!(self.offset, u64::try_from(chunks).unwrap_or(0) * CHUNK as u64 + tail.len() as u64);
        let is_received = self.missing() == 0;
        Ok(doc! { "chunks": chunks, "tail": binary(tail), "is_received": is_received, "expires_at": kept() })
    }

    async fn release(mut self) -> Result<(), StoreError> {
        self.change(doc! { "lease": "$$REMOVE" }).await.map(drop)
    }

    async fn change(&mut self, fields: Document) -> Result<DraftDocument, StoreError> {
        let changed =
            self.store.change_draft("go on with a draft", held_by(self.fid, self.token), fields).await?;
        if let Some(document) = changed {
            return Ok(document);
        }
        if self.store.draft_document(self.fid).await?.is_some() {
            return Err(StoreError::Taken);
        }
        // The draft was discarded while we wrote, so what arrived after that deletion is ours to delete. The
        // exception: another writer made it a file, and the draft's document was deleted since.
        self.chunks.take_rest().has_come().await;
        if self.store.open(self.fid).await?.is_none() {
            self.store.delete_for_now(self.fid).await?;
        }
        Err(StoreError::Lost)
    }
}

pub(super) fn held_by(fid: FileId, token: ObjectId) -> Document {
    let mut filter = in_state(fid, StoredState::Open);
    filter.insert("lease.token", token);
    filter
}

pub(super) fn lease_end() -> Document {
    doc! { "$add": ["$$NOW", i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)] }
}

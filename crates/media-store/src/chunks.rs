use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;
use contracts::FileId;
use mongodb::bson::RawBinaryRef;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use serde::{Serialize, Serializer};
use tokio::task::JoinHandle;

use crate::file::{CHUNK_BYTES, object_id};
use crate::marker::one_node;
use crate::{MediaStore, StoreError};

pub(crate) const CHUNK: usize = CHUNK_BYTES as usize;

/// The bytes of one insert. Measured: four chunks were no faster, and one was slower.
const BATCH: usize = 2 * CHUNK;

const FIRST_ROOM: usize = 64 << 10;

/// How many inserts of one upload are in flight at once. With more than one, the server already has the next
/// batch when it has written one. Measured: more than three gained nothing.
const INSERTS_IN_FLIGHT: usize = 3;

/// A chunk as `fs.chunks` holds it.
#[derive(Serialize)]
struct Chunk {
    _id: ObjectId,
    files_id: ObjectId,
    n: i32,
    #[serde(serialize_with = "as_binary")]
    data: Bytes,
}

/// A batch that is being inserted.
struct Insert {
    /// The number of chunks up to the end of this batch.
    chunks: i32,
    task: JoinHandle<Result<(), StoreError>>,
}

/// Writes a file's chunks in order, with a few inserts in flight.
pub(crate) struct ChunkWriter {
    store: MediaStore,
    fid: FileId,
    /// Less than a batch. Emptied when it is sent.
    buffer: Vec<u8>,
    chunks_sent: i32,
    /// How many chunks, counted from the first, are known to be stored.
    chunks_stored: i32,
    inserts: VecDeque<Insert>,
    /// Whether every accepted byte is in the buffer, in flight or stored. Stays false after a write failed or
    /// was cancelled half-way: a file with a gap must not look complete.
    is_gapless: bool,
    /// Whether the fate of everything sent is known: it took effect, or it never will.
    is_certain: bool,
}

impl ChunkWriter {
    /// Continues after this many whole chunks. `beginning` holds the first bytes of the next one.
    pub(crate) fn behind(store: MediaStore, fid: FileId, chunks: i32, beginning: &[u8]) -> Self {
        Self {
            store,
            fid,
            buffer: beginning.to_vec(),
            chunks_sent: chunks,
            chunks_stored: chunks,
            inserts: VecDeque::new(),
            is_gapless: true,
            is_certain: true,
        }
    }

    /// Call this before a step that takes bytes and may fail or be cancelled in the middle, and
    /// [`Self::end_step`] after it. Without the `end_step` every later step is refused.
    pub(crate) fn begin_step(&mut self) -> Result<(), StoreError> {
        if mem::replace(&mut self.is_gapless, false) { Ok(()) } else { Err(StoreError::Incomplete) }
    }

    pub(crate) fn end_step(&mut self) {
        self.is_gapless = true;
    }

    /// Takes bytes, within a step. Waits while too many inserts are in flight.
    pub(crate) async fn append(&mut self, mut data: Bytes) -> Result<(), StoreError> {
        while !data.is_empty() {
            self.make_room();
            let piece = data.split_to(data.len().min(self.buffer.capacity().min(BATCH) - self.buffer.len()));
            self.buffer.extend_from_slice(&piece);
            if self.buffer.len() == BATCH {
                self.send_buffer().await?;
            }
        }
        Ok(())
    }

    /// Grows the buffer with the bytes that arrive, so that an upload that has hardly begun uses little
    /// memory.
    fn make_room(&mut self) {
        if self.buffer.len() == self.buffer.capacity() {
            let room = (self.buffer.len() * 2).clamp(FIRST_ROOM, BATCH);
            self.buffer.reserve_exact(room - self.buffer.len());
        }
    }

    /// Waits until every byte has reached the server, including a last chunk that is not full.
    pub(crate) async fn flush(&mut self) -> Result<(), StoreError> {
        self.begin_step()?;
        if !self.buffer.is_empty() {
            self.send_buffer().await?;
        }
        self.join_inserts().await?;
        self.end_step();
        Ok(())
    }

    /// Waits until every full chunk has reached the server, and returns the bytes that are left.
    pub(crate) async fn flush_full_chunks(&mut self) -> Result<Vec<u8>, StoreError> {
        self.begin_step()?;
        let rest = self.buffer.split_off(self.buffer.len() / CHUNK * CHUNK);
        if !self.buffer.is_empty() {
            self.send_buffer().await?;
        }
        self.join_inserts().await?;
        self.end_step();
        Ok(rest)
    }

    /// How many chunks, counted from the first, are known to be stored by now.
    pub(crate) async fn chunks_stored(&mut self) -> Result<i32, StoreError> {
        while self.inserts.front().is_some_and(|insert| insert.task.is_finished()) {
            self.join_oldest_insert().await?;
        }
        Ok(self.chunks_stored)
    }

    async fn send_buffer(&mut self) -> Result<(), StoreError> {
        while self.inserts.len() >= INSERTS_IN_FLIGHT {
            self.join_oldest_insert().await?;
        }
        let permits = self.store.insert_permits.clone();
        // Each holder of a permit has a deadline, but a long queue of holders could outlast our caller's
        // timeout.
        let permit = self.store.deadline.wait("store the file's bytes", permits.acquire_owned()).await?;
        let batch = Bytes::from(mem::take(&mut self.buffer));
        let documents = chunks_of(&batch, object_id(self.fid), self.chunks_sent);
        self.chunks_sent += i32::try_from(documents.len()).unwrap_or(i32::MAX);
        let chunks = self.store.chunks.clone_with_type::<Chunk>();
        let deadline = self.store.deadline;
        // A task of its own, so that the insert goes on while a slow client sends the next bytes. The task
        // also runs to its end if the upload is dropped: the server may still carry out a cancelled insert
        // after everything else was deleted.
        let task = self.store.tasks.spawn(async move {
            let insert = chunks.insert_many(documents).write_concern(one_node());
            let inserted = deadline.bound("store the file's bytes", insert).await;
            drop(permit);
            inserted.map(drop)
        });
        self.inserts.push_back(Insert { chunks: self.chunks_sent, task });
        Ok(())
    }

    async fn join_inserts(&mut self) -> Result<(), StoreError> {
        while !self.inserts.is_empty() {
            self.join_oldest_insert().await?;
        }
        Ok(())
    }

    async fn join_oldest_insert(&mut self) -> Result<(), StoreError> {
        let Some(insert) = self.inserts.front_mut() else { return Ok(()) };
        // Awaited while it is still in the queue: if this future is dropped, the insert must remain there to
        // be awaited again.
        let inserted = joined((&mut insert.task).await);
        let chunks = insert.chunks;
        self.inserts.pop_front();
        self.doubt_if_unclear(inserted)?;
        self.chunks_stored = chunks;
        Ok(())
    }

    /// Returns the result, and records whether the step may still take effect later.
    pub(crate) fn doubt_if_unclear<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.is_certain &= !result.as_ref().is_err_and(StoreError::leaves_doubt);
        result
    }

    /// The inserts in flight. A deletion must wait for them.
    pub(crate) fn take_rest(&mut self) -> Rest {
        Rest { inserts: mem::take(&mut self.inserts), is_certain: self.is_certain }
    }
}

/// The inserts of an abandoned upload that are still in flight.
pub(crate) struct Rest {
    inserts: VecDeque<Insert>,
    is_certain: bool,
}

impl Rest {
    /// Waits for the inserts. Returns whether it is certain that no chunk can arrive later.
    pub(crate) async fn has_come(self) -> bool {
        let mut is_certain = self.is_certain;
        for insert in self.inserts {
            is_certain &= !joined(insert.task.await).is_err_and(|error| error.leaves_doubt());
        }
        is_certain
    }
}

fn chunks_of(batch: &Bytes, files_id: ObjectId, first: i32) -> Vec<Chunk> {
    let starts = (0..batch.len()).step_by(CHUNK);
    let chunk = |(n, start)| {
        let data = batch.slice(start..batch.len().min(start + CHUNK));
        Chunk { _id: ObjectId::new(), files_id, n, data }
    };
    (first..).zip(starts).map(chunk).collect()
}

fn as_binary<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    RawBinaryRef { subtype: BinarySubtype::Generic, bytes }.serialize(serializer)
}

fn joined(insert: Result<Result<(), StoreError>, tokio::task::JoinError>) -> Result<(), StoreError> {
    insert.unwrap_or_else(|error| {
        Err(StoreError::Unavailable { step: "store the file's bytes", source: Box::new(error) })
    })
}

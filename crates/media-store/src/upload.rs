use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;
use contracts::FileId;
use mongodb::bson::RawBinaryRef;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use serde::{Serialize, Serializer};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::file::{CHUNK_BYTES, object_id};
use crate::marker::one_node;
use crate::{MediaStore, StoreError};

const CHUNK: usize = CHUNK_BYTES as usize;

/// What one insert carries. Four chunks were no faster, and one was slower.
const BATCH: usize = 2 * CHUNK;

/// Inserts of one upload that are under way together. With one more the server has the next batch at hand when it has
/// written one; beyond three nothing was gained.
const INSERTS_IN_FLIGHT: usize = 3;

/// How often an upload under way says so: well within the age at which a sweeper calls it abandoned.
const TOUCH_EVERY: Duration = Duration::from_secs(30);

/// A chunk as `fs.chunks` holds it.
#[derive(Serialize)]
struct Chunk {
    _id: ObjectId,
    files_id: ObjectId,
    n: i32,
    #[serde(serialize_with = "as_binary")]
    data: Bytes,
}

/// A file on its way into the store. Dropping it discards what has been written.
#[must_use = "an upload that is dropped is discarded"]
pub struct Upload {
    pub(crate) store: MediaStore,
    pub(crate) fid: FileId,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) bytes: u64,
    pub(crate) sidecar: Option<Bytes>,
    pub(crate) picture: Option<Bytes>,
    /// Less than a batch; taken up to be sent.
    buffer: Vec<u8>,
    chunks_sent: i32,
    inserts: VecDeque<JoinHandle<Result<(), StoreError>>>,
    touched: Instant,
    /// Whether every byte that was accepted is in the buffer, on its way or stored. False for good once a write failed or was
    /// cancelled half-way: a file with a hole must not look whole.
    is_gapless: bool,
    /// Whether everything sent so far is known to have taken effect or never to.
    is_certain: bool,
    /// Whether nothing is left to clean up.
    pub(crate) is_settled: bool,
}

impl Upload {
    pub(crate) fn new(store: MediaStore, fid: FileId, name: &str, content_type: &str) -> Self {
        Self {
            store,
            fid,
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            bytes: 0,
            sidecar: None,
            picture: None,
            buffer: Vec::new(),
            chunks_sent: 0,
            inserts: VecDeque::new(),
            touched: Instant::now(),
            is_gapless: true,
            is_certain: true,
            is_settled: false,
        }
    }

    /// The identifier that the file will have.
    #[must_use]
    pub fn fid(&self) -> FileId {
        self.fid
    }

    /// How many bytes have been accepted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives the file some bytes about it, at most some ten thousand: they come and go with the file, and
    /// [`MediaStore::sidecar`] reads them.
    pub fn attach(&mut self, sidecar: Bytes) {
        self.sidecar = Some(sidecar);
    }

    /// Gives the file a picture of at most a few megabytes, likewise; [`MediaStore::picture`] reads it.
    pub fn attach_picture(&mut self, picture: Bytes) {
        self.picture = Some(picture);
    }

    /// Appends to the file. Returns when the bytes are buffered or on their way, and waits while too many are.
    ///
    /// After an error, or if the future is dropped before it ends, the upload can only be discarded.
    ///
    /// # Errors
    /// Those of earlier writes too, which are noticed late.
    pub async fn write(&mut self, mut data: Bytes) -> Result<(), StoreError> {
        // Raised again below, where everything has gone well.
        if !mem::replace(&mut self.is_gapless, false) {
            return Err(StoreError::Incomplete);
        }
        if self.touched.elapsed() >= TOUCH_EVERY {
            // Before the bytes: none may be stored any more once the sweeper has been there.
            self.store.markers.touch(self.fid).await?;
            self.touched = Instant::now();
        }
        while !data.is_empty() {
            if self.buffer.capacity() == 0 {
                self.buffer.reserve_exact(BATCH);
            }
            let piece = data.split_to(data.len().min(BATCH - self.buffer.len()));
            self.buffer.extend_from_slice(&piece);
            self.bytes += piece.len() as u64;
            if self.buffer.len() == BATCH {
                self.send_batch().await?;
            }
        }
        self.is_gapless = true;
        Ok(())
    }

    /// Waits until every byte has reached the server.
    pub(crate) async fn flush(&mut self) -> Result<(), StoreError> {
        if !mem::replace(&mut self.is_gapless, false) {
            return Err(StoreError::Incomplete);
        }
        if !self.buffer.is_empty() {
            self.send_batch().await?;
        }
        while !self.inserts.is_empty() {
            self.join_oldest_insert().await?;
        }
        self.is_gapless = true;
        Ok(())
    }

    async fn send_batch(&mut self) -> Result<(), StoreError> {
        while self.inserts.len() >= INSERTS_IN_FLIGHT {
            self.join_oldest_insert().await?;
        }
        let permits = self.store.insert_permits.clone();
        // Each permit's holder has a deadline itself, but a long queue of them could outlast our caller's patience.
        let permit = self.store.deadline.wait("store the file's bytes", permits.acquire_owned()).await?;
        let batch = Bytes::from(mem::take(&mut self.buffer));
        let documents = chunks_of(&batch, object_id(self.fid), self.chunks_sent);
        self.chunks_sent += i32::try_from(documents.len()).unwrap_or(i32::MAX);
        let chunks = self.store.chunks.clone_with_type::<Chunk>();
        let deadline = self.store.deadline;
        // A task, so that it goes on while the client takes its time with the next bytes, and to its end if the upload is
        // dropped: an insert that is cut off may still be carried out, after everything else was deleted.
        self.inserts.push_back(self.store.tasks.spawn(async move {
            let insert = chunks.insert_many(documents).write_concern(one_node());
            let inserted = deadline.bound("store the file's bytes", insert).await;
            drop(permit);
            inserted.map(drop)
        }));
        Ok(())
    }

    async fn join_oldest_insert(&mut self) -> Result<(), StoreError> {
        let Some(insert) = self.inserts.front_mut() else { return Ok(()) };
        // Awaited in its place: if this future is dropped, the insert must still be there to be waited for.
        let inserted = joined(insert.await);
        self.inserts.pop_front();
        self.doubt_if_unclear(inserted)
    }

    /// Passes the result on, and remembers if the step may still take effect later.
    pub(crate) fn doubt_if_unclear<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.is_certain &= !result.as_ref().is_err_and(StoreError::leaves_doubt);
        result
    }

    /// Gives the upload up and deletes what it has written.
    ///
    /// Goes on in the background if the future is dropped. What it can't delete now, because MongoDB is away, is left to
    /// [`MediaStore::sweep_unfinished`].
    pub async fn discard(mut self) {
        if let Some(discarding) = self.start_discarding() {
            // It logs its own failure; an aborted task is as if the process had ended: the sweeper comes.
            let _ = discarding.await;
        }
    }

    fn start_discarding(&mut self) -> Option<JoinHandle<()>> {
        // Without a runtime, at the very end of the process, there is no way: the sweeper comes.
        if mem::replace(&mut self.is_settled, true) || Handle::try_current().is_err() {
            return None;
        }
        let (store, fid, mut is_certain) = (self.store.clone(), self.fid, self.is_certain);
        let inserts = mem::take(&mut self.inserts);
        Some(self.store.tasks.spawn(async move {
            // First of all: what is stored after the deletion stays for ever.
            for insert in inserts {
                is_certain &= !joined(insert.await).is_err_and(|error| error.leaves_doubt());
            }
            let discarded =
                if is_certain { store.delete(fid).await } else { store.delete_for_now(fid).await };
            if let Err(error) = discarded {
                tracing::warn!(file.id = %fid, ?error, "could not discard an upload, its marker stays for the sweeper");
            }
        }))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        drop(self.start_discarding());
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

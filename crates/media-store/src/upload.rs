use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;
use contracts::FileId;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::chunks::ChunkWriter;
use crate::{MediaStore, StoreError};

/// How often an upload touches its marker: well within the age at which a sweeper considers it abandoned.
const TOUCH_EVERY: Duration = Duration::from_secs(30);

/// A file that is being stored. Dropping it discards what has been written.
#[must_use = "an upload that is dropped is discarded"]
pub struct Upload {
    pub(crate) store: MediaStore,
    pub(crate) fid: FileId,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) bytes: u64,
    pub(crate) sidecar: Option<Bytes>,
    pub(crate) picture: Option<Bytes>,
    pub(crate) right: Option<String>,
    pub(crate) chunks: ChunkWriter,
    touched: Instant,
    /// Whether nothing is left to clean up.
    pub(crate) is_settled: bool,
}

impl Upload {
    pub(crate) fn new(store: MediaStore, fid: FileId, name: &str, content_type: &str) -> Self {
        Self {
            chunks: ChunkWriter::behind(store.clone(), fid, 0, &[]),
            store,
            fid,
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            bytes: 0,
            sidecar: None,
            picture: None,
            right: None,
            touched: Instant::now(),
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

    /// Records the accepted bytes as the upload's size, if more arrived than were announced.
    pub async fn note_size(&self) -> Result<(), StoreError> {
        self.store.markers.grow(self.fid, self.bytes).await
    }

    /// Attaches some bytes about the file, at most some ten thousand. They are stored and deleted with the
    /// file; [`MediaStore::sidecar`] reads them.
    pub fn attach(&mut self, sidecar: Bytes) {
        self.sidecar = Some(sidecar);
    }

    /// Attaches a picture of at most a few megabytes, likewise; [`MediaStore::picture`] reads it.
    pub fn attach_picture(&mut self, picture: Bytes) {
        self.picture = Some(picture);
    }

    /// Records the right under which a job will refer to the file; [`MediaStore::right`] reads it. While that
    /// right lasts, the file must not be deleted as an orphan.
    pub fn reserve(&mut self, right: String) {
        self.right = Some(right);
    }

    /// Appends to the file. Returns when the bytes are buffered or in flight. Waits while too many are in
    /// flight.
    ///
    /// After an error, or if the future is dropped before it ends, the upload can only be discarded.
    ///
    /// # Errors
    /// Also the errors of earlier writes, which are noticed late.
    pub async fn write(&mut self, data: Bytes) -> Result<(), StoreError> {
        self.chunks.begin_step()?;
        if self.touched.elapsed() >= TOUCH_EVERY {
            // Before the bytes: once a sweeper has taken the marker, no more bytes may be stored.
            self.store.markers.touch(self.fid).await?;
            self.touched = Instant::now();
        }
        let length = data.len() as u64;
        self.chunks.append(data).await?;
        self.bytes += length;
        self.chunks.end_step();
        Ok(())
    }

    /// Abandons the upload and deletes what it has written.
    ///
    /// Continues in the background if the future is dropped. If MongoDB is away,
    /// [`MediaStore::sweep_unfinished`] deletes the rest later.
    pub async fn discard(mut self) {
        if let Some(discarding) = self.start_discarding() {
            // The task logs its own failure. An aborted task is like a process that died: the sweeper deletes
            // the rest.
            let _ = discarding.await;
        }
    }

    fn start_discarding(&mut self) -> Option<JoinHandle<()>> {
        // Without a runtime, at the very end of the process, nothing can be deleted: the sweeper does it
        // later.
        if mem::replace(&mut self.is_settled, true) || Handle::try_current().is_err() {
            return None;
        }
        let (store, fid, rest) = (self.store.clone(), self.fid, self.chunks.take_rest());
        Some(self.store.tasks.spawn(async move {
            // Waits for the inserts first: a chunk that is stored after the deletion would stay for ever.
            let is_certain = rest.has_come().await;
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

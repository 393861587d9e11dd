use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;
use contracts::FileId;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::chunks::ChunkWriter;
use crate::{MediaStore, StoreError};

/// How often an upload under way says so: well within the age at which a sweeper calls it abandoned.
const TOUCH_EVERY: Duration = Duration::from_secs(30);

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

    /// Lets count what has been accepted, where more came than was known when it began.
    pub async fn note_size(&self) -> Result<(), StoreError> {
        self.store.markers.grow(self.fid, self.bytes).await
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

    /// Notes the right under which somebody will refer to the file; [`MediaStore::right`] reads it. While that right lasts, the file
    /// is not to be deleted as one that nothing refers to.
    pub fn reserve(&mut self, right: String) {
        self.right = Some(right);
    }

    /// Appends to the file. Returns when the bytes are buffered or on their way, and waits while too many are.
    ///
    /// After an error, or if the future is dropped before it ends, the upload can only be discarded.
    ///
    /// # Errors
    /// Those of earlier writes too, which are noticed late.
    pub async fn write(&mut self, data: Bytes) -> Result<(), StoreError> {
        self.chunks.begin_step()?;
        if self.touched.elapsed() >= TOUCH_EVERY {
            // Before the bytes: none may be stored any more once the sweeper has been there.
            self.store.markers.touch(self.fid).await?;
            self.touched = Instant::now();
        }
        let length = data.len() as u64;
        self.chunks.append(data).await?;
        self.bytes += length;
        self.chunks.end_step();
        Ok(())
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
        let (store, fid, rest) = (self.store.clone(), self.fid, self.chunks.take_rest());
        Some(self.store.tasks.spawn(async move {
            // First of all: what is stored after the deletion stays for ever.
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

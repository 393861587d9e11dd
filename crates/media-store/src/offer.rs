//! Reading for a client that may pause in the middle: a download.

use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, sleep};

use crate::{MediaStore, StoreError, StoredFile};

/// The size of the pieces for the reader. Each is a copy: a slice of a chunk would keep everything in memory
/// that was fetched with it.
const PIECE_BYTES: usize = 32 << 10;

/// How long fetched bytes wait for the reader. If the reader comes back later, they are fetched again.
const KEPT: Duration = Duration::from_secs(1);

impl MediaStore {
    /// Streams a part of a file like [`MediaStore::read`], for a reader that may pause. During a pause only
    /// the last small piece stays in memory.
    pub fn offer(
        &self,
        file: &StoredFile,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static + use<> {
        let end = range.end.min(file.bytes);
        let held = Arc::new(Mutex::new(Held {
            source: None,
            piece: Bytes::new(),
            is_awaited: false,
            since: Instant::now(),
        }));
        tokio::spawn(forget_when_paused(Arc::downgrade(&held)));
        Offer { store: self.clone(), file: file.clone(), left: range.start.min(end)..end, held }
    }
}

type Source = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

struct Offer {
    store: MediaStore,
    file: StoredFile,
    left: Range<u64>,
    held: Arc<Mutex<Held>>,
}

/// Bytes that were fetched and not taken yet.
struct Held {
    source: Option<Source>,
    piece: Bytes,
    /// Whether the reader waits for us, and not we for the reader.
    is_awaited: bool,
    since: Instant,
}

async fn forget_when_paused(held: Weak<Mutex<Held>>) {
    while let Some(held) = held.upgrade() {
        lock(&held).forget_if_paused();
        drop(held);
        sleep(KEPT / 2).await;
    }
}

impl Held {
    fn forget_if_paused(&mut self) {
        if !self.is_awaited && self.since.elapsed() >= KEPT {
            (self.source, self.piece) = (None, Bytes::new());
        }
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream for Offer {
    type Item = Result<Bytes, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut held = lock(&this.held);
        while held.piece.is_empty() {
            if this.left.is_empty() {
                return Poll::Ready(None);
            }
            let left = this.left.clone();
            let source = held.source.get_or_insert_with(|| Box::pin(this.store.read(&this.file, left)));
            let next = source.as_mut().poll_next(context);
            held.is_awaited = next.is_pending();
            match ready!(next) {
                Some(Ok(piece)) => held.piece = piece,
                end => {
                    held.source = None;
                    this.left = 0..0;
                    return Poll::Ready(end);
                }
            }
        }
        let length = held.piece.len().min(PIECE_BYTES);
        let piece = Bytes::copy_from_slice(&held.piece.split_to(length));
        if held.piece.is_empty() {
            // Even an empty slice of a chunk keeps the whole chunk in memory.
            held.piece = Bytes::new();
        }
        held.since = Instant::now();
        this.left.start += length as u64;
        Poll::Ready(Some(Ok(piece)))
    }
}

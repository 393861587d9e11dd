use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec;

use bytes::Bytes;
use contracts::FileId;
use futures_util::{Stream, TryStreamExt as _, stream};
use mongodb::bson::{RawBsonRef, RawDocument, doc};
use mongodb::raw_batch_cursor::RawBatch;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use crate::file::{integer, object_id};
use crate::{Damage, MediaStore, StoreError, StoredFile};

/// How much one query fetches, unless a chunk is larger: four of our chunks. Measured: half as much was a
/// quarter slower, twice as much was no faster.
const WINDOW_BYTES: u64 = 1024 * 1024;

/// How many windows are prefetched for a quick reader while it uses the current one. With the current one
/// that is 3 MiB for each download.
const WINDOWS_AHEAD: usize = 2;

/// A reader that takes longer for a chunk gets the next one only when it asks: a fetch takes less time than
/// that.
const QUICK: Duration = Duration::from_millis(50);

const STEP: &str = "read the file's bytes";

impl MediaStore {
    /// Streams a part of a file, at most to the file's end, in pieces of at most a chunk. Ends at the first
    /// error.
    ///
    /// Holds no cursor and no connection while the reader pauses.
    pub fn read(
        &self,
        file: &StoredFile,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static + use<> {
        let end = range.end.min(file.bytes);
        let range = range.start.min(end)..end;
        let chunk_bytes = u64::from(file.chunk_bytes.get());
        let download = Download {
            store: self.clone(),
            file: file.clone(),
            next_chunk: range.start / chunk_bytes,
            end_chunk: if range.is_empty() { 0 } else { range.end.div_ceil(chunk_bytes) },
            range,
            ahead: VecDeque::new(),
            pieces: Vec::new().into_iter(),
            is_quick: false,
            at_hand: None,
        };
        stream::try_unfold(download, |mut download| async {
            Ok(download.next().await?.map(|piece| (piece, download)))
        })
    }
}

struct Download {
    store: MediaStore,
    file: StoredFile,
    range: Range<u64>,
    next_chunk: u64,
    end_chunk: u64,
    ahead: VecDeque<Window>,
    pieces: vec::IntoIter<Bytes>,
    is_quick: bool,
    at_hand: Option<AtHand>,
}

/// Some chunks that are being fetched.
struct Window {
    chunks: u64,
    /// The permit to hold more than a chunk, or to be ahead of the reader.
    permit: Option<OwnedSemaphorePermit>,
    fetching: JoinHandle<Result<Vec<Bytes>, StoreError>>,
}

/// The window whose pieces the reader is getting.
struct AtHand {
    chunks: u64,
    since: Instant,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Download {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            if let Some(piece) = self.pieces.next() {
                return Ok(Some(piece));
            }
            if let Some(window) = self.at_hand.take() {
                // Only the reader's time counts, not the time of the fetch.
                let chunks = u32::try_from(window.chunks).unwrap_or(u32::MAX);
                self.is_quick = window.since.elapsed() < QUICK * chunks;
            }
            self.fetch_more();
            let Some(window) = self.ahead.front_mut() else { return Ok(None) };
            let pieces = (&mut window.fetching).await;
            let Some(window) = self.ahead.pop_front() else { return Ok(None) };
            let unfetched = |error| StoreError::Unavailable { step: STEP, source: Box::new(error) };
            self.pieces = pieces.map_err(unfetched)??.into_iter();
            self.at_hand =
                Some(AtHand { chunks: window.chunks, since: Instant::now(), _permit: window.permit });
        }
    }

    /// Fetches a chunk if none is being fetched. For a quick reader it fetches more, within the limit for all
    /// readers together.
    fn fetch_more(&mut self) {
        while self.is_quick && self.ahead.len() < WINDOWS_AHEAD && self.next_chunk < self.end_chunk {
            let Ok(permit) = Arc::clone(&self.store.ahead_permits).try_acquire_owned() else { break };
            let chunks = (WINDOW_BYTES / u64::from(self.file.chunk_bytes.get())).max(1);
            self.fetch_next_window(chunks, Some(permit));
        }
        if self.ahead.is_empty() && self.next_chunk < self.end_chunk {
            self.fetch_next_window(1, None);
        }
    }

    /// Fetches in a task of its own: if the reader pauses, the answer must not wait in the connection until
    /// its deadline has passed. If the reader goes away, the fetch still runs to its end, since cancelling it
    /// would cost the connection.
    fn fetch_next_window(&mut self, chunks: u64, permit: Option<OwnedSemaphorePermit>) {
        let window = self.next_chunk..self.end_chunk.min(self.next_chunk + chunks);
        self.next_chunk = window.end;
        let chunks = window.end - window.start;
        let (store, file, range) = (self.store.clone(), self.file.clone(), self.range.clone());
        let fetching = tokio::spawn(async move { store.fetch(&file, window, &range).await });
        self.ahead.push_back(Window { chunks, permit, fetching });
    }
}

impl MediaStore {
    /// The parts of these chunks that are in the range.
    async fn fetch(
        &self,
        file: &StoredFile,
        window: Range<u64>,
        range: &Range<u64>,
    ) -> Result<Vec<Bytes>, StoreError> {
        let mut found = self.find_chunks(file.fid, &window).await?.into_iter().flat_map(chunks_of);
        let mut pieces = Vec::new();
        for n in window {
            let Some((_, data)) = found.next().filter(|(found, _)| u64::try_from(*found) == Ok(n)) else {
                // A deletion removes the description before the chunks.
                let is_deleted = self.open(file.fid).await?.is_none();
                let missing = StoreError::Corrupt { fid: file.fid, damage: Damage::MissingChunk(n) };
                return Err(if is_deleted { StoreError::Deleted(file.fid) } else { missing });
            };
            let place = file.chunk_range(n);
            if data.len() as u64 != place.end - place.start {
                return Err(StoreError::Corrupt { fid: file.fid, damage: Damage::WrongChunkLength(n) });
            }
            pieces.push(data.slice(part_of(&place, range)));
        }
        Ok(pieces)
    }

    async fn find_chunks(&self, fid: FileId, window: &Range<u64>) -> Result<Vec<RawBatch>, StoreError> {
        let place = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let places = doc! { "$gte": place(window.start), "$lt": place(window.end) };
        let query = self.chunks.find(doc! { "files_id": object_id(fid), "n": places }).sort(doc! { "n": 1 });
        let permit = self.deadline.wait(STEP, self.read_permits.acquire()).await?;
        let batches = async { query.batch().await?.try_collect().await };
        let batches = self.deadline.bound(STEP, batches).await;
        drop(permit);
        batches
    }
}

/// The number and the bytes of each chunk in the server's answer. The bytes are slices of the answer, not
/// copies.
fn chunks_of(batch: RawBatch) -> Vec<(i64, Bytes)> {
    let answer = Bytes::from_owner(Answer(batch));
    let Ok(root) = RawDocument::from_bytes(&answer) else { return Vec::new() };
    let cursor = root.get_document("cursor");
    let documents =
        cursor.and_then(|cursor| cursor.get_array("firstBatch").or_else(|_| cursor.get_array("nextBatch")));
    documents
        .into_iter()
        .flatten()
        .map(|document| {
            let document = document.ok().and_then(RawBsonRef::as_document)?;
            let data = document.get_binary("data").map_or(&[][..], |data| data.bytes);
            Some((integer(document, "n")?, answer.slice_ref(data)))
        })
        // A malformed document counts as a missing chunk.
        .map_while(|chunk| chunk)
        .collect()
}

struct Answer(RawBatch);

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        self.0.as_raw_document().as_bytes()
    }
}

/// The part of `place` that lies in `range`, counted from the start of `place`.
fn part_of(place: &Range<u64>, range: &Range<u64>) -> Range<usize> {
    let offset =
        |at: u64| usize::try_from(at.clamp(place.start, place.end) - place.start).unwrap_or(usize::MAX);
    offset(range.start)..offset(range.end)
}

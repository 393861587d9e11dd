use std::collections::VecDeque;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _, stream};
use media_store::{MediaStore, StoreError, StoredFile};

use super::zip::{Entry, ZipWriter};

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

/// An archive that is being sent: one file after the other, a few pieces at a time.
pub(crate) struct Archive {
    store: MediaStore,
    files: VecDeque<(Entry, StoredFile)>,
    current: Option<Pieces>,
    /// `None` when the end has been sent.
    writer: Option<ZipWriter>,
}

impl Archive {
    pub(crate) fn new(store: MediaStore, files: impl Iterator<Item = (Entry, StoredFile)>) -> Self {
        Self { store, files: files.collect(), current: None, writer: Some(ZipWriter::new()) }
    }

    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
        stream::try_unfold(self, |mut archive| async {
            // An error breaks the answer off. The client notices by the length.
            Ok(archive.next().await?.map(|piece| (piece, archive)))
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let Some(writer) = &mut self.writer else { return Ok(None) };
        if let Some(pieces) = &mut self.current {
            let Some(piece) = pieces.try_next().await? else {
                self.current = None;
                return Ok(Some(writer.end().into()));
            };
            writer.pass(&piece);
            return Ok(Some(piece));
        }
        if let Some((entry, file)) = self.files.pop_front() {
            self.current = Some(Box::pin(self.store.offer(&file, 0..file.bytes)));
            return Ok(Some(writer.begin(entry).into()));
        }
        Ok(self.writer.take().map(|writer| writer.finish().into()))
    }
}

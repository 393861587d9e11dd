//! Reading a `multipart/form-data` body (RFC 7578) as it arrives, in bounded memory.

mod head;

use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _};
use memchr::memmem::{self, Finder};

pub(crate) use self::head::{Boundary, Part};
use crate::intake::guarded_body::BodyFault;

/// The most bytes before the first part, and in the head of each part. The heads of real clients have about
/// 200 bytes, and a name up to 255.
const MAX_HEAD_BYTES: usize = 16 << 10;

const LINE_BREAK: &[u8] = b"\r\n";

/// Why a form cannot be read further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MultipartError {
    #[error("could not read the body")]
    Body(#[from] BodyFault),
    #[error("the body ends before its last boundary")]
    Incomplete,
    #[error("the body is malformed: {0}")]
    Malformed(&'static str),
}

/// Reads a form part by part. Holds one piece of the body, and of the piece before it as much as a boundary
/// is long.
pub(crate) struct Multipart<S> {
    body: S,
    /// Finds a line break and the boundary after it.
    delimiter: Finder<'static>,
    /// What has arrived and is not read yet. Within a part's content it may begin with the first bytes of a
    /// delimiter.
    window: Bytes,
    /// What comes after the window.
    next: Option<Bytes>,
    place: Place,
}

/// What the window begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Preamble,
    Content,
    Delimiter,
    End,
}

impl<S: Stream<Item = Result<Bytes, BodyFault>> + Unpin> Multipart<S> {
    pub(crate) fn new(body: S, boundary: &Boundary) -> Self {
        let delimiter = Finder::new(format!("\r\n--{}", boundary.as_str()).as_bytes()).into_owned();
        // The first delimiter may be the body's first line, with no line break before it.
        let window = Bytes::from_static(LINE_BREAK);
        Self { body, delimiter, window, next: None, place: Place::Preamble }
    }

    /// The next part. [`Self::chunk`] returns its content. What was not read of the part before is skipped.
    pub(crate) async fn next_part(&mut self) -> Result<Option<Part>, MultipartError> {
        self.skip_to_delimiter().await?;
        if self.place == Place::End {
            return Ok(None);
        }
        self.window.advance(self.delimiter.needle().len());
        while self.window.len() < 2 {
            self.refill().await?;
        }
        if self.window.starts_with(b"--") {
            self.place = Place::End;
            self.skip_epilogue().await?;
            return Ok(None);
        }
        let head = self.head().await?;
        self.place = Place::Content;
        Part::parse(&head).map(Some)
    }

    /// The next piece of the part's content; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        while matches!(self.place, Place::Preamble | Place::Content) {
            let (end, is_delimiter) = self.end_of_content(&self.window);
            let content = self.window.split_to(end);
            if is_delimiter {
                self.place = Place::Delimiter;
            }
            if !content.is_empty() {
                return Ok(Some(content));
            }
            if !is_delimiter {
                let content = self.resolve().await?;
                if !content.is_empty() {
                    return Ok(Some(content));
                }
            }
        }
        Ok(None)
    }

    async fn skip_to_delimiter(&mut self) -> Result<(), MultipartError> {
        let is_preamble = self.place == Place::Preamble;
        let mut skipped = 0;
        while let Some(content) = self.chunk().await? {
            skipped += content.len();
            if is_preamble && skipped > LINE_BREAK.len() + MAX_HEAD_BYTES {
                return Err(MultipartError::Malformed(
                    "There are more than 16384 bytes in front of the first part.",
                ));
            }
        }
        Ok(())
    }

    /// Reads the body to its end, so that the connection can be used for another request.
    async fn skip_epilogue(&mut self) -> Result<(), MultipartError> {
        self.window.clear();
        self.next = None;
        while let Some(piece) = self.body.next().await {
            piece?;
        }
        Ok(())
    }

    /// How many of these bytes are certainly content, and whether a delimiter follows them.
    ///
    /// A longer text that only begins like the delimiter, such as the delimiter of a nested form, is content.
    fn end_of_content(&self, bytes: &[u8]) -> (usize, bool) {
        let needle = self.delimiter.needle();
        let mut from = 0;
        while let Some(found) = self.delimiter.find(&bytes[from..]) {
            let start = from + found;
            match &bytes[start + needle.len()..] {
                [b'-', b'-', ..] | [b'\r', b'\n', ..] | [b' ' | b'\t', ..] => return (start, true),
                [] | [b'-' | b'\r'] => return (start, false),
                _ => from = start + 1,
            }
        }
        let begun = (1..needle.len()).rev().find(|length| bytes.ends_with(&needle[..*length]));
        (bytes.len() - begun.unwrap_or(0), false)
    }

    /// Moves on to the next piece of the body. Returns the part of the window that turns out to be content.
    async fn resolve(&mut self) -> Result<Bytes, MultipartError> {
        let mut piece = self.next_piece().await?;
        if self.window.is_empty() {
            self.window = piece;
            return Ok(Bytes::new());
        }
        // These bytes decide whether a delimiter begins in the window. Only they are copied.
        let decisive = piece.len().min(self.delimiter.needle().len() + 2);
        let joined: Bytes = [&self.window, &piece[..decisive]].concat().into();
        if self.end_of_content(&joined).0 >= self.window.len() {
            return Ok(std::mem::replace(&mut self.window, piece));
        }
        self.window = joined;
        piece.advance(decisive);
        self.next = Some(piece).filter(|piece| !piece.is_empty());
        Ok(Bytes::new())
    }

    /// The lines from a delimiter to the empty line before the content.
    async fn head(&mut self) -> Result<Vec<u8>, MultipartError> {
        const END: &[u8] = b"\r\n\r\n";
        let mut head = Vec::new();
        loop {
            let known = head.len();
            let room = MAX_HEAD_BYTES + END.len() - known;
            head.extend_from_slice(&self.window[..self.window.len().min(room)]);
            let from = known.saturating_sub(END.len() - 1);
            if let Some(found) = memmem::find(&head[from..], END) {
                head.truncate(from + found);
                // The window begins with the first byte that is new to the head, at `known`.
                self.window.advance(from + found + END.len() - known);
                return Ok(head);
            }
            if head.len() == MAX_HEAD_BYTES + END.len() {
                return Err(MultipartError::Malformed("The head of a part has more than 16384 bytes."));
            }
            self.window = self.next_piece().await?;
        }
    }

    /// Appends the next piece to a window of a byte or two.
    async fn refill(&mut self) -> Result<(), MultipartError> {
        let piece = self.next_piece().await?;
        self.window = if self.window.is_empty() { piece } else { [&*self.window, &piece].concat().into() };
        Ok(())
    }

    async fn next_piece(&mut self) -> Result<Bytes, MultipartError> {
        match self.next.take() {
            Some(piece) => Ok(piece),
            None => Ok(self.body.next().await.ok_or(MultipartError::Incomplete)??),
        }
    }
}

#[cfg(test)]
mod tests;

//! Cuts decoded audio into segments and distributes them to the encoders.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::segments::{OVERLAP_PIECES, Segments};
use crate::engine::error::ConversionError;
use crate::engine::sound::Pieces;

/// A message to an encoder.
#[derive(Debug)]
pub(crate) enum Feed {
    /// Audio, and the permit for its memory.
    Piece(Bytes, OwnedSemaphorePermit),
    /// The next piece belongs to another segment, whose start may wait for a slot.
    EndOfSegment,
}

/// Distributes the audio to the encoders.
#[derive(Debug)]
pub(crate) struct Cutter {
    pub segments: Segments,
    pub encoders: Vec<mpsc::UnboundedSender<Feed>>,
    pub further_segments: mpsc::Sender<()>,
    pub room: Room,
}

/// Why the audio was not distributed to its end.
#[derive(Debug)]
pub(crate) enum Uncut {
    /// The decoder failed.
    Read(ConversionError),
    /// An encoder or the joiner has ended.
    Refused,
}

impl<T> From<mpsc::error::SendError<T>> for Uncut {
    fn from(_: mpsc::error::SendError<T>) -> Self {
        Self::Refused
    }
}

/// Memory for the audio that waits for a job's encoders, in pieces.
///
/// Permits are taken many at a time. So the decoder works in bursts, and is not woken for each piece that an
/// encoder takes.
#[derive(Debug)]
pub(crate) struct Room {
    pieces: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

/// A megabyte of stereo.
const BURST_PIECES: u32 = 16;

impl Room {
    pub(crate) fn new(waiting_bytes: usize, piece_bytes: usize) -> Self {
        Self { pieces: Arc::new(Semaphore::new(waiting_bytes / piece_bytes)), taken: None }
    }

    async fn take(&mut self) -> OwnedSemaphorePermit {
        loop {
            if let Some(permit) = self.taken.as_mut().and_then(|taken| taken.split(1)) {
                return permit;
            }
            // The semaphore is never closed.
            self.taken = Arc::clone(&self.pieces).acquire_many_owned(BURST_PIECES).await.ok();
        }
    }
}

impl Cutter {
    /// Distributes the audio to its end. Returns the number of its bytes.
    pub(crate) async fn cut(self, sound: &mut impl Pieces) -> Result<u64, Uncut> {
        let Self { segments, encoders, further_segments, mut room } = self;
        let mut overlap = VecDeque::with_capacity(OVERLAP_PIECES + 1);
        let mut turns = encoders.iter().cycle();
        let Some(mut encoder) = turns.next() else { return Err(Uncut::Refused) };
        let (mut segment, mut passed, mut bytes) = (0, 0, 0);
        loop {
            let permit = room.take().await;
            let piece = sound.piece(segments.piece_bytes()).await.map_err(Uncut::Read)?;
            if piece.is_empty() {
                return Ok(bytes);
            }
            bytes += piece.len() as u64;
            // A segment is announced only once there is audio that belongs to it alone. Otherwise it would
            // have no frames.
            if passed == segments.pieces(segment) {
                further_segments.send(()).await?;
                encoder = turns.next().unwrap_or(encoder);
                segment += 1;
                passed = overlap.len();
                for piece in overlap.iter().cloned() {
                    encoder.send(Feed::Piece(piece, room.take().await))?;
                }
            }
            overlap.push_back(piece.clone());
            overlap.drain(..overlap.len().saturating_sub(OVERLAP_PIECES));
            encoder.send(Feed::Piece(piece, permit))?;
            passed += 1;
            if passed == segments.pieces(segment) {
                encoder.send(Feed::EndOfSegment)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sound::Format;

    /// Pieces of 28 bytes. A segment has 7 of them, the overlap 14.
    const TINY: Format = Format { channels: 1, sample_rate_hz: 8_000 };

    fn segments(encoders: u16) -> Segments {
        // A second is 14 frames, so every segment has the minimal length.
        Segments::new(TINY, encoders, Some(1.0), 1 << 20)
    }

    impl Pieces for &[u8] {
        async fn piece(&mut self, bytes: usize) -> Result<Bytes, ConversionError> {
            let (piece, rest) = self.split_at(bytes.min(self.len()));
            *self = rest;
            Ok(Bytes::copy_from_slice(piece))
        }
    }

    /// The pieces that each encoder gets of `sound`, by segment, and how many further segments were
    /// announced.
    async fn cut(sound: &[u8], encoders: u16) -> (Vec<Vec<Vec<u8>>>, usize) {
        let segments = segments(encoders);
        let (feeds, mut fed): (Vec<_>, Vec<_>) = (0..encoders).map(|_| mpsc::unbounded_channel()).unzip();
        let (further, mut announced) = mpsc::channel(1000);
        let room = Room::new(1 << 30, segments.piece_bytes());
        let cutter = Cutter { segments, encoders: feeds, further_segments: further, room };
        assert_eq!(cutter.cut(&mut &*sound).await.unwrap(), sound.len() as u64);
        let parts = fed.iter_mut().map(|fed| {
            let mut parts = vec![Vec::new()];
            while let Ok(feed) = fed.try_recv() {
                match feed {
                    Feed::Piece(piece, _) => parts.last_mut().unwrap().extend_from_slice(&piece),
                    Feed::EndOfSegment => parts.push(Vec::new()),
                }
            }
            parts.retain(|part: &Vec<u8>| !part.is_empty());
            parts
        });
        let parts = parts.collect();
        let mut count = 0;
        while announced.try_recv().is_ok() {
            count += 1;
        }
        (parts, count)
    }

    fn sound(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect()
    }

    #[tokio::test]
    async fn segments_overlap_and_go_round() {
        let piece = segments(2).piece_bytes();
        let sound = sound(40 * piece);
        let (parts, further) = cut(&sound, 2).await;
        assert_eq!(further, 3);
        let pieces = |from: usize, to: usize| sound[from * piece..to * piece].to_vec();
        assert_eq!(parts[0], [pieces(0, 21), pieces(14, 35)]);
        assert_eq!(parts[1], [pieces(7, 28), pieces(21, 40)]);
    }

    #[tokio::test]
    async fn a_segment_begins_only_when_there_is_sound_for_it_alone() {
        let piece = segments(1).piece_bytes();
        let both = 21 * piece;
        for (bytes, further) in
            [(0, 0), (1, 0), (both - 1, 0), (both, 0), (both + 1, 1), (28 * piece, 1), (28 * piece + 1, 2)]
        {
            for encoders in [1, 2] {
                assert_eq!(
                    cut(&sound(bytes), encoders).await.1,
                    further,
                    "{bytes} bytes, {encoders} encoders"
                );
            }
        }
    }

    #[tokio::test]
    async fn the_decoder_waits_when_there_is_no_room() {
        let (feed, mut encoder) = mpsc::unbounded_channel();
        let (further_segments, _announced) = mpsc::channel(100);
        let segments = segments(1);
        let room = Room::new(20 * segments.piece_bytes(), segments.piece_bytes());
        let cutter = Cutter { segments, encoders: vec![feed], further_segments, room };
        let sound = sound(200 * segments.piece_bytes());
        let cut = tokio::spawn(async move { cutter.cut(&mut &*sound).await.map(drop) });
        let mut most = 0;
        while let Some(feed) = encoder.recv().await {
            let mut waiting = vec![feed];
            while let Ok(feed) = encoder.try_recv() {
                waiting.push(feed);
            }
            most = most.max(waiting.iter().filter(|feed| matches!(feed, Feed::Piece(..))).count());
        }
        cut.await.unwrap().unwrap();
        assert!((16..=20).contains(&most), "{most}");
    }
}

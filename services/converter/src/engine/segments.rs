//! Cuts decoded sound into segments for encoders that take turns.
//!
//! Segment *n* begins at frame *n* × [`Segments::frames`]. Its encoder gets the frames from there to the end of the segment
//! and [`LEAD_FRAMES`] + [`TAIL_FRAMES`] more; the last of these are the next segment's first, too. Of what it makes of
//! them, the first [`LEAD_FRAMES`] are dropped, during which it becomes what an encoder of the whole sound would be at this
//! point, and so are the last [`TAIL_FRAMES`], which look ahead at sound that it does not have.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use super::pcm::{self, Format};
use super::peaks::Peaks;

/// LAME remembers how loud it was: its threshold of hearing falls by 7.5 % a frame at the fastest, over a range of 32 dB
/// (`adjust_ATH` of LAME 3.100), which makes 94 frames. Anything else is forgotten after four.
pub(crate) const LEAD_FRAMES: u32 = 94;

/// LAME looks less than two frames ahead.
pub(crate) const TAIL_FRAMES: u32 = 4;

/// At a constant bit rate, frames are padded by a pattern that repeats after so many (at 44.1 kHz and its halves; there is
/// none at other rates). Segments and what their encoders get are multiples of it, so that the pattern continues.
const PADDING_PERIOD: u32 = 49;

/// Sound is passed on in pieces of so many frames: 63 KiB of stereo, of which a segment and its overlap are multiples.
const PIECE_FRAMES: u32 = 7;

const OVERLAP_PIECES: usize = ((LEAD_FRAMES + TAIL_FRAMES) / PIECE_FRAMES) as usize;

/// What an encoder gets.
#[derive(Debug)]
pub(crate) enum Feed {
    Piece(Bytes),
    /// What follows is a segment that may wait.
    EndOfSegment,
}

/// How a sound is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segments {
    frames: u32,
    piece_bytes: usize,
}

impl Segments {
    /// Divides a sound among so many encoders, each of which has up to `max_bytes` of it waiting.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of seconds in whole frames, cut at what a segment may have"
    )]
    pub(crate) fn new(format: Format, encoders: u16, seconds: Option<f64>, max_bytes: usize) -> Self {
        let frame_bytes = format.bytes_per_sample() * format.frame_samples();
        let longest = (u32::try_from(max_bytes).unwrap_or(u32::MAX) / frame_bytes).max(PADDING_PERIOD);
        let frames = seconds.map_or(longest, |seconds| {
            let all = seconds * f64::from(format.sample_rate_hz) / f64::from(format.frame_samples());
            // Each encoder gets as many as the others.
            let rounds = (all / f64::from(encoders) / f64::from(longest)).ceil().max(1.0);
            (all / f64::from(encoders) / rounds).ceil() as u32
        });
        let frames = frames.clamp(1, longest).next_multiple_of(PADDING_PERIOD);
        let piece_bytes = usize::try_from(frame_bytes * PIECE_FRAMES).unwrap_or(usize::MAX);
        Self { frames, piece_bytes }
    }

    /// Frames from the beginning of a segment to that of the next.
    pub(crate) fn frames(self) -> u32 {
        self.frames
    }

    /// Pieces that an encoder gets for a segment.
    pub(crate) fn pieces(self) -> usize {
        usize::try_from(self.frames / PIECE_FRAMES).unwrap_or(usize::MAX) + OVERLAP_PIECES
    }

    /// Bytes of a piece.
    pub(crate) fn piece_bytes(self) -> usize {
        self.piece_bytes
    }
}

/// Deals out a sound.
#[derive(Debug)]
pub(crate) struct Cutter {
    pub segments: Segments,
    pub encoders: Vec<mpsc::Sender<Feed>>,
    pub further_segments: mpsc::Sender<()>,
    pub peaks: Peaks,
}

/// Why a sound was not dealt out to its end.
#[derive(Debug)]
pub(crate) enum Uncut {
    /// The decoder's output cannot be read.
    Read(io::Error),
    /// There is more of it than is allowed.
    TooLong,
    /// Nobody takes it any more: an encoder has ended, or the joiner.
    Refused,
}

impl<T> From<mpsc::error::SendError<T>> for Uncut {
    fn from(_: mpsc::error::SendError<T>) -> Self {
        Self::Refused
    }
}

impl Cutter {
    /// Passes on the sound to its end, and tells how many bytes it had and what it looks like.
    pub(crate) async fn cut(
        self,
        pcm: &mut (impl AsyncRead + Unpin),
        max_bytes: u64,
    ) -> Result<(u64, Peaks), Uncut> {
        let Self { segments, encoders, further_segments, mut peaks } = self;
        let mut overlap = VecDeque::with_capacity(OVERLAP_PIECES + 1);
        let (mut encoder, mut passed, mut bytes) = (0, 0, 0);
        loop {
            let piece = pcm::read_piece(pcm, segments.piece_bytes()).await.map_err(Uncut::Read)?;
            if piece.is_empty() {
                return Ok((bytes, peaks));
            }
            bytes += piece.len() as u64;
            if bytes > max_bytes {
                return Err(Uncut::TooLong);
            }
            peaks.add(&piece);
            // Not before there is sound that only the next segment has: it would have no frames of its own.
            if passed == segments.pieces() {
                encoder = (encoder + 1) % encoders.len();
                further_segments.send(()).await?;
                passed = overlap.len();
                for piece in overlap.iter().cloned() {
                    encoders[encoder].send(Feed::Piece(piece)).await?;
                }
            }
            overlap.push_back(piece.clone());
            overlap.drain(..overlap.len().saturating_sub(OVERLAP_PIECES));
            encoders[encoder].send(Feed::Piece(piece)).await?;
            passed += 1;
            if passed == segments.pieces() {
                encoders[encoder].send(Feed::EndOfSegment).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Format = Format { channels: 2, sample_rate_hz: 44_100 };

    #[test]
    fn every_encoder_gets_as_many_segments_as_the_others() {
        for (encoders, seconds) in [(2, 61.0), (2, 1200.0), (4, 7200.0), (16, 100.0)] {
            let segments =
                Segments::new(STEREO, encoders, Some(seconds), 56 * 1024 * 1024 / usize::from(encoders));
            let count = (seconds * 44_100.0 / 1152.0 / f64::from(segments.frames())).ceil();
            let spare = count % f64::from(encoders);
            assert!(
                spare == 0.0 || count > 30.0 || spare >= f64::from(encoders) * 0.7,
                "{encoders}: {count}"
            );
            assert_eq!(segments.frames() % PADDING_PERIOD, 0);
        }
    }

    #[test]
    fn no_more_sound_waits_than_is_allowed() {
        let segments = Segments::new(STEREO, 2, None, 8 << 20);
        assert!(usize::try_from(segments.frames()).unwrap() * 1152 * 8 <= (8 << 20) + 49 * 1152 * 8);
    }

    /// What each encoder gets of a sound of so many bytes, by segment, and how many further segments were announced.
    async fn cut(bytes: usize, encoders: usize) -> (Vec<Vec<Vec<u8>>>, usize) {
        let segments = Segments { frames: 49, piece_bytes: 2 };
        let sound: Vec<u8> = (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let (feeds, mut fed): (Vec<_>, Vec<_>) = (0..encoders).map(|_| mpsc::channel(10_000)).unzip();
        let (further, mut announced) = mpsc::channel(1000);
        let cutter =
            Cutter { segments, encoders: feeds, further_segments: further, peaks: Peaks::new(STEREO) };
        assert_eq!(cutter.cut(&mut sound.as_slice(), 1 << 20).await.unwrap().0, bytes as u64);
        let parts = fed.iter_mut().map(|fed| {
            let mut parts = vec![Vec::new()];
            while let Ok(feed) = fed.try_recv() {
                match feed {
                    Feed::Piece(piece) => parts.last_mut().unwrap().extend_from_slice(&piece),
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

    #[tokio::test]
    async fn segments_overlap_and_go_round() {
        // 7 pieces of 2 bytes are a segment, 14 the overlap.
        let sound: Vec<u8> = (0..80).collect();
        let (parts, further) = cut(80, 2).await;
        assert_eq!(further, 3);
        assert_eq!(parts[0], [sound[..42].to_vec(), sound[28..70].to_vec()]);
        assert_eq!(parts[1], [sound[14..56].to_vec(), sound[42..80].to_vec()]);
    }

    #[tokio::test]
    async fn a_segment_begins_only_when_there_is_sound_for_it_alone() {
        for (bytes, further) in [(0, 0), (1, 0), (41, 0), (42, 0), (43, 1), (56, 1), (57, 2)] {
            for encoders in [1, 2] {
                assert_eq!(cut(bytes, encoders).await.1, further, "{bytes} bytes, {encoders} encoders");
            }
        }
    }

    #[tokio::test]
    async fn more_sound_than_allowed_is_refused() {
        let (feed, _fed) = mpsc::channel(100);
        let (further_segments, _announced) = mpsc::channel(100);
        let segments = Segments { frames: 49, piece_bytes: 2 };
        let cutter = Cutter { segments, encoders: vec![feed], further_segments, peaks: Peaks::new(STEREO) };
        assert!(matches!(cutter.cut(&mut &[0; 40][..], 39).await, Err(Uncut::TooLong)));
    }
}

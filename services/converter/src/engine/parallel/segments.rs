//! Divides audio into segments for encoders that take turns.
//!
//! An encoder gets the frames of its segment and [`LEAD_FRAMES`] + [`TAIL_FRAMES`] more. The last of these
//! are also the next segment's first frames. From its output, the first [`LEAD_FRAMES`] are dropped: while it
//! encodes them, its state becomes that of an encoder for the whole audio. The last [`TAIL_FRAMES`] are
//! dropped too, because they depend on later audio that it does not have.

use crate::engine::sound::Format;

/// LAME remembers the loudness: its threshold of hearing falls by at most 7.5 % per frame, over a range of 32
/// dB (`adjust_ATH` of LAME 3.100), which makes 94 frames. Everything else is forgotten after four frames.
pub(crate) const LEAD_FRAMES: u32 = 94;

/// LAME looks ahead by less than two frames.
pub(crate) const TAIL_FRAMES: u32 = 4;

/// At a constant bit rate, frames are padded in a pattern that repeats after this many frames (at 44.1 kHz
/// and its halves; other rates have no padding). Segments and their encoders' input are multiples of it, so
/// that the pattern continues.
const PADDING_PERIOD: u32 = 49;

/// Frames in a piece of audio: 63 KiB of stereo. A segment and its overlap are multiples of it.
const PIECE_FRAMES: u32 = 7;

pub(crate) const OVERLAP_PIECES: usize = ((LEAD_FRAMES + TAIL_FRAMES) / PIECE_FRAMES) as usize;

/// The division of audio among encoders that take turns.
///
/// The decoder is many times as fast as an encoder, but produces one segment after another. While it produces
/// one, its output for the other encoders waits in memory. Longer segments need more of this memory, but less
/// audio is encoded twice.
///
/// So the encoders start in turn with a partial segment. Each of them then has as much audio left as the
/// decoder needs time to come back to it. They end with the missing parts. With *n* encoders, this permits
/// segments `2 / (n - 1)` times as long as the audio that may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segments {
    encoders: u32,
    /// Frames of a whole segment.
    frames: u32,
    /// The number of segments after which each encoder ends with a partial one. `None`: they do not start in
    /// turn.
    rounds: Option<u32>,
    piece_bytes: usize,
}

impl Segments {
    /// Divides audio of about this length, of which `waiting_bytes` may wait in memory.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of seconds in whole frames, cut at what a segment may have"
    )]
    pub(crate) fn new(format: Format, encoders: u16, seconds: Option<f64>, waiting_bytes: usize) -> Self {
        let frame_bytes = format.bytes_per_sample() * format.frame_samples();
        let waiting = u32::try_from(waiting_bytes).unwrap_or(u32::MAX) / frame_bytes;
        let encoders = u32::from(encoders);
        // Encoders are not equally fast, so a quarter of the memory stays in reserve.
        let longest = (waiting / 4 * 3 * 2 / (encoders - 1).max(1)).max(PADDING_PERIOD);
        let all = seconds
            .map(|seconds| seconds * f64::from(format.sample_rate_hz) / f64::from(format.frame_samples()))
            .map(|frames| frames.ceil() as u32);
        let (frames, rounds) = match all {
            None => (longest, Some(u32::MAX)),
            // All audio fits into the memory.
            Some(all) if all <= waiting => (all.div_ceil(encoders), None),
            Some(all) => {
                let rounds = all.div_ceil(encoders).div_ceil(longest);
                (all.div_ceil(encoders).div_ceil(rounds), Some(rounds))
            }
        };
        let piece_bytes = usize::try_from(frame_bytes * PIECE_FRAMES).unwrap_or(usize::MAX);
        Self { encoders, frames: frames.max(1), rounds, piece_bytes }
    }

    /// One segment for audio of any length.
    pub(crate) fn undivided(format: Format) -> Self {
        let piece_bytes = format.bytes_per_sample() * format.frame_samples() * PIECE_FRAMES;
        let piece_bytes = usize::try_from(piece_bytes).unwrap_or(usize::MAX);
        // A year of audio.
        Self { encoders: 1, frames: 1 << 30, rounds: None, piece_bytes }
    }

    /// Frames from the beginning of a segment to the beginning of the next.
    pub(crate) fn frames(self, segment: u32) -> u32 {
        let (round, encoder) = (segment / self.encoders, segment % self.encoders);
        let share = match self.rounds {
            Some(_) if round == 0 => encoder + 1,
            Some(rounds) if round < rounds => self.encoders,
            Some(rounds) if round == rounds => self.encoders - 1 - encoder,
            // The audio is longer than it was expected to be.
            Some(_) => 1,
            None => self.encoders,
        };
        (self.frames * share.max(1)).div_ceil(self.encoders).next_multiple_of(PADDING_PERIOD)
    }

    /// Pieces that an encoder gets for a segment.
    pub(crate) fn pieces(self, segment: u32) -> usize {
        usize::try_from(self.frames(segment) / PIECE_FRAMES).unwrap_or(usize::MAX) + OVERLAP_PIECES
    }

    /// Bytes of a piece.
    pub(crate) fn piece_bytes(self) -> usize {
        self.piece_bytes
    }

    /// The most frames that an encoder may finish while the joiner waits for another encoder.
    pub(crate) fn frames_ahead(self) -> usize {
        if self.encoders == 1 {
            // The joiner has no other encoder to wait for.
            return 1024;
        }
        3 * usize::try_from(self.frames + LEAD_FRAMES + TAIL_FRAMES).unwrap_or(usize::MAX / 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Format = Format { channels: 2, sample_rate_hz: 44_100 };
    const WAITING_BYTES: usize = 56 << 20;

    /// The frames of each encoder's segments, up to the end of the audio.
    fn shares(encoders: u16, seconds: f64) -> Vec<Vec<u32>> {
        let segments = Segments::new(STEREO, encoders, Some(seconds), WAITING_BYTES);
        let mut shares = vec![Vec::new(); encoders.into()];
        let mut left = f64::ceil(seconds * 44_100.0 / 1152.0);
        for segment in 0.. {
            if left <= 0.0 {
                break;
            }
            let frames = segments.frames(segment);
            assert_eq!(frames % PADDING_PERIOD, 0);
            shares[segment as usize % usize::from(encoders)].push(frames);
            left -= f64::from(frames);
        }
        shares
    }

    #[test]
    fn every_encoder_gets_as_much_as_the_others() {
        for (encoders, seconds) in
            [(2, 61.0), (2, 166.0), (2, 167.0), (2, 1200.0), (2, 7200.0), (4, 7200.0), (16, 36_000.0)]
        {
            let sums: Vec<u32> = shares(encoders, seconds).iter().map(|share| share.iter().sum()).collect();
            let (least, most) = (sums.iter().min().unwrap(), sums.iter().max().unwrap());
            assert!(most - least <= most / 10 + 2 * PADDING_PERIOD, "{encoders}, {seconds} s: {sums:?}");
        }
    }

    #[test]
    fn encoders_begin_and_end_in_turns() {
        let shares = shares(2, 2990.0);
        let (whole, half) = (9555, 4802);
        assert_eq!(shares, [vec![half, whole, whole, whole, whole, whole, half], vec![whole; 6]]);
    }

    /// The most audio that waits if all encoders are equally fast and the decoder always serves the one that
    /// needs audio next.
    #[test]
    fn no_more_sound_waits_than_is_allowed() {
        for encoders in [2, 4, 16] {
            let segments = Segments::new(STEREO, encoders, Some(36_000.0), WAITING_BYTES);
            // The encoder that ends first needs the next segment. Until the decoder has reached it, the rest
            // of the other encoders' audio waits.
            let rests = (1..u32::from(encoders)).map(|encoder| segments.frames(0) * encoder);
            let bytes = rests.sum::<u32>() * 1152 * 8;
            assert!(bytes as usize <= WAITING_BYTES, "{encoders}: {bytes}");
        }
    }
}

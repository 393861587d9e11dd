//! Decoded audio: its timing, measurements, and mixing.

mod decoded;
mod layouts;
mod loudness;
pub(super) mod mixing;
mod pcm;
mod peaks;
mod timeline;
mod track;

pub(super) use self::layouts::{Layout, MOST_NAMED_CHANNELS};
pub(super) use self::loudness::{Gain, gain};
pub(super) use self::mixing::Join;
pub(super) use self::pcm::Format;
pub(super) use self::timeline::{Gap, LONGEST_PLAIN_GAP_SECONDS};
pub(super) use self::track::{Found, Opened, Pieces, Sound, Wanted};

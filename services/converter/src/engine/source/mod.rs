//! Facts about the uploaded file: from ffprobe, and from its own bytes.

mod avi_silence;
mod bytes_at;
pub(super) mod description;
mod ending;
mod examination;
mod languages;
mod mp4_boxes;
mod mp4_index;
pub(super) mod ogg;
mod packets;
mod probe;
pub(super) mod tracks;

pub(super) use self::avi_silence::Silence;
pub(super) use self::description::Description;
pub(super) use self::ending::Lack;
pub(super) use self::examination::{Examined, examine, reading};
pub(super) use self::packets::{Packets, Scanner};
pub(super) use self::probe::{Probe, Track};
pub(super) use self::tracks::TrackFacts;

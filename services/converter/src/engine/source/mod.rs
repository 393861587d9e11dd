//! What is known of the uploaded file: what ffprobe says of it, and what its own bytes say.

pub(super) mod avi_silence;
mod bytes_at;
pub(super) mod description;
pub(super) mod ending;
pub(super) mod examination;
mod languages;
mod mp4_boxes;
mod mp4_index;
pub(super) mod ogg;
pub(super) mod packets;
pub(super) mod probe;
pub(super) mod tracks;

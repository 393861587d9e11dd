//! What is known of the uploaded file: what ffprobe says of it, and what its own bytes say.

pub(super) mod avi_silence;
mod bytes_at;
pub(super) mod chained_ogg;
pub(super) mod description;
pub(super) mod ending;
mod languages;
pub(super) mod mp4_index;
pub(super) mod packets;
pub(super) mod probe;
pub(super) mod tracks;

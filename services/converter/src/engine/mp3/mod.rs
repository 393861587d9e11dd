//! MP3 files, frame by frame.

mod frame_header;
mod id3_tag;
pub(super) mod info_frame;
mod mpeg_frames;

pub(super) use self::frame_header::Header;
pub(super) use self::id3_tag::Id3Tag;
pub use self::mpeg_frames::{MalformedAudio, MpegAudio};

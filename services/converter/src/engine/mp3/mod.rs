//! MP3 files, frame by frame.

pub(super) mod frame_header;
pub(super) mod id3_tag;
pub(super) mod info_frame;
pub(super) mod mpeg_frames;

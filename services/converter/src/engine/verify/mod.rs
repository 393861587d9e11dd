//! Checks that all of the audio is there: in the decoder's output, and in the finished file.

mod audio_file;
pub(super) mod extent;
pub(super) mod verdict;

pub use self::audio_file::AudioFile;
pub(super) use self::verdict::Evidence;

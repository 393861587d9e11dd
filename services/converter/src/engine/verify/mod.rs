//! Whether all of the sound is there: in what was decoded, and in the file that was made.

mod audio_file;
pub(super) mod extent;
pub(super) mod verdict;

pub use self::audio_file::AudioFile;
pub(super) use self::verdict::Evidence;

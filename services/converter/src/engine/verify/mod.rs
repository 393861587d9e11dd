//! Whether all of the sound is there: in what was decoded, and in the file that was made.

pub(super) mod audio_file;
pub(super) mod extent;
pub(super) mod verdict;

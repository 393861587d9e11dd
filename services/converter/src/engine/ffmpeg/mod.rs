//! FFmpeg and ffprobe: where they are, what they are told, how they are started, and what they say at their end.

pub(super) mod arguments;
mod checks;
pub(super) mod child;
pub(super) mod complaints;
pub(super) mod decoder_log;
pub(super) mod exit;
pub(super) mod programs;
pub(super) mod recipe;
pub(super) mod restrictions;
pub(super) mod workshop;

pub use self::checks::UnusableFfmpeg;

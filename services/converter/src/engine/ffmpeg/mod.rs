//! FFmpeg and ffprobe: their paths, arguments, start, and output.

pub(super) mod arguments;
mod checks;
mod child;
pub(super) mod complaints;
mod decoder_log;
mod exit;
pub(super) mod programs;
mod recipe;
pub(super) mod restrictions;
mod workshop;

pub(super) use self::arguments::{ABOUT, COVER, LOUDNESS_KEYS};
pub use self::checks::UnusableFfmpeg;
pub(super) use self::child::{Child, Ended, Launcher, Place, Process};
pub(super) use self::complaints::complaints;
pub(super) use self::decoder_log::Decoded;
pub(super) use self::exit::{fault_of_the_machine, log_of, log_of_encoder};
pub use self::programs::MissingProgram;
pub(super) use self::recipe::{Course, Picture, Recipe};
pub(super) use self::restrictions::Input;
pub(super) use self::workshop::Workshop;

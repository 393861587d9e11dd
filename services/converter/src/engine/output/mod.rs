//! The results of a conversion: the audio file, its cover and its description.

mod about;
mod copy;
mod cover;
mod encode;
mod finish;
mod loudness;

pub(super) use self::finish::Made;

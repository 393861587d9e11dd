//! What is made of the sound: the audio file, its cover, and what it says about itself.

mod about;
mod copy;
mod cover;
mod encode;
mod finish;
mod loudness;

pub(super) use self::finish::Made;

//! What is made of the sound: the audio file, its cover, and what it says about itself.

pub(super) mod about;
mod cover;
pub(super) mod encode;
pub(super) mod loudness;

//! Decoded sound: samples in time, what is measured of them, and how tracks are mixed.

mod decoded;
pub(super) mod layouts;
pub(super) mod loudness;
pub(super) mod mixing;
pub(super) mod pcm;
mod peaks;
pub(super) mod timeline;
pub(super) mod track;

//! The converter against real FFmpeg, MongoDB and RabbitMQ.

#![expect(clippy::unwrap_used, reason = "a helper of a test panics where the test would")]

mod bench;
mod containers;
mod conversions;
mod damage;
mod description;
mod edited;
mod faults;
mod frames;
mod hostile;
mod limits;
mod media;
mod options;
mod parallel;
mod sandbox;
mod sound;
mod world;

use std::time::Duration;

/// Far longer than any step takes here, even while other tests keep every core busy.
pub(crate) const SOON: Duration = Duration::from_mins(1);

//! The first of two passes of a normalization: measures the loudness.

use std::process::Stdio;

use contracts::{Loudness, LoudnessTarget};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{LOUDNESS_KEYS, Place, Recipe, Workshop, arguments, log_of};
use crate::engine::sound::{Gain, gain};

/// Measures the loudness and calculates the gain.
pub(super) async fn measure(
    workshop: Workshop<'_>,
    recipe: &Recipe,
    target: LoudnessTarget,
    sample_rate_hz: u32,
) -> Result<(Gain, Loudness), ConversionError> {
    let slot = workshop.slots.take();
    let place = Place::of_source(workshop.directory);
    let mut child = workshop.ffmpeg(arguments::loudness(workshop.input, recipe), place, Stdio::null())?;
    let (mut integrated, mut peak) = (None, None);
    let mut lines = BufReader::with_capacity(64 * 1024, &mut child.stdout).lines();
    while let Some(line) = lines.next_line().await.map_err(ConversionError::ffmpeg)? {
        match line.split_once('=') {
            Some((key, value)) if key == LOUDNESS_KEYS[0] => integrated = value.parse().ok(),
            Some((key, value)) if key == LOUDNESS_KEYS[1] => peak = value.parse().ok(),
            Some(_) | None => {}
        }
    }
    log_of(child.ended().await.map_err(ConversionError::ffmpeg)?)?;
    drop(slot);
    Ok(gain(target, integrated, peak, sample_rate_hz))
}

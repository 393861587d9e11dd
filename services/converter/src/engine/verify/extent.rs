//! Checks whether the audio is too long or its file would be too large, before decoding.

use contracts::FailureCode;

use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::Recipe;
use crate::engine::source::{Probe, Scanner};

/// Refuses such audio. A declared length is only a hint, so the packets must confirm it.
pub(crate) async fn check(
    probe: &Probe,
    recipe: &Recipe,
    scanner: Scanner<'_>,
) -> Result<(), ConversionError> {
    let config = scanner.workshop.config;
    let max_seconds = config.max_seconds();
    #[expect(clippy::cast_precision_loss, reason = "a byte more or less is no matter")]
    let max_bytes = config.max_audio_bytes as f64;
    let bytes = |seconds| {
        let selected = recipe.selected_seconds(seconds, probe.track.start_seconds);
        recipe.bytes_per_second().map_or(0.0, |rate| rate * selected)
    };
    let is_too_much = |seconds: f64| seconds > max_seconds || bytes(seconds) > max_bytes;
    if !probe.declared_seconds().is_some_and(is_too_much) {
        return Ok(());
    }
    let seconds = scanner.scan(f64::INFINITY).await?.sound_seconds;
    if seconds > max_seconds {
        let detail = format!("its packets have {seconds:.0} s of sound");
        return Err(ConversionError::failed(FailureCode::TooLong, detail));
    }
    let bytes = bytes(seconds);
    if bytes > max_bytes {
        let detail = format!("the file will have {bytes:.0} bytes");
        return Err(ConversionError::failed(FailureCode::AudioTooLarge, detail));
    }
    Ok(())
}

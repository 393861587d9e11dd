//! The encoders' arguments.

use contracts::{AudioFormat, Bitrate, Mp3Rate};

use crate::engine::ffmpeg::recipe::Recipe;
use crate::engine::sound::Format;

/// The arguments of the format's encoder.
pub(super) fn codec(recipe: &Recipe, format: Format) -> Vec<String> {
    let (name, option, value) = match recipe.options.format {
        AudioFormat::Mp3 => return lame(recipe.options.mp3_rate()),
        AudioFormat::M4a => ("aac", "-b:a", mean_bitrate(recipe, format, 80)),
        AudioFormat::Opus => ("libopus", "-b:a", mean_bitrate(recipe, format, 64)),
        AudioFormat::Flac => {
            ("flac", "-sample_fmt", if recipe.track.is_deep { "s32" } else { "s16" }.to_owned())
        }
        AudioFormat::Wav => {
            let name = if recipe.track.is_deep { "pcm_s24le" } else { "pcm_s16le" };
            return ["-c:a", name].map(str::to_owned).to_vec();
        }
    };
    vec!["-c:a".to_owned(), name.to_owned(), option.to_owned(), value]
}

/// The requested bit rate, or the default for each channel.
fn mean_bitrate(recipe: &Recipe, format: Format, kilobits_per_channel: u16) -> String {
    let asked = recipe.options.bitrate.map(Bitrate::kilobits_per_second);
    format!("{}k", asked.unwrap_or(kilobits_per_channel * format.channels.clamp(1, 8)))
}

pub(super) fn lame(rate: Mp3Rate) -> Vec<String> {
    let (name, value) = match rate {
        Mp3Rate::Quality(quality) => ("-q:a", quality.level().to_string()),
        Mp3Rate::Bitrate(bitrate) => ("-b:a", format!("{}k", bitrate.kilobits_per_second())),
    };
    vec!["-c:a".to_owned(), "libmp3lame".to_owned(), name.to_owned(), value]
}

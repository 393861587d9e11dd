//! An independent judge of what the converter makes: plain FFmpeg decodes the source and the result, and their samples are
//! compared. Nothing of the converter is used, so that it and its judge can't be wrong in the same way.

mod comparison;
mod correlation;
mod decoder;
mod description;

use std::path::Path;

use anyhow::Result;

pub use self::comparison::Comparison;
use self::decoder::Decoder;
pub use self::description::{Description, Track};

/// How decoded samples are laid out in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// Where the file's clock puts them: gaps are filled with silence, and the sound stays in step with its picture. A late
    /// beginning is closed up: the first sample is the first sound.
    OnTheClock,
    /// One after the other, whatever the clock says.
    AsDecoded,
}

/// The sound of a file, as plain FFmpeg decodes it. An hour of it at most.
#[derive(Debug, Clone)]
pub struct Sound {
    /// The track that it is of.
    pub track: Track,
    /// How long it is.
    pub seconds: f64,
    /// Where it begins, counted from the beginning of the file's clock.
    pub begins_at_seconds: f64,
    /// The level of each channel in dB of full scale, from -90 on.
    pub levels_db: Vec<f64>,
    /// What FFmpeg said while it decoded; empty if it had nothing to complain about.
    pub complaints: String,
    /// All channels as one, at [`SAMPLE_RATE_HZ`].
    samples: Vec<f32>,
}

/// At which rate sounds are compared: what makes a moment recognisable is below 4 kHz.
const SAMPLE_RATE_HZ: u32 = 8000;

impl Sound {
    /// Decodes the track of a file that a player would choose; `None` if there is no sound to be had.
    ///
    /// # Errors
    /// When FFmpeg or ffprobe can't be run, or don't end.
    pub async fn of(file: &Path, timing: Timing) -> Result<Option<Self>> {
        match Description::of(file).await? {
            Some(description) => Self::described(file, &description, timing).await,
            None => Ok(None),
        }
    }

    /// The same, of a file whose description is known.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub async fn described(file: &Path, description: &Description, timing: Timing) -> Result<Option<Self>> {
        let Some(track) = description.usual_track() else { return Ok(None) };
        let decoder = Decoder { file, track, timing };
        let (samples, (seconds, levels_db, complaints), begins_at_seconds) =
            tokio::try_join!(decoder.samples(), decoder.levels(), decoder.begins_at_seconds())?;
        if samples.is_empty() {
            return Ok(None);
        }
        let track = track.clone();
        Ok(Some(Self { track, seconds, begins_at_seconds, levels_db, complaints, samples }))
    }

    /// How much longer or shorter than its sound an encoded file may be: its codec has frames of this length.
    #[must_use]
    pub fn frame_seconds(&self) -> f64 {
        let samples = match self.track.codec.as_str() {
            "mp3" if self.track.sample_rate_hz < 32_000 => 576.0,
            "mp3" => 1152.0,
            "aac" => 1024.0,
            "opus" => return 0.02,
            _ => return 0.001,
        };
        samples / f64::from(self.track.sample_rate_hz.max(1))
    }
}

//! An independent judge of the converter's output: plain FFmpeg decodes the source and the result, and their
//! samples are compared. It uses no code of the converter, so that both cannot have the same error.

mod comparison;
mod correlation;
mod decoder;
mod description;

use std::path::Path;

use anyhow::Result;

pub use self::comparison::Comparison;
use self::decoder::Decoder;
pub use self::description::{Description, Track};

/// How decoded samples are placed in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// By the file's clock: gaps are filled with silence, and the audio stays in step with the picture. A
    /// late beginning is dropped: the first sample is the first audio.
    OnTheClock,
    /// One after another, regardless of the clock.
    AsDecoded,
}

/// A file's audio as plain FFmpeg decodes it, an hour at most.
#[derive(Debug, Clone)]
pub struct Sound {
    /// The decoded track.
    pub track: Track,
    /// Its length.
    pub seconds: f64,
    /// Its beginning on the file's clock.
    pub begins_at_seconds: f64,
    /// Each channel's level in dB of full scale, at least -90.
    pub levels_db: Vec<f64>,
    /// FFmpeg's complaints while it decoded. Empty if there are none.
    pub complaints: String,
    /// All channels mixed to one, at [`SAMPLE_RATE_HZ`].
    samples: Vec<f32>,
}

/// The sample rate for comparisons. Below 4 kHz is enough to recognise a moment.
const SAMPLE_RATE_HZ: u32 = 8000;

impl Sound {
    /// Decodes the track that a player would choose. `None` if there is no audio.
    ///
    /// # Errors
    /// FFmpeg or ffprobe cannot be run or does not end.
    pub async fn of(file: &Path, timing: Timing) -> Result<Option<Self>> {
        match Description::of(file).await? {
            Some(description) => Self::described(file, &description, timing).await,
            None => Ok(None),
        }
    }

    /// Like [`of`](Self::of), for a file whose description is known.
    ///
    /// # Errors
    /// Like [`of`](Self::of).
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

    /// The allowed difference in length of an encoded file: the length of its codec's frames.
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

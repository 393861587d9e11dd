//! Converts a video to an audio file: runs ffprobe and FFmpeg as child processes, and checks the result.
//!
//! The video is the file [`Scratch::source`] in a scratch directory. Its own name is not used there.

mod config;
mod conversion;
mod error;
mod ffmpeg;
mod mp3;
mod output;
mod parallel;
mod report;
mod scratch;
mod sound;
mod source;
mod time_limit;
mod verify;

use std::num::NonZeroU16;
use std::time::Duration;

use contracts::ConversionOptions;
use tokio::sync::{OnceCell, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::config::EngineConfig;
pub use self::conversion::Converted;
use self::conversion::convert;
pub use self::error::ConversionError;
pub(crate) use self::error::is_of_a_full_disk;
use self::ffmpeg::{Input, Launcher, Workshop, programs};
pub use self::ffmpeg::{MissingProgram, UnusableFfmpeg};
pub use self::mp3::{MalformedAudio, MpegAudio};
use self::parallel::EncoderSlots;
pub use self::parallel::JoinError;
pub(crate) use self::parallel::cores;
pub use self::report::Report;
pub use self::scratch::{Reservation, ReservationError, Scratch, ScratchSpace};
use self::source::{ogg, reading};
use self::time_limit::TimeLimit;
pub use self::verify::AudioFile;
use crate::sandbox::Limits;

/// Converts one file per call. Calls may run at the same time.
#[derive(Debug)]
pub struct Engine {
    /// The settings, with the programs' absolute paths.
    config: EngineConfig,
    launcher: Launcher,
    decoders: OnceCell<String>,
    slots: EncoderSlots,
}

/// A killed process ends at once, unless its disk hangs.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

const SOURCE_URL: &str = "file:source";

impl Engine {
    /// Finds the programs.
    pub fn new(config: &EngineConfig) -> Result<Self, MissingProgram> {
        let mut config = config.clone();
        let search_path = std::env::var_os("PATH");
        for program in [&mut config.ffmpeg, &mut config.ffprobe] {
            *program = programs::find(program, "ffmpeg", search_path.as_deref())?;
        }
        let limits = Limits {
            // FFmpeg keeps at most two threads busy.
            processor_seconds: config.max_conversion_time.as_secs().saturating_mul(2),
            file_bytes: config.max_audio_bytes,
            memory_bytes: config.max_memory_bytes,
        };
        let launcher = Launcher {
            program: config.launcher.clone(),
            limits,
            is_strict: !config.allow_unsandboxed_ffmpeg,
        };
        let slots = EncoderSlots::new(config.encoder_slots.map_or_else(cores, NonZeroU16::get));
        Ok(Self { config, launcher, decoders: OnceCell::new(), slots })
    }

    /// Converts the video of a scratch directory. When this returns, no process works in the directory any
    /// more.
    ///
    /// Facts about the video and the progress are sent to `report`.
    ///
    /// # Errors
    /// [`ConversionError::Failed`] means that the file is at fault, so it is final. After any other error,
    /// another attempt may succeed.
    pub async fn convert(
        &self,
        scratch: &Scratch,
        options: &ConversionOptions,
        report: &watch::Sender<Report>,
        cancel: &CancellationToken,
    ) -> Result<Converted, ConversionError> {
        let keepers = TaskTracker::new();
        let converted = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(ConversionError::Cancelled),
            converted = self.work(scratch, options, report, &keepers) => converted,
        };
        keepers.close();
        // The caller may remove the directory now, so no process may still write into it.
        if timeout(KILL_PATIENCE, keepers.wait()).await.is_err() {
            tracing::error!("a killed process does not end");
        }
        converted
    }

    async fn work(
        &self,
        scratch: &Scratch,
        options: &ConversionOptions,
        report: &watch::Sender<Report>,
        keepers: &TaskTracker,
    ) -> Result<Converted, ConversionError> {
        let time = TimeLimit::begin(&self.config);
        let source = scratch.source();
        time.within_longest(reading(move || ogg::join_links(&source))).await?;
        let decoders = async { self.ffprobe_decoders().await.map_err(ConversionError::ffprobe) };
        let decoders = time.within_longest(decoders).await?;
        let workshop = Workshop {
            config: &self.config,
            decoders,
            launcher: &self.launcher,
            slots: &self.slots,
            directory: scratch.directory(),
            input: Input { file: SOURCE_URL, max_tracks: self.config.max_tracks, is_patient: false },
            keepers,
        };
        convert(&time, workshop, options, report).await
    }
}

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Command, FromArgMatches as _};
use humantime::parse_duration;

/// The kernel's path to the running program.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The engine's programs and limits.
#[derive(Debug, Clone, Args)]
pub struct EngineConfig {
    /// Encoders at work at the same time, over all videos; by default one for each core
    #[arg(long, env = "ENCODER_SLOTS")]
    pub encoder_slots: Option<NonZeroU16>,

    /// From which length on a sound is encoded by several encoders at once, without the bit reservoir
    #[arg(long, env = "PARALLEL_FROM", default_value = "1min", value_parser = parse_duration)]
    pub parallel_from: Duration,

    /// FFmpeg, as a path or as a name on the `PATH`
    #[arg(long, env = "FFMPEG", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,

    /// ffprobe, as a path or as a name on the `PATH`
    #[arg(long, env = "FFPROBE", default_value = "ffprobe")]
    pub ffprobe: PathBuf,

    /// `true` to run FFmpeg on strangers' files even where a layer of its sandbox is missing
    #[arg(long, env = "ALLOW_UNSANDBOXED_FFMPEG", default_value_t = false, action = ArgAction::Set)]
    pub allow_unsandboxed_ffmpeg: bool,

    /// The launcher that confines a program and then becomes it. Its `main` calls
    /// [`crate::sandbox::run_if_asked`] first.
    #[arg(skip = THIS_PROGRAM)]
    pub launcher: PathBuf,

    /// The longest sound that is converted
    #[arg(long, env = "MAX_DURATION", default_value = "12h", value_parser = parse_duration)]
    pub max_duration: Duration,

    /// The most tracks that a video may have, of all kinds
    #[arg(long, env = "MAX_TRACKS", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_tracks: u16,

    /// The largest audio file that is made, in bytes; the longest sound at 320 kbit/s has 1.73 GB
    #[arg(long, env = "MAX_AUDIO_BYTES", default_value_t = 1_800_000_000)]
    pub max_audio_bytes: u64,

    /// Memory that one FFmpeg process may take, in bytes
    #[arg(long, env = "MAX_MEMORY_BYTES", default_value_t = 512 << 20)]
    pub max_memory_bytes: u64,

    /// Time that a conversion may take however short its sound is
    #[arg(long, env = "BASE_CONVERSION_TIME", default_value = "5min", value_parser = parse_duration)]
    pub base_conversion_time: Duration,

    /// Time that it may take on top, as a share of the sound's length
    #[arg(long, env = "CONVERSION_TIME_FACTOR", default_value_t = 1.0)]
    pub conversion_time_factor: f64,

    /// The longest time that one conversion may take; RabbitMQ's `consumer_timeout` must be longer
    #[arg(long, env = "MAX_CONVERSION_TIME", default_value = "2h", value_parser = parse_duration)]
    pub max_conversion_time: Duration,
}

impl Default for EngineConfig {
    /// The settings' defaults. Ignores the environment.
    fn default() -> Self {
        let command = Self::augment_args(Command::new("engine").no_binary_name(true));
        let arguments = command.mut_args(|argument| argument.env(None::<&str>)).try_get_matches_from([""; 0]);
        let config = arguments.and_then(|arguments| Self::from_arg_matches(&arguments));
        config.unwrap_or_else(|error| error.exit())
    }
}

impl EngineConfig {
    /// The length limit in seconds, plus one second, because containers and decoders measure differently.
    pub(super) fn max_seconds(&self) -> f64 {
        self.max_duration.as_secs_f64() + 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_that_of_the_settings() {
        let config = EngineConfig::default();
        assert_eq!((config.max_duration, config.max_tracks), (Duration::from_hours(12), 100));
        assert_eq!((config.launcher, config.encoder_slots), (THIS_PROGRAM.into(), None));
    }
}

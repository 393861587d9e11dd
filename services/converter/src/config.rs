use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use broker::BrokerConfig;
use clap::{ArgAction, Args};
use databases::MongoConfig;
use humantime::parse_duration;

/// The converter's settings.
#[derive(Debug, Clone, Args)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub mongodb: MongoConfig,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub rabbitmq: BrokerConfig,

    /// Room on MongoDB's disk that is kept free, at most an eighth of it: conversions wait once they would take more than half of it.
    /// The same as gateway's
    #[arg(long, env = "MONGODB_RESERVE_BYTES", default_value_t = 4 << 30)]
    pub mongodb_reserve_bytes: u64,

    /// Videos converted at the same time; by default one for each core, since encoding one takes one
    #[arg(long, env = "SLOTS")]
    pub slots: Option<NonZeroU16>,

    /// Encoders at work at the same time, over all videos; by default one for each core
    #[arg(long, env = "ENCODER_SLOTS")]
    pub encoder_slots: Option<NonZeroU16>,

    /// From which length on a sound is encoded by several encoders at once, without the bit reservoir
    #[arg(long, env = "PARALLEL_FROM", default_value = "1min", value_parser = parse_duration)]
    pub parallel_from: Duration,

    /// Folder for the files of the jobs at work; several converters may share it
    #[arg(long, env = "SCRATCH_DIR", default_value = "/var/tmp/mixdown-converter")]
    pub scratch_dir: PathBuf,

    /// FFmpeg, as a path or as a name on the `PATH`
    #[arg(long, env = "FFMPEG", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,

    /// ffprobe, as a path or as a name on the `PATH`
    #[arg(long, env = "FFPROBE", default_value = "ffprobe")]
    pub ffprobe: PathBuf,

    /// `true` to run FFmpeg on strangers' files even where a layer of its sandbox is missing
    #[arg(long, env = "ALLOW_UNSANDBOXED_FFMPEG", default_value_t = false, action = ArgAction::Set)]
    pub allow_unsandboxed_ffmpeg: bool,

    /// The program that confines FFmpeg and becomes it: this one
    #[arg(skip = "/proc/self/exe")]
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

    /// How many jobs of one user the converters are given at the same time; the others wait their turn. The same as gateway's
    #[arg(long, env = "JOBS_AT_ONCE", default_value = "8")]
    pub jobs_at_once: NonZeroU16,

    /// How many times a job is begun before it is given up as interrupted
    #[arg(long, env = "MAX_ATTEMPTS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_attempts: u32,

    /// How long a job stays with a converter that gives no sign of life
    #[arg(long, env = "LEASE", default_value = "30s", value_parser = parse_duration)]
    pub lease: Duration,

    /// How long an MP3, and the record of a failed job, is kept
    #[arg(long, env = "KEEP_MP3", default_value = "7days", value_parser = parse_duration)]
    pub keep_mp3: Duration,

    /// How long a video is kept after its conversion
    #[arg(long, env = "KEEP_VIDEO", default_value = "0s", value_parser = parse_duration)]
    pub keep_video: Duration,
}

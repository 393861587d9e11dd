use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use broker::BrokerConfig;
use clap::Args;
use databases::MongoConfig;
use humantime::parse_duration;

use crate::engine::EngineConfig;

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

    /// Folder for the files of the jobs at work; several converters may share it
    #[arg(long, env = "SCRATCH_DIR", default_value = "/var/tmp/mixdown-converter")]
    pub scratch_dir: PathBuf,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub engine: EngineConfig,

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

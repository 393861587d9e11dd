use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use contracts::ProblemCode;
use humantime::parse_duration;
use service_kit::{Pace, Problem};

/// What is asked of an upload.
#[derive(Debug, Clone, Copy, Args)]
pub struct UploadConfig {
    /// The largest file that is taken, in bytes
    #[arg(long, env = "MAX_UPLOAD_BYTES", default_value_t = 2 << 30)]
    max_upload_bytes: u64,

    /// How long an upload may send nothing before it is given up
    #[arg(long, env = "UPLOAD_IDLE_TIMEOUT", default_value = "60s", value_parser = parse_duration)]
    upload_idle_timeout: Duration,

    /// Bytes per second that an upload must have on the average, but for pauses of ten idle timeouts in all
    #[arg(long, env = "MIN_UPLOAD_RATE", default_value = "1024")]
    min_upload_rate: NonZeroU32,

    /// How long an upload may take in all
    #[arg(long, env = "UPLOAD_TIMEOUT", default_value = "12h", value_parser = parse_duration)]
    upload_timeout: Duration,

    /// How long an unfinished resumable upload is kept after the last byte of it came
    #[arg(long, env = "UPLOAD_EXPIRY", default_value = "24h", value_parser = parse_duration)]
    upload_expiry: Duration,
}

impl UploadConfig {
    /// The size of the largest file that is taken.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_upload_bytes
    }

    pub(super) fn pace(&self) -> Pace {
        Pace { idle_timeout: self.upload_idle_timeout, min_rate: self.min_upload_rate }
    }

    /// How long an upload may take in all.
    pub(super) fn timeout(&self) -> Duration {
        self.upload_timeout
    }

    /// How long an unfinished upload is kept.
    pub(crate) fn expiry(&self) -> Duration {
        self.upload_expiry
    }

    pub(crate) fn too_large(&self) -> Problem {
        let limit = format!("The largest file that is taken has {} bytes.", self.max_upload_bytes);
        Problem::new(ProblemCode::TooLarge).with_detail(limit)
    }
}

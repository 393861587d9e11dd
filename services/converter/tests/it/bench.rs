//! The engine alone, with its own scratch folder.

use std::path::Path;
use std::time::Duration;

use contracts::{ConversionOptions, FailureCode};
use converter::engine::{ConversionError, Converted, Engine, EngineConfig, Report, Scratch, ScratchSpace};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The converter's binary, which launches FFmpeg: the test's own process cannot be the launcher.
pub(crate) const LAUNCHER: &str = env!("CARGO_BIN_EXE_converter");

pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) space: ScratchSpace,
    _folder: TempDir,
}

/// A finished file and its directory.
pub(crate) struct Mp3 {
    pub(crate) converted: Converted,
    _scratch: Scratch,
}

impl Mp3 {
    pub(crate) fn seconds(&self) -> f64 {
        self.converted.audio.duration_seconds
    }

    #[track_caller]
    pub(crate) fn lasts(&self, seconds: f64) {
        let actual = self.seconds();
        assert!((actual - seconds).abs() < 0.08, "it lasts {actual} s, not {seconds} s");
    }
}

pub(crate) fn config() -> EngineConfig {
    EngineConfig {
        launcher: LAUNCHER.into(),
        max_duration: Duration::from_hours(1),
        max_audio_bytes: 200_000_000,
        max_conversion_time: Duration::from_mins(10),
        ..EngineConfig::default()
    }
}

pub(crate) fn nothing_reported() -> watch::Sender<Report> {
    watch::Sender::new(Report::default())
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(&config())
    }

    pub(crate) fn with(config: &EngineConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let space = ScratchSpace::open(folder.path()).unwrap();
        Self { engine: Engine::new(config).unwrap(), space, _folder: folder }
    }

    pub(crate) fn scratch(&self, video: &[u8]) -> Scratch {
        let scratch = self.space.begin_job().unwrap();
        std::fs::write(scratch.source(), video).unwrap();
        scratch
    }

    pub(crate) async fn convert_bytes(
        &self,
        video: &[u8],
        options: ConversionOptions,
    ) -> Result<Mp3, ConversionError> {
        let scratch = self.scratch(video);
        let never = CancellationToken::new();
        let converted = self.engine.convert(&scratch, &options, &nothing_reported(), &never).await?;
        Ok(Mp3 { converted, _scratch: scratch })
    }

    pub(crate) async fn convert(&self, video: &Path) -> Mp3 {
        let converted =
            self.convert_bytes(&std::fs::read(video).unwrap(), ConversionOptions::default()).await;
        converted.unwrap_or_else(|error| panic!("{}: {error}", video.display()))
    }

    /// The code with which these bytes are refused.
    pub(crate) async fn failure(&self, video: &[u8]) -> FailureCode {
        match self.convert_bytes(video, ConversionOptions::default()).await {
            Ok(mp3) => panic!("it was converted: {} s", mp3.seconds()),
            Err(error) => error.code().unwrap_or_else(|| panic!("not the file's fault: {error}")),
        }
    }
}

/// The processes whose working directory is below this folder.
pub(crate) fn processes_in(folder: &Path) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let here = processes.filter(|process| {
        std::fs::read_link(process.path().join("cwd")).is_ok_and(|directory| directory.starts_with(folder))
    });
    here.filter_map(|process| process.file_name().to_str()?.parse().ok()).collect()
}

pub(crate) fn has_process_in(folder: &Path) -> bool {
    !processes_in(folder).is_empty()
}

//! Converts every file below a folder to every format, and compares the results with plain FFmpeg:
//! `make sweep FOLDER=…`. Prints a row for each file and format, and then every surprise, where the converter
//! and plain FFmpeg disagree.

mod judge;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use contracts::{AudioFormat, ConversionOptions};
use converter::engine::{ConversionError, Converted, Engine, EngineConfig, Report, ScratchSpace};
use futures_util::{StreamExt as _, stream};
use test_kit::sound::{Comparison, Sound, Timing};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::judge::Reference;

/// The time that a conversion may take in addition to the audio's length.
const BASE_TIME: Duration = Duration::from_mins(2);

fn main() -> anyhow::Result<ExitCode> {
    if let Some(ended) = converter::sandbox::run_if_asked(std::env::args_os()) {
        return Ok(ended);
    }
    let folder = PathBuf::from(std::env::args_os().nth(1).context("which folder? make sweep FOLDER=…")?);
    let runtime = tokio::runtime::Runtime::new()?;
    let surprises = runtime.block_on(sweep(&folder))?;
    Ok(if surprises == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the number of surprises.
async fn sweep(folder: &Path) -> anyhow::Result<usize> {
    let files = files_below(folder)?;
    ensure!(!files.is_empty(), "there is no file below {}", folder.display());
    let bench = Bench::new()?;
    let cores = std::thread::available_parallelism()?.get();
    let mut surprises = Vec::new();
    println!("{}", judge::HEADLINE);
    let mut examined = stream::iter(&files).map(|file| bench.examine(file)).buffered(cores);
    for file in &files {
        let name = file.strip_prefix(folder).unwrap_or(file).display().to_string();
        let examined = examined.next().await.context("a file was left out")?;
        let Examined { reference, outcomes } = examined.with_context(|| name.clone())?;
        for outcome in &outcomes {
            println!("{}", judge::row(&name, &reference, outcome));
        }
        let about = |surprise| format!("{name}{surprise}");
        surprises.extend(judge::surprises(&reference, &outcomes).into_iter().map(about));
    }
    println!("\n{} files, {} surprises", files.len(), surprises.len());
    for surprise in &surprises {
        println!("- {surprise}");
    }
    Ok(surprises.len())
}

/// All files below a folder. Links are not followed, because they may form circles.
fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("could not read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

struct Examined {
    reference: Reference,
    outcomes: Vec<Outcome>,
}

/// The outcome of a file in one format.
struct Outcome {
    format: AudioFormat,
    made: Result<Made, ConversionError>,
}

/// A finished file.
struct Made {
    converted: Converted,
    /// The audio that plain FFmpeg decodes from it.
    sound: Option<Sound>,
    /// The comparison of that audio with plain FFmpeg's audio of the source.
    comparison: Option<Comparison>,
}

struct Bench {
    engine: Engine,
    space: ScratchSpace,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> anyhow::Result<Self> {
        let engine = Engine::new(&EngineConfig {
            max_audio_bytes: 8_000_000_000,
            base_conversion_time: BASE_TIME,
            ..EngineConfig::default()
        })?;
        let folder = tempfile::tempdir()?;
        Ok(Self { engine, space: ScratchSpace::open(folder.path())?, _folder: folder })
    }

    async fn examine(&self, file: &Path) -> anyhow::Result<Examined> {
        let reference = Reference::of(file).await?;
        let mut outcomes = Vec::new();
        for format in AudioFormat::ALL {
            let made = self.convert(file, &reference, format).await?;
            outcomes.push(Outcome { format, made });
        }
        Ok(Examined { reference, outcomes })
    }

    async fn convert(
        &self,
        file: &Path,
        reference: &Reference,
        format: AudioFormat,
    ) -> anyhow::Result<Result<Made, ConversionError>> {
        let scratch = self.space.begin_job()?;
        tokio::fs::copy(file, scratch.source()).await?;
        let options = ConversionOptions { format, ..ConversionOptions::default() };
        let (report, _) = watch::channel(Report::default());
        let cancel = CancellationToken::new();
        let _guard = cancel.clone().drop_guard();
        let deadline = BASE_TIME + reference.length();
        tokio::spawn({
            let cancel = cancel.clone();
            async move {
                // Ends when the guard is dropped. At the deadline it cancels the conversion.
                let _ = tokio::time::timeout(deadline, cancel.cancelled()).await;
                cancel.cancel();
            }
        });
        let converted = match self.engine.convert(&scratch, &options, &report, &cancel).await {
            Ok(converted) => converted,
            Err(error) => return Ok(Err(error)),
        };
        let sound = Sound::of(&converted.path, Timing::AsDecoded).await?;
        let comparison = match (&reference.sound, &sound) {
            (Some(expected), Some(actual)) => Some(Comparison::of(expected, actual)),
            _ => None,
        };
        Ok(Ok(Made { converted, sound, comparison }))
    }
}

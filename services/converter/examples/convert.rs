//! Runs the engine on files and prints the results: `convert [OPTION=VALUE…] FILE…`. Environment:
//! `KEEP=FOLDER` keeps the audio files there; `PARALLEL_FROM=SECONDS` sets the length from which several
//! encoders work.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use contracts::ConversionOptions;
use converter::engine::{Engine, EngineConfig, Report, ScratchSpace};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

fn main() -> anyhow::Result<ExitCode> {
    if let Some(ended) = converter::sandbox::run_if_asked(std::env::args_os()) {
        return Ok(ended);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    // On a worker of the runtime, as in the service: the main thread would have to be woken for every event.
    runtime.block_on(runtime.spawn(convert_all()))??;
    Ok(ExitCode::SUCCESS)
}

async fn convert_all() -> anyhow::Result<()> {
    let parallel_from =
        Duration::from_secs(std::env::var("PARALLEL_FROM").map_or(Ok(60), |seconds| seconds.parse())?);
    let engine = Engine::new(&EngineConfig { parallel_from, ..EngineConfig::default() })?;
    let folder = tempfile::tempdir()?;
    let space = ScratchSpace::open(folder.path())?;
    let (options, files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.contains('='));
    let options = ConversionOptions::parse(options.iter().filter_map(|option| option.split_once('=')))?;
    for file in files.iter().map(PathBuf::from) {
        println!("{}: {}", file.display(), convert(&engine, &space, &file, &options).await?);
    }
    Ok(())
}

async fn convert(
    engine: &Engine,
    space: &ScratchSpace,
    file: &Path,
    options: &ConversionOptions,
) -> anyhow::Result<String> {
    let scratch = space.begin_job()?;
    std::fs::copy(file, scratch.source()).with_context(|| format!("could not read {}", file.display()))?;
    let (report, _) = watch::channel(Report::default());
    let started = Instant::now();
    let converted = engine.convert(&scratch, options, &report, &CancellationToken::new()).await;
    let took = started.elapsed().as_millis();
    if let (Ok(converted), Some(folder), Some(name)) =
        (&converted, std::env::var_os("KEEP"), file.file_stem())
    {
        std::fs::copy(
            &converted.path,
            Path::new(&folder).join(name).with_extension(converted.format.as_str()),
        )?;
    }
    Ok(match converted {
        Ok(converted) => format!(
            "{:.3} s from {:.3} s on at {} bit/s (declared {:?}){}{}, {} bytes of peaks, {:?}, in {took} ms",
            converted.audio.duration_seconds,
            converted.begins_at_seconds,
            converted.audio.bitrate_bps,
            converted.source.declared_seconds,
            if converted.is_copy { ", copied" } else { "" },
            if converted.has_cover { ", with a cover" } else { "" },
            converted.peaks.len(),
            converted.loudness,
        ),
        Err(error) => format!("{error} in {took} ms"),
    })
}

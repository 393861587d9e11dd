//! Malicious files, made to read other files, reach the network, exhaust the machine, or crash a parser.
//!
//! Each has one correct outcome, which comes within seconds. It may leave nothing behind and touch nothing
//! else, and the next file must convert as usual.

mod canary;
mod kinds;
mod surgery;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use contracts::{ConversionOptions, FailureCode};
use converter::engine::{ConversionError, EngineConfig};
use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

pub(crate) use self::canary::Canary;
pub(crate) use self::surgery::Wave;
use self::surgery::flipped;
use crate::bench::{Bench, config, has_process_in, nothing_reported, processes_in};
use crate::media::{FASTSTART, Workshop};

/// The expected outcome of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Outcome {
    Fails(FailureCode),
    /// It is converted to this many seconds of audio.
    Converts(f64),
    /// It either fails or converts, depending on which bits are flipped.
    Ends,
}

/// A file and its expected outcome.
pub(crate) struct Kind {
    name: String,
    bytes: Vec<u8>,
    outcome: Outcome,
}

impl Kind {
    pub(crate) fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>, outcome: Outcome) -> Self {
        Self { name: name.into(), bytes: bytes.into(), outcome }
    }

    pub(crate) fn fails(name: impl Into<String>, bytes: impl Into<Vec<u8>>, code: FailureCode) -> Self {
        Self::new(name, bytes, Outcome::Fails(code))
    }
}

/// Ten times what the slowest file takes on an idle machine.
const SECONDS: Duration = Duration::from_secs(20);

/// FFmpeg's libraries alone take 70 MB, and two FFmpeg processes run: one decodes, one encodes.
const MAX_RESIDENT_BYTES: u64 = 560 << 20;

/// More than any MP3 in these tests.
const MAX_SCRATCH_BYTES: u64 = 32 << 20;

/// Tries the files, a few at a time like a converter, and reports every failure.
async fn try_all(kinds: Vec<Kind>, canary: Option<&Canary>) {
    let bench = Bench::with(&EngineConfig { max_duration: Duration::from_mins(10), ..config() });
    let good = std::fs::read(Workshop::new().video("good.mp4", "1", &FASTSTART)).unwrap();
    let tried = stream::iter(&kinds).map(|kind| attempt(&bench, kind)).buffer_unordered(3);
    let mut wrong: Vec<_> = tried.filter_map(async |wrong| wrong).collect().await;
    wrong.extend(canary.and_then(Canary::touched).map(|what| format!("{what} of the canary was touched")));
    let next = bench.convert_bytes(&good, ConversionOptions::default()).await;
    wrong.extend(next.err().map(|error| format!("the next file: {error}")));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), kinds.len(), wrong.join("\n"));
}

async fn attempt(bench: &Bench, kind: &Kind) -> Option<String> {
    let scratch = bench.scratch(&kind.bytes);
    let (report, never) = (nothing_reported(), CancellationToken::new());
    let (started, peak) = (Instant::now(), AtomicU64::new(0));
    let options = ConversionOptions::default();
    let converting = bench.engine.convert(&scratch, &options, &report, &never);
    let converted = tokio::select! {
        converted = converting => converted,
        () = watch_memory(scratch.directory(), &peak) => unreachable!("it watches for ever"),
    };
    let took = started.elapsed();
    let wrong = |what: String| Some(format!("{}: {what}", kind.name));
    if std::env::var_os("SHOW_OUTCOMES").is_some() {
        let outcome = converted.as_ref().map(|converted| converted.audio.duration_seconds);
        eprintln!(
            "{} | {:?} | {:?} | {took:?} | {} MB",
            kind.name,
            kind.outcome,
            outcome.map_err(ToString::to_string),
            peak.load(Ordering::Relaxed) >> 20
        );
    }
    if has_process_in(scratch.directory()) {
        return wrong("a process is left".to_owned());
    }
    if took > SECONDS {
        return wrong(format!("it took {took:?}"));
    }
    if peak.load(Ordering::Relaxed) > MAX_RESIDENT_BYTES {
        return wrong(format!("it took {} bytes of memory", peak.load(Ordering::Relaxed)));
    }
    let made: u64 = std::fs::read_dir(scratch.directory())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name() != "source")
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    if made > MAX_SCRATCH_BYTES {
        return wrong(format!("it left {made} bytes"));
    }
    match (kind.outcome, converted) {
        (Outcome::Fails(code), Err(ConversionError::Failed { code: actual, .. })) if code == actual => None,
        (Outcome::Converts(seconds), Ok(converted))
            if (converted.audio.duration_seconds - seconds).abs() < 0.1 =>
        {
            None
        }
        (Outcome::Ends, Ok(_) | Err(ConversionError::Failed { .. })) => None,
        (outcome, Ok(converted)) => {
            wrong(format!("{outcome:?}, but it lasts {} s", converted.audio.duration_seconds))
        }
        (outcome, Err(error)) => wrong(format!("{outcome:?}, but {error}")),
    }
}

/// Records the highest memory use of one process in this directory.
async fn watch_memory(directory: &Path, peak: &AtomicU64) {
    loop {
        for process in processes_in(directory) {
            let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) else { continue };
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            peak.fetch_max(kilobytes.unwrap_or(0) * 1024, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_refers_to_other_files_and_addresses_is_no_media_file() {
    let workshop = Workshop::new();
    let canary = Canary::new(&workshop);
    try_all(kinds::references(&canary, &workshop), Some(&canary)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_files_that_are_not_media_are_refused_as_not_a_media_file() {
    try_all(kinds::no_media(&Workshop::new()), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_mp4_may_lie_about_everything() {
    try_all(kinds::mp4(&Workshop::new()), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_matroska_may_lie_about_everything() {
    try_all(kinds::matroska(&Workshop::new()), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_may_lie_about_everything() {
    try_all(kinds::sounds(&Workshop::new()), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_glued_to_a_video_does_no_harm() {
    let workshop = Workshop::new();
    let canary = Canary::new(&workshop);
    try_all(kinds::glued(&canary, &workshop), Some(&canary)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_flipped_bits_ends_one_way_or_the_other() {
    let workshop = Workshop::new();
    let kinds = kinds::containers(&workshop).into_iter().flat_map(|(name, bytes)| {
        [1, 30, 1000].map(|bits| {
            Kind::new(
                format!("{name} with {bits} bits flipped"),
                flipped(&bytes, bits, bits.try_into().unwrap()),
                Outcome::Ends,
            )
        })
    });
    try_all(kinds.collect(), None).await;
}

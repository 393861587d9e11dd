//! Converts seeded mutations of small valid files: `make fuzz`. Checks that no mutation hangs or crashes the
//! converter, leaves a file behind, or becomes a file with less audio than plain FFmpeg decodes. `MUTATIONS`
//! is their number, `SEED` the first one, `SECONDS` the time limit.
//!
//! A mutation depends only on its number: `SEED=4711 MUTATIONS=1` repeats one, and `KEEP=FILE` keeps its
//! file.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use contracts::{AudioFormat, ConversionOptions};
use converter::engine::{ConversionError, Converted, Engine, EngineConfig, Report, Scratch, ScratchSpace};
use futures_util::{StreamExt as _, stream};
use test_kit::seeded::Random;
use test_kit::sound::{Sound, Timing};
use test_kit::sources::SOURCES;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How much less the converter may decode of broken audio than plain FFmpeg.
const TOLERANCE_SECONDS: f64 = 0.5;

/// Such a file takes half a second on an idle machine. No file may take this long, even on a busy one.
const DEADLINE: Duration = Duration::from_mins(2);

fn main() -> anyhow::Result<ExitCode> {
    if let Some(ended) = converter::sandbox::run_if_asked(std::env::args_os()) {
        return Ok(ended);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let is_clean = runtime.block_on(runtime.spawn(fuzz()))??;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn number(variable: &str, default: u64) -> anyhow::Result<u64> {
    let given = std::env::var(variable).ok();
    given.map_or(Ok(default), |text| text.parse().with_context(|| format!("{variable} is no number")))
}

async fn fuzz() -> anyhow::Result<bool> {
    let (count, first) = (number("MUTATIONS", 10_000)?, number("SEED", 1)?);
    let last = Instant::now() + Duration::from_secs(number("SECONDS", 4 * 3600)?);
    let folder = tempfile::tempdir()?;
    let files = files(folder.path()).await?;
    let bench = Bench::new(folder.path())?;
    let cores = std::thread::available_parallelism()?.get();
    let numbers = (first..first + count).take_while(|_| Instant::now() < last);
    let attempts = stream::iter(numbers)
        .map(|number| bench.attempt(number, mutation(&files, number)))
        .buffer_unordered(cores);
    let mut summary = Summary::default();
    let mut attempts = std::pin::pin!(attempts);
    while let Some(attempt) = attempts.next().await {
        summary.add(&attempt?);
    }
    ensure!(bench.is_empty()?, "something was left in the scratch folder");
    summary.print();
    Ok(summary.bad == 0)
}

/// A second of audio of every kind.
async fn files(folder: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    for source in SOURCES {
        files.push(tokio::fs::read(source.make(folder, 1).await?).await?);
    }
    Ok(files)
}

/// A random position, more often near the front, where headers are.
fn position(random: &mut Random, length: usize) -> usize {
    match random.below(3) {
        0 => random.below(length.min(64)),
        1 => random.below(length.min(2048)),
        _ => random.below(length),
    }
}

/// One to eight changes of one of the files.
fn mutation(files: &[Vec<u8>], number: u64) -> Vec<u8> {
    /// Numbers at which parsers typically break.
    const EDGES: [u32; 8] = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff];
    let mut random = Random(number);
    let mut bytes = random.pick(files).clone();
    for _ in 0..=random.below(8) {
        let at = position(&mut random, bytes.len());
        let end = (at + 1 + random.below(64)).min(bytes.len());
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.number().to_le_bytes()[0],
            3 | 4 => {
                let edge = *random.pick(&EDGES);
                let edge = if random.below(2) == 0 { edge.to_be_bytes() } else { edge.to_le_bytes() };
                let room = edge.len().min(bytes.len() - at);
                bytes[at..at + room].copy_from_slice(&edge[..room]);
            }
            5 => drop(bytes.drain(at..end)),
            6 => {
                let copy = bytes[at..end].repeat(1 + random.below(16));
                bytes.splice(at..at, copy);
            }
            _ if random.below(4) == 0 => bytes.truncate(at.max(1)),
            _ => {
                let other = random.pick(files);
                let from = position(&mut random, other.len());
                let piece = &other[from..(from + end - at).min(other.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

struct Bench {
    engine: Engine,
    space: ScratchSpace,
    scratch: std::path::PathBuf,
}

struct Attempt {
    number: u64,
    /// The format's index.
    format: usize,
    outcome: String,
    /// The fault, if there is one.
    fault: Option<String>,
    took: Duration,
}

impl Bench {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let engine = Engine::new(&EngineConfig {
            max_duration: Duration::from_hours(1),
            max_audio_bytes: 200_000_000,
            max_conversion_time: Duration::from_mins(5),
            // Lets both ways of encoding run: one encoder and several.
            parallel_from: Duration::from_millis(1010),
            ..EngineConfig::default()
        })?;
        let scratch = folder.join("scratch");
        Ok(Self { engine, space: ScratchSpace::open(&scratch)?, scratch })
    }

    async fn attempt(&self, number: u64, bytes: Vec<u8>) -> anyhow::Result<Attempt> {
        if let Some(file) = std::env::var_os("KEEP") {
            std::fs::write(file, &bytes)?;
        }
        let scratch = self.space.begin_job()?;
        std::fs::write(scratch.source(), bytes)?;
        let format = usize::try_from(number % 5)?;
        let options = ConversionOptions { format: AudioFormat::ALL[format], ..ConversionOptions::default() };
        let (report, _) = watch::channel(Report::default());
        let (never, started) = (CancellationToken::new(), Instant::now());
        let converted = self.engine.convert(&scratch, &options, &report, &never).await;
        let took = started.elapsed();
        let (outcome, fault) = match converted {
            Ok(converted) => ("converted".to_owned(), loss(&scratch, &converted).await?),
            Err(ConversionError::Failed { code, detail }) => {
                // FFmpeg is confined because it may crash, so a crash is counted but is not a fault.
                let crashed = if detail.contains("signal: ") { ", FFmpeg crashed" } else { "" };
                (format!("{code:?}{crashed}"), None)
            }
            Err(error) => ("error".to_owned(), Some(format!("{:#}", anyhow::Error::from(error)))),
        };
        let fault = fault.or_else(|| (took > DEADLINE).then(|| "it took too long".to_owned()));
        Ok(Attempt { number, format, outcome, fault, took })
    }

    fn is_empty(&self) -> anyhow::Result<bool> {
        for own in std::fs::read_dir(&self.scratch)? {
            let path = own?.path();
            if path.is_dir() && std::fs::read_dir(path)?.count() > 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The audio that a finished file lacks compared with the converter's report and with plain FFmpeg's decoding
/// of the mutation.
async fn loss(scratch: &Scratch, converted: &Converted) -> anyhow::Result<Option<String>> {
    let said = converted.audio.duration_seconds;
    let Some(made) = Sound::of(&converted.path, Timing::AsDecoded).await? else {
        // At the rate at which sounds are compared, nothing is left of a few samples.
        let is_audible = said > 0.001;
        return Ok(is_audible.then(|| format!("there is no sound in it, but {said:.3} s are said to be")));
    };
    if (made.seconds - said).abs() > made.frame_seconds() {
        return Ok(Some(format!("it lasts {:.3} s, but {said:.3} s are said", made.seconds)));
    }
    // Plain FFmpeg has no limits and fails on some mutations. These cannot be compared.
    let plain = Sound::of(&scratch.source(), Timing::AsDecoded).await.ok().flatten();
    let lacks = |plain: &Sound| made.seconds < plain.seconds - TOLERANCE_SECONDS;
    Ok(plain.filter(lacks).map(|plain| {
        format!("it lasts {:.3} s, but plain FFmpeg decodes {:.3} s", made.seconds, plain.seconds)
    }))
}

#[derive(Default)]
struct Summary {
    /// The number of attempts with each outcome, by format.
    outcomes: BTreeMap<String, [u64; 5]>,
    slowest: Option<(Duration, u64)>,
    tried: u64,
    bad: u64,
}

impl Summary {
    fn add(&mut self, attempt: &Attempt) {
        self.tried += 1;
        let Attempt { number, format, outcome, fault, took } = attempt;
        if let Some(fault) = fault {
            self.bad += 1;
            println!(
                "mutation {number}: {outcome} to {} after {took:?}: {fault}",
                AudioFormat::ALL[*format].as_str()
            );
        }
        self.outcomes.entry(outcome.clone()).or_default()[*format] += 1;
        self.slowest = self.slowest.max(Some((*took, *number)));
        if self.tried.is_multiple_of(500) {
            println!("{} tried, {} bad", self.tried, self.bad);
        }
    }

    fn print(&self) {
        println!("{}", AudioFormat::ALL.map(|format| format!("{:>7}", format.as_str())).concat());
        for (outcome, counts) in &self.outcomes {
            println!("{}  {outcome}", counts.map(|count| format!("{count:7}")).concat());
        }
        if let Some((took, number)) = self.slowest {
            println!("the slowest was mutation {number}, after {took:?}");
        }
        println!("{} tried, {} bad", self.tried, self.bad);
    }
}

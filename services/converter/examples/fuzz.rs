//! Converts seeded mutations of small valid files, to see that none of them hangs the converter, crashes it, or leaves
//! anything behind: `make fuzz`. `MUTATIONS` says how many, `SEED` from which on, `SECONDS` after how long it stops early.
//!
//! Each mutation is made from its number alone: `SEED=4711 MUTATIONS=1` tries one again, and `KEEP=FILE` keeps it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use contracts::{ConversionOptions, Phase, Progress};
use converter::engine::{ConversionError, Engine, EngineConfig, ScratchSpace};
use futures_util::{StreamExt as _, stream};
use jobs::Report;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What is mutated: a second of sound in each container, and the codecs that go with it.
const FILES: [(&str, &[&str]); 16] = [
    ("a.mp4", &["-c:v", "mpeg4", "-c:a", "aac", "-movflags", "+faststart"]),
    ("fragments.mp4", &["-c:v", "mpeg4", "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"]),
    ("a.mov", &["-c:v", "mpeg4", "-c:a", "pcm_s16le"]),
    ("a.mkv", &["-c:v", "mpeg4", "-c:a", "ac3"]),
    ("a.webm", &["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"]),
    ("a.avi", &["-c:v", "mpeg4", "-c:a", "libmp3lame"]),
    ("a.flv", &["-c:v", "flv1", "-c:a", "libmp3lame"]),
    ("a.wmv", &["-c:v", "wmv2", "-c:a", "wmav2"]),
    ("a.ts", &["-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"]),
    ("a.ogv", &["-c:v", "libtheora", "-c:a", "libvorbis"]),
    ("a.wav", &["-vn"]),
    ("a.flac", &["-vn"]),
    ("a.mp3", &["-vn"]),
    ("a.aac", &["-vn"]),
    ("a.aiff", &["-vn"]),
    ("a.caf", &["-vn"]),
];

/// Such a file takes half a second on an idle machine, and no file may take this long on a busy one.
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
    let files = files(folder.path())?;
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

fn files(folder: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    FILES
        .iter()
        .map(|(name, codecs)| {
            let path = folder.join(name);
            let made = Command::new("ffmpeg")
                .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10"])
                .args(["-f", "lavfi", "-i", "sine=440:duration=1", "-t", "1"])
                .args(*codecs)
                .arg(&path)
                .status()?;
            ensure!(made.success(), "could not make {name}");
            Ok(std::fs::read(path)?)
        })
        .collect()
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    /// More often near the front, where headers are.
    fn position(&mut self, length: usize) -> usize {
        match self.below(3) {
            0 => self.below(length.min(64)),
            1 => self.below(length.min(2048)),
            _ => self.below(length),
        }
    }
}

/// One to eight changes of one of the files.
fn mutation(files: &[Vec<u8>], number: u64) -> Vec<u8> {
    /// The numbers at which parsers break.
    const EDGES: [u32; 8] = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff];
    let mut random = Random(number);
    let mut bytes = files[random.below(files.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.position(bytes.len());
        let end = (at + 1 + random.below(64)).min(bytes.len());
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.next().to_le_bytes()[0],
            3 | 4 => {
                let edge = EDGES[random.below(EDGES.len())];
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
                let other = &files[random.below(files.len())];
                let from = random.position(other.len());
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
    outcome: String,
    is_bad: bool,
    took: Duration,
}

impl Bench {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let engine = Engine::new(&EngineConfig {
            ffmpeg: "ffmpeg".into(),
            ffprobe: "ffprobe".into(),
            launcher: "/proc/self/exe".into(),
            allow_unsandboxed: false,
            max_duration: Duration::from_hours(1),
            max_tracks: 100,
            max_audio_bytes: 200_000_000,
            max_memory_bytes: 512 << 20,
            base_conversion_time: Duration::from_mins(5),
            conversion_time_factor: 1.0,
            max_conversion_time: Duration::from_mins(5),
            encoder_slots: None,
            // Both courses are tried.
            parallel_from: Duration::from_millis(1010),
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
        let progress = Progress { phase: Phase::Probing, ratio: 0.0 };
        let (report, _) = watch::channel(Report { progress, source: None });
        let (never, started) = (CancellationToken::new(), Instant::now());
        let converted = self.engine.convert(&scratch, &ConversionOptions::default(), &report, &never).await;
        let took = started.elapsed();
        let (outcome, is_fault) = match converted {
            Ok(_) => ("converted".to_owned(), false),
            Err(ConversionError::Failed { code, detail }) => {
                // FFmpeg's own crashes are what it is confined for; they are counted.
                let crashed = if detail.contains("signal: ") { ", FFmpeg crashed" } else { "" };
                (format!("{code:?}{crashed}"), false)
            }
            Err(error) => (format!("{:#}", anyhow::Error::from(error)), true),
        };
        Ok(Attempt { number, outcome, is_bad: is_fault || took > DEADLINE, took })
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

#[derive(Default)]
struct Summary {
    outcomes: BTreeMap<String, u64>,
    slowest: Option<(Duration, u64)>,
    tried: u64,
    bad: u64,
}

impl Summary {
    fn add(&mut self, attempt: &Attempt) {
        self.tried += 1;
        if attempt.is_bad {
            self.bad += 1;
            println!("mutation {}: {} after {:?}", attempt.number, attempt.outcome, attempt.took);
        }
        *self.outcomes.entry(attempt.outcome.clone()).or_default() += 1;
        self.slowest = self.slowest.max(Some((attempt.took, attempt.number)));
        if self.tried.is_multiple_of(500) {
            println!("{} tried, {} bad", self.tried, self.bad);
        }
    }

    fn print(&self) {
        for (outcome, count) in &self.outcomes {
            println!("{count:7}  {outcome}");
        }
        if let Some((took, number)) = self.slowest {
            println!("the slowest was mutation {number}, after {took:?}");
        }
        println!("{} tried, {} bad", self.tried, self.bad);
    }
}

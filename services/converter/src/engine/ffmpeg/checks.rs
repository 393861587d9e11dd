//! Checks before the first job, and questions about what the programs can do.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::child::{Launcher, Place};
use super::programs::{self, MissingProgram};
use super::restrictions;
use crate::engine::Engine;
use crate::engine::ffmpeg::complaints::complaints;
use crate::engine::scratch::Scratch;
use crate::sandbox::{self, Finding};

/// FFmpeg exists but lacks a needed feature.
#[derive(Debug, thiserror::Error)]
pub enum UnusableFfmpeg {
    /// It could not be run.
    #[error("could not run FFmpeg")]
    Run(#[from] io::Error),
    /// It was built without a needed encoder.
    #[error("this FFmpeg has no encoder {0}")]
    NoEncoder(&'static str),
}

/// The encoders that the formats need.
const ENCODERS: [&str; 7] = ["libmp3lame", "aac", "libopus", "flac", "pcm_s16le", "pcm_s24le", "mjpeg"];

/// Programs answer at once, except on an overloaded machine.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

impl Engine {
    /// Whether the programs are still at their paths.
    pub fn check_programs(&self) -> Result<(), MissingProgram> {
        for program in [&self.config.ffmpeg, &self.config.ffprobe] {
            programs::find(program, "ffmpeg", None)?;
        }
        Ok(())
    }

    /// Whether this FFmpeg can make every format. Without this check every job would fail.
    pub async fn check_encoders(&self) -> Result<(), UnusableFfmpeg> {
        let arguments = ["-hide_banner", "-loglevel", "error", "-encoders"];
        let place = Place::without_files(Path::new("/"));
        let list = answer(&self.launcher, &self.config.ffmpeg, arguments, place).await?;
        // Lines such as ` A....D libmp3lame           libmp3lame MP3 …`.
        let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
        if let Some(missing) = ENCODERS.into_iter().find(|name| !names.contains(name)) {
            return Err(UnusableFfmpeg::NoEncoder(missing));
        }
        // Filled now, so that the first job need not wait for it.
        self.ffprobe_decoders().await?;
        Ok(())
    }

    /// Which layers of the confinement hold. A program that is started like FFmpeg tries them in this
    /// directory, which nothing else may use.
    ///
    /// # Errors
    /// The program could not be started, or gives no answer.
    pub async fn check_sandbox(&self, scratch: &Scratch) -> io::Result<Vec<Finding>> {
        for name in [sandbox::READABLE_FILE, sandbox::WRITABLE_FILE, sandbox::OTHER_FILE] {
            std::fs::write(scratch.directory().join(name), "")?;
        }
        let place = Place {
            directory: scratch.directory(),
            reads: &[sandbox::READABLE_FILE],
            writes: Some(sandbox::WRITABLE_FILE),
        };
        // If one layer cannot be set up, the others are still tried.
        let launcher = Launcher { is_strict: false, ..self.launcher.clone() };
        let arguments = sandbox::trial_arguments(&launcher.confinement(place))?;
        let findings = answer(&launcher, &launcher.program, arguments, place).await?;
        Ok(serde_json::from_str(&findings)?)
    }

    /// The decoders that ffprobe may open. Read once and kept.
    pub(crate) async fn ffprobe_decoders(&self) -> io::Result<&String> {
        let ask = async || {
            let arguments = ["-hide_banner", "-loglevel", "error", "-decoders"];
            let place = Place::without_files(Path::new("/"));
            let table = answer(&self.launcher, &self.config.ffprobe, arguments, place).await?;
            Ok(restrictions::decoder_names(&table))
        };
        self.decoders.get_or_try_init(ask).await
    }
}

/// A program's output.
async fn answer(
    launcher: &Launcher,
    program: &Path,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    place: Place<'_>,
) -> io::Result<String> {
    const MAX_ANSWER_BYTES: u64 = 256 * 1024;
    let keepers = TaskTracker::new();
    let mut child = launcher.start(program, arguments, place, Stdio::null(), &keepers)?;
    let mut text = String::new();
    let answered = async {
        (&mut child.stdout).take(MAX_ANSWER_BYTES).read_to_string(&mut text).await?;
        child.ended().await
    };
    let ended = timeout(ANSWER_PATIENCE, answered).await??;
    if ended.status.success() {
        Ok(text)
    } else {
        Err(io::Error::other(format!("{}: {}", ended.status, complaints(&ended.log))))
    }
}

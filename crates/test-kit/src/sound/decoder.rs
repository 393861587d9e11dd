use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{SAMPLE_RATE_HZ, Timing, Track};
use crate::project::find_program;

/// A limit, because a broken clock may jump by days, and FFmpeg would fill each jump with silence.
const MAX_SECONDS: u32 = 3600;

/// Long enough for audio of that length on a busy machine.
const DEADLINE: Duration = Duration::from_mins(5);

/// A limit for the same reason: FFmpeg makes the silence in memory first.
const MAX_MEMORY_BYTES: u64 = 4 << 30;

/// The first complaints are the useful ones.
const MAX_COMPLAINTS_BYTES: usize = 4096;

/// Everything below this is too quiet to be recognised or missed.
const FLOOR_DB: f64 = -90.0;

/// Plain FFmpeg for one track of a file.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'a> {
    pub(super) file: &'a Path,
    pub(super) track: &'a Track,
    pub(super) timing: Timing,
}

impl Decoder<'_> {
    /// The samples with all channels mixed to one, at [`SAMPLE_RATE_HZ`].
    pub(super) async fn samples(&self) -> Result<Vec<f32>> {
        let mut samples = Vec::new();
        self.decode(1, SAMPLE_RATE_HZ, |sample| samples.push(sample)).await?;
        Ok(samples)
    }

    /// The length in seconds, each channel's level in dB, and FFmpeg's complaints. Nothing is resampled.
    #[expect(clippy::cast_precision_loss, reason = "an hour has not so many samples")]
    pub(super) async fn levels(&self) -> Result<(f64, Vec<f64>, String)> {
        let (channels, rate) = (self.track.channels, self.track.sample_rate_hz);
        let (mut squares, mut count) = (vec![0.0; channels], 0_usize);
        let take = |sample: f32| {
            // Players and encoders clip the values beyond full scale that a broken frame makes.
            squares[count % channels] += f64::from(sample.clamp(-1.0, 1.0)).powi(2);
            count += 1;
        };
        let complaints = self.decode(channels, rate, take).await?;
        let samples = (count / channels) as f64;
        let level = |squares: &f64| (10.0 * (squares / samples.max(1.0)).log10()).max(FLOOR_DB);
        Ok((samples / f64::from(rate), squares.iter().map(level).collect(), complaints))
    }

    /// The first frame's time on the file's clock. The first packets of some codecs produce no frame.
    pub(super) async fn begins_at_seconds(&self) -> Result<f64> {
        let track = format!("a:{}", self.track.place);
        let mut command = Command::new(find_program("ffprobe")?);
        command.args(["-v", "error", "-select_streams", &track, "-read_intervals", "%+#20"]);
        command.args(["-show_entries", "frame=pts_time", "-of", "csv=p=0"]).arg(self.file);
        let answer = timeout(DEADLINE, command.kill_on_drop(true).output()).await;
        let answer = answer.context("ffprobe does not end")?.context("could not run ffprobe")?;
        let answer = String::from_utf8_lossy(&answer.stdout);
        let first = answer.lines().find_map(|line| line.trim_end_matches(',').parse::<f64>().ok());
        Ok(first.map_or(0.0, |first| first - self.track.file_begins_at_seconds))
    }

    /// Passes every sample to `take`, with interleaved channels. Returns the complaints.
    async fn decode(&self, channels: usize, rate: u32, mut take: impl FnMut(f32)) -> Result<String> {
        let mut child = self.start(channels, rate)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let stdout = stdout.context("FFmpeg has no output")?;
        let stderr = stderr.context("FFmpeg has no log")?;
        let work = async {
            tokio::try_join!(each_sample(stdout, &mut take), beginning(stderr), async {
                Ok(child.wait().await?)
            })
        };
        let ((), complaints, _) = timeout(DEADLINE, work).await.context("FFmpeg does not end")??;
        Ok(complaints)
    }

    fn start(&self, channels: usize, rate: u32) -> Result<Child> {
        let mut command = Command::new(find_program("ffmpeg")?);
        command.args(["-nostdin", "-v", "error", "-i"]).arg(self.file);
        command.args(["-map", &format!("0:a:{}", self.track.place)]);
        if self.timing == Timing::OnTheClock {
            command.args(["-af", "aresample=async=1:min_hard_comp=0.05"]);
        }
        command.args(["-ac", &channels.to_string(), "-ar", &rate.to_string()]);
        command.args(["-t", &MAX_SECONDS.to_string(), "-f", "f32le", "-"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = command.spawn().context("could not start FFmpeg")?;
        let limit = Rlimit { current: Some(MAX_MEMORY_BYTES), maximum: Some(MAX_MEMORY_BYTES) };
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        prlimit(id, Resource::As, limit).context("could not limit FFmpeg's memory")?;
        Ok(child)
    }
}

async fn each_sample(mut from: impl AsyncRead + Unpin, take: &mut impl FnMut(f32)) -> Result<()> {
    let mut buffer = Vec::with_capacity(1 << 16);
    while from.read_buf(&mut buffer).await? > 0 {
        let (samples, rest) = buffer.as_chunks();
        for sample in samples {
            take(f32::from_le_bytes(*sample));
        }
        let rest = rest.len();
        buffer.drain(..buffer.len() - rest);
    }
    Ok(())
}

async fn beginning(mut from: impl AsyncRead + Unpin) -> Result<String> {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(String::from_utf8_lossy(&kept).trim().to_owned());
        }
        kept.extend_from_slice(&buffer[..read.min(MAX_COMPLAINTS_BYTES - kept.len())]);
    }
}

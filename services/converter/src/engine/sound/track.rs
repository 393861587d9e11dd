//! The audio of one track: decoded, kept in step, cleaned, measured, and cut to the selection.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use contracts::FailureCode;
use tokio::process::ChildStdout;

use super::decoded::Blocks;
use super::pcm::{self, Format};
use super::peaks::Peaks;
use super::timeline::{Gap, Part, Timeline, selected_samples};
use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{Child, Ended, Process, log_of};
use crate::engine::source::{Packets, Scanner, Silence};

/// Decodes a track and returns its audio in pieces.
pub(crate) struct Sound<'a> {
    decoder: Process,
    scanner: Scanner<'a>,
    packets: Option<Packets>,
    blocks: Blocks<ChildStdout>,
    timeline: Timeline,
    wanted: Wanted,
    /// The rest of the current part.
    part: Option<Part>,
    is_at_end: bool,
    edges: Edges,
    /// The number of samples that were passed on or skipped, and the range to pass on.
    position: u64,
    selected: Option<Range<u64>>,
    peaks: Peaks,
}

/// The requested audio and the clocks to find it with.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The selection, in seconds on the file's clock.
    pub selection: Range<f64>,
    /// Where the decoder's clock begins on the file's clock, in seconds.
    pub clock_seconds: f64,
    /// Silence that has to be added to the decoder's clock.
    pub silence: Silence,
}

/// The decoder's output for a track's first packets. It shows how many samples the decoder removed there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Edges {
    pub blocks: u64,
    /// Samples of the first block.
    pub first: u64,
}

/// Measurements of a track.
#[derive(Debug)]
pub(crate) struct Found {
    pub format: Format,
    /// Samples in each channel that were passed on.
    pub samples: u64,
    /// Where the first of them is on the file's clock, in seconds.
    pub begins_at: f64,
    /// Beginning and end of the whole audio on the file's clock, in seconds.
    pub extent: Range<f64>,
    /// The audio's length without gaps.
    pub sound_seconds: f64,
    /// The silence that filled gaps, in seconds.
    pub filled_seconds: f64,
    pub edges: Edges,
    pub log: String,
    pub peaks: Peaks,
}

impl Edges {
    fn count(&mut self, samples: u64) {
        if self.blocks == 0 {
            self.first = samples;
        }
        self.blocks += 1;
    }
}

impl Found {
    /// The length of what was passed on.
    pub(crate) fn seconds(&self) -> f64 {
        self.format.seconds(self.samples)
    }

    /// Whether the track has no gaps and keeps one sample format throughout.
    pub(crate) fn is_uniform(&self) -> bool {
        // FFmpeg logs each filter chain that it builds: one for each sample format that the decoder produces.
        let kinds =
            self.log.lines().filter(|line| line.starts_with("[graph_") && line.contains("samplerate:"));
        self.filled_seconds <= 0.0 && kinds.count() <= 1
    }
}

/// A track's audio, if it has any.
pub(crate) enum Opened<'a> {
    Sound(Box<Sound<'a>>),
    /// The decoder's end, without audio.
    Silent(Ended),
}

impl<'a> Sound<'a> {
    /// Starts to read from a decoder.
    pub(crate) async fn open(
        decoder: Child,
        wanted: Wanted,
        scanner: Scanner<'a>,
    ) -> Result<Opened<'a>, ConversionError> {
        let Child { stdout, process: decoder } = decoder;
        widen(&stdout);
        let Some(blocks) = Blocks::open(stdout).await.map_err(ConversionError::ffmpeg)? else {
            // The decoder refused the track, or the track is empty.
            return Ok(Opened::Silent(decoder.ended().await.map_err(ConversionError::ffmpeg)?));
        };
        let format = blocks.format();
        Ok(Opened::Sound(Box::new(Self {
            decoder,
            scanner,
            packets: None,
            blocks,
            timeline: Timeline::new(format),
            wanted,
            part: None,
            is_at_end: false,
            edges: Edges::default(),
            position: 0,
            selected: None,
            peaks: Peaks::new(format),
        })))
    }

    pub(crate) fn format(&self) -> Format {
        self.blocks.format()
    }

    /// Where the output begins on the file's clock, in seconds. Known once its first part is read.
    pub(crate) fn begins_at(&self) -> f64 {
        self.sound_begins_at().max(self.wanted.selection.start)
    }

    fn sound_begins_at(&self) -> f64 {
        self.timeline.begins_at() + self.wanted.clock_seconds
    }

    /// Skips to the first selected sample. `false`: there is none.
    pub(crate) async fn begin(&mut self) -> Result<bool, ConversionError> {
        while let Some(part) = self.part().await? {
            if self.selected().contains(&self.position) {
                self.part = Some(part);
                return Ok(true);
            }
            self.take(part, 0, &mut BytesMut::new());
        }
        Ok(false)
    }

    /// Seconds that were passed on so far.
    pub(crate) fn seconds(&self) -> f64 {
        self.format().seconds(self.passed_on())
    }

    fn passed_on(&self) -> u64 {
        let selected = self.selected.clone().unwrap_or(0..0);
        self.position.min(selected.end).saturating_sub(selected.start)
    }

    /// The measurements. Call it after the last piece.
    pub(crate) async fn found(self) -> Result<Found, ConversionError> {
        let (format, samples) = (self.format(), self.passed_on());
        let (begins_at, begin) = (self.begins_at(), self.sound_begins_at());
        let log = log_of(self.decoder.ended().await.map_err(ConversionError::ffmpeg)?)?;
        let timeline = self.timeline;
        Ok(Found {
            format,
            samples,
            begins_at,
            extent: begin..begin + timeline.length_seconds(),
            sound_seconds: timeline.sound_seconds(),
            filled_seconds: timeline.filled_seconds(),
            edges: self.edges,
            log,
            peaks: self.peaks,
        })
    }

    /// The next part of the audio.
    async fn part(&mut self) -> Result<Option<Part>, ConversionError> {
        loop {
            if let Some(part) = self.part.take().or_else(|| self.timeline.next()) {
                return Ok(Some(part));
            }
            if self.is_at_end {
                return Ok(None);
            }
            let next = self.blocks.next().await.map_err(ConversionError::ffmpeg)?;
            let gap = if let Some(mut block) = next {
                block.milliseconds += self.silent_milliseconds_before(block.milliseconds);
                self.edges.count(block.pcm.len() as u64 / u64::from(self.format().bytes_per_sample()));
                self.timeline.add(block)
            } else {
                let gap = self.timeline.end();
                self.is_at_end = gap.is_none();
                gap
            };
            if let Some(gap) = gap {
                let on_clock = Gap { at: gap.at + self.wanted.clock_seconds, ..gap };
                let is_silence =
                    !self.wanted.silence.is_empty() || self.packets().await?.clock_runs(on_clock);
                self.timeline.settle(gap, is_silence);
            }
            if self.timeline.length_seconds() > self.scanner.workshop.config.max_seconds() {
                return Err(ConversionError::failed(
                    FailureCode::TooLong,
                    "there is more sound than is allowed",
                ));
            }
        }
    }

    /// The file's packets, which are read only once: a broken file may have a gap before each packet.
    async fn packets(&mut self) -> Result<&Packets, ConversionError> {
        if self.packets.is_none() {
            self.packets = Some(self.scanner.scan(f64::INFINITY).await?);
        }
        Ok(self.packets.get_or_insert_default())
    }

    fn silent_milliseconds_before(&self, milliseconds: i64) -> i64 {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "some hours")]
        let silent = (self.wanted.silence.seconds_before(milliseconds as f64 / 1000.0) * 1000.0) as i64;
        silent
    }

    /// The range of selected samples. Known once there is audio.
    fn selected(&mut self) -> Range<u64> {
        let (format, begin) = (self.blocks.format(), self.sound_begins_at());
        let selection = &self.wanted.selection;
        self.selected.get_or_insert_with(|| selected_samples(format, begin, selection)).clone()
    }

    /// Takes up to `room` bytes of the selected samples from a part, and keeps the rest.
    fn take(&mut self, part: Part, room: usize, piece: &mut BytesMut) {
        let selected = self.selected();
        let sample_bytes = usize::try_from(self.format().bytes_per_sample()).unwrap_or(1);
        let length = match &part {
            Part::Sound(pcm) => (pcm.len() / sample_bytes) as u64,
            Part::Silence(samples) => *samples,
        };
        let taken = if self.position < selected.start {
            length.min(selected.start - self.position)
        } else if self.position < selected.end {
            length.min(selected.end - self.position).min((room / sample_bytes) as u64)
        } else {
            length
        };
        let is_selected = selected.contains(&self.position);
        let taken_bytes = usize::try_from(taken).unwrap_or(usize::MAX).saturating_mul(sample_bytes);
        self.position += taken;
        match part {
            Part::Sound(mut pcm) => {
                let now = pcm.split_to(taken_bytes.min(pcm.len()));
                if is_selected {
                    piece.extend_from_slice(&now);
                }
                self.part = (pcm.len() >= sample_bytes).then_some(Part::Sound(pcm));
            }
            Part::Silence(samples) => {
                if is_selected {
                    piece.resize(piece.len() + taken_bytes, 0);
                }
                self.part = (samples > taken).then_some(Part::Silence(samples - taken));
            }
        }
    }
}

/// Audio that is read in pieces. In tests it need not come from a decoder.
pub(crate) trait Pieces {
    /// The next `bytes` bytes. Fewer at the end, and none after it.
    fn piece(&mut self, bytes: usize) -> impl Future<Output = Result<Bytes, ConversionError>> + Send;
}

impl Pieces for Sound<'_> {
    async fn piece(&mut self, bytes: usize) -> Result<Bytes, ConversionError> {
        let mut piece = BytesMut::with_capacity(bytes);
        while piece.len() < bytes {
            let Some(part) = self.part().await? else { break };
            self.take(part, bytes - piece.len(), &mut piece);
        }
        pcm::clean(&mut piece);
        let piece = piece.freeze();
        self.peaks.add(&piece);
        Ok(piece)
    }
}

/// Lets the decoder write a megabyte before it waits, if the kernel permits.
fn widen(pipe: &ChildStdout) {
    // With the default of 64 KiB, both processes are woken twenty times as often.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
}

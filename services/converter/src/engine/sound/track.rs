//! The sound of one track: what FFmpeg decodes, in step, cleaned, measured, and cut to what was asked for.

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

/// Decodes, and gives up the sound piece by piece.
pub(crate) struct Sound<'a> {
    decoder: Process,
    scanner: Scanner<'a>,
    packets: Option<Packets>,
    blocks: Blocks<ChildStdout>,
    timeline: Timeline,
    wanted: Wanted,
    /// What is left of the part that comes next.
    part: Option<Part>,
    is_at_end: bool,
    edges: Edges,
    /// Samples that were passed on or left out, and which of them are passed on.
    position: u64,
    selected: Option<Range<u64>>,
    peaks: Peaks,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// In seconds of the file's clock.
    pub selection: Range<f64>,
    /// Where the decoder's clock begins on the file's clock, in seconds.
    pub clock_seconds: f64,
    /// What has to be added to the decoder's clock.
    pub silence: Silence,
}

/// What a decoder makes of a track's first packets, by which one sees what it left out there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Edges {
    pub blocks: u64,
    /// Samples of the first block.
    pub first: u64,
}

/// What was found in a track.
#[derive(Debug)]
pub(crate) struct Found {
    pub format: Format,
    /// How many samples were passed on, in each channel.
    pub samples: u64,
    /// Where the first of them lies on the file's clock, in seconds.
    pub begins_at: f64,
    /// Where the whole sound lies on the file's clock, in seconds.
    pub extent: Range<f64>,
    /// How long it is without gaps.
    pub sound_seconds: f64,
    /// How much silence its gaps were filled with, in seconds.
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
    /// Length of what was passed on.
    pub(crate) fn seconds(&self) -> f64 {
        self.format.seconds(self.samples)
    }

    /// Whether the track has no gaps and is of one kind from its beginning to its end.
    pub(crate) fn is_uniform(&self) -> bool {
        // FFmpeg says so for each chain of filters that it makes: one for each kind
        // of samples that comes out of the decoder.
        let kinds =
            self.log.lines().filter(|line| line.starts_with("[graph_") && line.contains("samplerate:"));
        self.filled_seconds <= 0.0 && kinds.count() <= 1
    }
}

/// A track's sound, if it has any.
pub(crate) enum Opened<'a> {
    Sound(Box<Sound<'a>>),
    /// How its decoder ended.
    Silent(Ended),
}

impl<'a> Sound<'a> {
    /// Begins to read from a decoder.
    pub(crate) async fn open(
        decoder: Child,
        wanted: Wanted,
        scanner: Scanner<'a>,
    ) -> Result<Opened<'a>, ConversionError> {
        let Child { stdout, process: decoder } = decoder;
        widen(&stdout);
        let Some(blocks) = Blocks::open(stdout).await.map_err(ConversionError::ffmpeg)? else {
            // It was refused, or there is no sound in it.
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

    /// Where what is passed on begins on the file's clock, in seconds. Known as
    /// soon as there is a part of it.
    pub(crate) fn begins_at(&self) -> f64 {
        self.sound_begins_at().max(self.wanted.selection.start)
    }

    fn sound_begins_at(&self) -> f64 {
        self.timeline.begins_at() + self.wanted.clock_seconds
    }

    /// Goes on to the first sample that is asked for. `false`: there is none.
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

    /// How many seconds were passed on.
    pub(crate) fn seconds(&self) -> f64 {
        self.format().seconds(self.passed_on())
    }

    fn passed_on(&self) -> u64 {
        let selected = self.selected.clone().unwrap_or(0..0);
        self.position.min(selected.end).saturating_sub(selected.start)
    }

    /// What was found, once there is no further piece.
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

    /// The next part of the sound.
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

    /// The packets of the file, which are read once: one that is broken may have a gap in front of each.
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

    /// Which samples are asked for. Known as soon as there is one.
    fn selected(&mut self) -> Range<u64> {
        let (format, begin) = (self.blocks.format(), self.sound_begins_at());
        let selection = &self.wanted.selection;
        self.selected.get_or_insert_with(|| selected_samples(format, begin, selection)).clone()
    }

    /// Takes so many bytes of a part, as far as they are selected, and keeps the rest.
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

/// A sound that is taken piece by piece. In tests, it need not come from a decoder.
pub(crate) trait Pieces {
    /// The next so many bytes, or fewer at the end, or none behind it.
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

/// Lets the decoder write a megabyte before it waits for us, where the kernel allows that.
fn widen(pipe: &ChildStdout) {
    // At 64 KiB, as it is otherwise, both are woken twenty times as often.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
}

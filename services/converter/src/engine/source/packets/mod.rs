//! Scans every packet of a file, for the cases where decoding alone does not show whether all of the audio is
//! there.

mod scan;
mod steps;

use contracts::FailureCode;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use self::scan::Scan;
use super::probe::Probe;
use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{Workshop, complaints, fault_of_the_machine};
use crate::engine::sound::Gap;

/// The inputs of a scan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanner<'a> {
    pub workshop: Workshop<'a>,
    pub probe: &'a Probe,
    /// The audio track's index in the file.
    pub track: u32,
}

/// The sums over a file's packets.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Packets {
    /// Bytes of all tracks' packets.
    pub all_bytes: u64,
    pub end_byte: u64,
    /// Packets of the audio track.
    pub count: u64,
    /// Length of the audio packets without the gaps between them, in seconds; 0 if they have no times.
    pub sound_seconds: f64,
    /// Gaps between them, in seconds, where the file has bytes outside of all packets.
    pub torn_seconds: f64,
    /// Bytes of a raw stream between its frames.
    pub torn_bytes: u64,
    /// Bytes between the first and the last packet that belong to no packet, minus the packets' headers.
    pub unread_bytes: u64,
    /// The long gaps in which other tracks continue.
    running: Vec<Gap>,
}

impl Scanner<'_> {
    /// Reads all packets before the time `until`, in seconds on the file's clock.
    pub(crate) async fn scan(self, until: f64) -> Result<Packets, ConversionError> {
        // The packets come unparsed from the container: a parser silently drops what it does not understand.
        let raw_frame_bytes = self.probe.raw_frame_bytes();
        let whole = raw_frame_bytes.is_none().then_some(["-fflags", "+noparse"]).into_iter().flatten();
        let shown = ["-show_entries", "packet=stream_index,pts_time,dts_time,size,pos", "-of", "csv=p=0"];
        let mut child = self.workshop.ask_ffprobe(whole.chain(shown))?;
        let mut scan = Scan::new(self.track, self.probe.start_seconds, until);
        (scan.raw_frame_bytes, scan.is_in_order) = (raw_frame_bytes, !self.probe.has_index());
        let mut lines = BufReader::with_capacity(64 * 1024, &mut child.stdout).lines();
        while let Some(line) = lines.next_line().await.map_err(ConversionError::ffprobe)? {
            scan.add(&line);
        }
        let ended = child.ended().await.map_err(ConversionError::ffprobe)?;
        if let Some(error) = fault_of_the_machine("ffprobe", ended.status, &ended.log) {
            return Err(error);
        }
        if !ended.status.success() {
            return Err(ConversionError::failed(FailureCode::Damaged, complaints(&ended.log)));
        }
        Ok(scan.packets())
    }
}

impl Packets {
    /// Whether the file's clock continues in a gap of the audio, because other tracks have packets there.
    pub(crate) fn clock_runs(&self, gap: Gap) -> bool {
        let is_it =
            |running: &Gap| (running.at - gap.at).abs() < 1.0 && (running.seconds - gap.seconds).abs() < 1.0;
        self.running.iter().any(is_it)
    }
}

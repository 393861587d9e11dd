//! A scan over every packet of a file, for the cases where its headers do not say how long the sound is.

use std::ops::Range;

use contracts::FailureCode;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::child::Child;
use super::failure::{ConversionError, complaints};

/// The arguments with which ffprobe, given these options, lists the packets of `file`.
pub(crate) fn arguments(options: Vec<String>, file: &str) -> Vec<String> {
    let shown =
        ["-show_entries", "packet=stream_index,pts_time,dts_time,duration_time", "-of", "csv=p=0", file];
    options.into_iter().chain(shown.map(str::to_owned)).collect()
}

/// What the packets of a file add up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Packets {
    /// How far the packets of all tracks reach, in seconds.
    pub reach_seconds: f64,
    /// The audio track's packets. `None`: it has none.
    pub audio: Option<AudioPackets>,
}

/// What the packets of the audio track add up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AudioPackets {
    /// From the first to the end of the last, in seconds.
    pub extent_seconds: f64,
    /// Those of the selection, without the gaps between them, in seconds.
    pub sound_seconds: f64,
}

/// Reads the list; `stream` is the audio track's index in the file, and `selection` what is wanted of it, by the file's clock.
pub(crate) async fn scan(
    mut child: Child,
    stream: u32,
    selection: Range<f64>,
) -> Result<Packets, ConversionError> {
    let mut scan = Scan::new(stream, selection);
    let mut lines = BufReader::with_capacity(64 * 1024, &mut child.stdout).lines();
    while let Some(line) = lines.next_line().await.map_err(ConversionError::ffprobe)? {
        scan.add(&line);
    }
    let ended = child.ended().await.map_err(ConversionError::ffprobe)?;
    if let Some(error) = ConversionError::of_the_machine("ffprobe", ended.status, &ended.log) {
        return Err(error);
    }
    if !ended.status.success() {
        return Err(ConversionError::failed(FailureCode::Damaged, complaints(&ended.log)));
    }
    Ok(scan.packets())
}

/// Durations are summed by classes of a tenth of a millisecond, up to one second: memory stays bounded for any file.
const CLASSES: u16 = 10_000;

#[derive(Debug, Clone, Copy, Default)]
struct Class {
    packets: u32,
    seconds: f64,
}

struct Scan {
    stream: u32,
    selection: Range<f64>,
    all: Extent,
    audio: Extent,
    has_audio: bool,
    /// The audio track's selected packets by duration. The last class has those that are longer, or do not say.
    classes: Vec<Class>,
}

#[derive(Debug, Clone, Copy)]
struct Extent {
    start: f64,
    end: f64,
}

impl Extent {
    const NONE: Self = Self { start: f64::INFINITY, end: f64::NEG_INFINITY };

    fn include(&mut self, start: f64, end: f64) {
        self.start = self.start.min(start);
        self.end = self.end.max(end);
    }

    fn seconds(self) -> f64 {
        (self.end - self.start).max(0.0)
    }

    /// Where it ends on the file's clock, or how long it is where the clock begins below zero.
    fn reach(self) -> f64 {
        self.end.max(self.seconds())
    }
}

impl Scan {
    fn new(stream: u32, selection: Range<f64>) -> Self {
        let classes = vec![Class::default(); usize::from(CLASSES) + 1];
        Self { stream, selection, all: Extent::NONE, audio: Extent::NONE, has_audio: false, classes }
    }

    /// Takes a line `stream,pts,dts,duration`, where each time may be `N/A`.
    fn add(&mut self, line: &str) {
        let mut fields = line.split(',');
        let Some(stream) = fields.next().and_then(|field| field.parse::<u32>().ok()) else { return };
        let mut time = || fields.next()?.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
        let (pts, dts, duration) = (time(), time(), time());
        let duration = duration.filter(|seconds| *seconds > 0.0);
        let is_audio = stream == self.stream;
        let mut is_selected = is_audio;
        if let Some(start) = pts.or(dts) {
            let end = start + duration.unwrap_or(0.0);
            self.all.include(start, end);
            if is_audio {
                self.audio.include(start, end);
            }
            is_selected &= start < self.selection.end && end >= self.selection.start;
        }
        self.has_audio |= is_audio;
        if is_selected {
            let class = &mut self.classes[usize::from(duration.map_or(CLASSES, class_of))];
            class.packets = class.packets.saturating_add(1);
            class.seconds += duration.unwrap_or(0.0);
        }
    }

    fn packets(&self) -> Packets {
        let count = self.classes.iter().map(|class| u64::from(class.packets)).sum::<u64>();
        let audio = self.has_audio.then(|| {
            let sound_seconds = self.audio_without_gaps(count);
            // Raw streams have packets without times.
            AudioPackets { extent_seconds: self.audio.seconds().max(sound_seconds), sound_seconds }
        });
        let extent_seconds = audio.map_or(0.0, |audio| audio.extent_seconds);
        Packets { reach_seconds: self.all.reach().max(extent_seconds), audio }
    }

    /// MP4 has no gaps: there the packet in front of one lasts until its end. Such a packet counts like any other.
    fn audio_without_gaps(&self, count: u64) -> f64 {
        let mut seen = 0;
        let median = self.classes.iter().find(|class| {
            seen += u64::from(class.packets);
            seen * 2 >= count
        });
        let typical = median.map_or(0.0, |class| class.seconds / f64::from(class.packets.max(1)));
        // Vorbis packets differ eightfold.
        let longest = usize::from(class_of((typical * 10.0).max(0.1)));
        let (usual, outliers) = self.classes.split_at(longest.min(usize::from(CLASSES)));
        let seconds = usual.iter().map(|class| class.seconds).sum::<f64>()
            + outliers.iter().map(|class| f64::from(class.packets)).sum::<f64>() * typical;
        // No packet says how long it is.
        if seconds > 0.0 || count == 0 { seconds } else { self.audio.seconds() }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and CLASSES")]
fn class_of(seconds: f64) -> u16 {
    (seconds * f64::from(CLASSES)).round().clamp(0.0, f64::from(CLASSES)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(lines: impl IntoIterator<Item = String>) -> Packets {
        selected(lines, f64::NEG_INFINITY..f64::INFINITY)
    }

    fn selected(lines: impl IntoIterator<Item = String>, selection: Range<f64>) -> Packets {
        let mut scan = Scan::new(1, selection);
        lines.into_iter().for_each(|line| scan.add(&line));
        scan.packets()
    }

    fn assert_close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 0.01, "{actual} is not {expected}");
    }

    /// 100 packets of 0.02 s from `start` on.
    fn two_seconds(stream: u32, start: f64) -> impl Iterator<Item = String> {
        (0..100).map(move |n| format!("{stream},{:.6},N/A,0.020000", start + f64::from(n) * 0.02))
    }

    #[test]
    fn gaps_do_not_count_as_sound() {
        let packets = packets(two_seconds(1, 0.0).chain(two_seconds(1, 7.0)).chain(two_seconds(0, 10.0)));
        assert_close(packets.audio.unwrap().sound_seconds, 4.0);
        assert_close(packets.audio.unwrap().extent_seconds, 9.0);
        assert_close(packets.reach_seconds, 12.0);
    }

    #[test]
    fn a_packet_that_lasts_over_a_gap_counts_like_any_other() {
        let stretched = ["1,2.000000,2.000000,3.000000".to_owned()];
        let packets = packets(two_seconds(1, 0.0).chain(stretched).chain(two_seconds(1, 5.0)));
        assert_close(packets.audio.unwrap().sound_seconds, 4.02);
        assert_close(packets.reach_seconds, 7.0);
    }

    #[test]
    fn packets_that_do_not_say_how_long_they_are_count_by_their_times() {
        let packets = packets((0..100).map(|n| format!("1,N/A,{n}.000000,N/A")));
        assert_close(packets.audio.unwrap().sound_seconds, 99.0);
    }

    #[test]
    fn only_what_is_selected_counts_as_sound() {
        let audio = selected(two_seconds(1, 10.0), 10.5..11.0).audio.unwrap();
        assert!((audio.sound_seconds - 0.5).abs() < 0.05, "{audio:?}");
        assert_close(audio.extent_seconds, 2.0);
        assert_close(selected(two_seconds(1, 10.0), 0.0..5.0).audio.unwrap().sound_seconds, 0.0);
    }

    #[test]
    fn a_track_without_packets_has_no_sound() {
        let packets = packets(two_seconds(0, -1.0));
        assert_eq!(packets.audio, None);
        assert_close(packets.reach_seconds, 2.0);
        assert_eq!(self::packets([]), Packets { reach_seconds: 0.0, audio: None });
    }
}

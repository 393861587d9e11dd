//! A scan over every packet of a file, for the cases where decoding it alone does not say whether all of its sound is there.

use contracts::FailureCode;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::complaints::complaints;
use crate::engine::ffmpeg::exit::fault_of_the_machine;
use crate::engine::ffmpeg::workshop::Workshop;
use crate::engine::sound::timeline::{Gap, LONGEST_PLAIN_GAP_SECONDS};

/// What a scan works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanner<'a> {
    pub workshop: Workshop<'a>,
    /// The audio track's index in the file.
    pub track: u32,
    /// The time at which the file's clock begins.
    pub start_seconds: f64,
    /// Whether packets lie in the file in the order in which they are read.
    pub is_in_order: bool,
    /// The largest frame of a raw stream, which has no packets but those that FFmpeg makes of it.
    pub raw_frame_bytes: Option<u64>,
}

/// What the packets of a file add up to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Packets {
    /// Bytes of the packets of all tracks, and where the last of them ends.
    pub all_bytes: u64,
    pub end_byte: u64,
    /// Packets of the audio track.
    pub count: u64,
    /// How long they are without the gaps between them, in seconds; 0 if they have no times.
    pub sound_seconds: f64,
    /// Gaps between them, in seconds, where the file has bytes that belong to no packet.
    pub torn_seconds: f64,
    /// Bytes of a raw stream between its frames.
    pub torn_bytes: u64,
    /// Bytes between the first packet and the last that belong to none, without what their headers may take.
    pub unread_bytes: u64,
    /// The long gaps between them in which other tracks go on.
    running: Vec<Gap>,
}

impl Scanner<'_> {
    /// Reads all packets whose time is below `until`, in seconds of the file's clock.
    pub(crate) async fn scan(self, until: f64) -> Result<Packets, ConversionError> {
        // As the container has them: a parser drops in silence what it cannot make sense of.
        let whole = self.raw_frame_bytes.is_none().then_some(["-fflags", "+noparse"]).into_iter().flatten();
        let shown = ["-show_entries", "packet=stream_index,pts_time,dts_time,size,pos", "-of", "csv=p=0"];
        let mut child = self.workshop.ask_ffprobe(whole.chain(shown))?;
        let mut scan = Scan::new(self.track, self.start_seconds, until);
        (scan.raw_frame_bytes, scan.is_in_order) = (self.raw_frame_bytes, self.is_in_order);
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
    /// Whether the file's clock goes on in a gap of its sound: whether other tracks have something there.
    pub(crate) fn clock_runs(&self, gap: Gap) -> bool {
        let is_it =
            |running: &Gap| (running.at - gap.at).abs() < 1.0 && (running.seconds - gap.seconds).abs() < 1.0;
        self.running.iter().any(is_it)
    }
}

/// Steps from one packet to the next are summed by classes of a tenth of a millisecond, up to one second: memory stays bounded for
/// any file.
const CLASSES: u16 = 10_000;

/// A longer step than this, and than those of most packets, is a gap.
const GAP_SECONDS: f64 = 0.1;

/// A clock that goes back by no more was not set anew: it only jitters.
const LONGEST_JITTER_SECONDS: f64 = 1.0;

/// Further gaps are taken for what they seem.
const MAX_GAPS: usize = 1000;

/// Between packets lie headers, indexes and padding, a little everywhere. If so much of what a file has for the time of a gap lies
/// there in one piece, there was something.
const TORN_SHARE: f64 = 0.25;

/// What a container may put in front of each packet.
const HEADER_BYTES: u64 = 32;

/// Less in one piece is a header, or padding.
const LEAST_TORN_BYTES: u64 = 1024;

#[derive(Debug, Clone, Copy, Default)]
struct Class {
    steps: u32,
    seconds: f64,
}

struct Scan {
    track: u32,
    start_seconds: f64,
    until: f64,
    packets: Packets,
    steps: Vec<Class>,
    /// How far the clock went on, where it was not set anew, and how often it was.
    passed_seconds: f64,
    steps_set_anew: f64,
    last: Option<Last>,
    /// Where a packet of any track began last, where those that began there end, and where all so far end.
    position: u64,
    end_byte: u64,
    furthest_byte: Option<u64>,
    first_byte: Option<u64>,
    located_bytes: u64,
    is_in_order: bool,
    raw_frame_bytes: Option<u64>,
    /// What the last packet has beyond that.
    excess_bytes: u64,
    spread_bytes: u64,
    extent: Option<(f64, f64)>,
    gaps: Vec<Torn>,
}

/// The audio packet before.
#[derive(Debug, Clone, Copy)]
struct Last {
    time: f64,
    /// Most bytes since then that belong to no packet, in one piece.
    torn_bytes: u64,
    /// The latest time of other tracks, and whether they went on without a long step.
    others: f64,
    others_are_even: bool,
}

/// A gap, and most bytes in it that belong to no packet, in one piece.
#[derive(Debug, Clone, Copy)]
struct Torn {
    seconds: f64,
    bytes: u64,
}

impl Scan {
    fn new(track: u32, start_seconds: f64, until: f64) -> Self {
        Self {
            track,
            start_seconds,
            until,
            packets: Packets::default(),
            steps: vec![Class::default(); usize::from(CLASSES) + 1],
            passed_seconds: 0.0,
            steps_set_anew: 0.0,
            last: None,
            furthest_byte: None,
            first_byte: None,
            located_bytes: 0,
            is_in_order: true,
            raw_frame_bytes: None,
            excess_bytes: 0,
            position: 0,
            end_byte: 0,
            spread_bytes: 0,
            extent: None,
            gaps: Vec::new(),
        }
    }

    /// Takes a line `stream,pts,dts,size,pos`, where each but the first may be `N/A`.
    fn add(&mut self, line: &str) {
        let mut fields = line.split(',');
        let Some(stream) = fields.next().and_then(|field| field.parse::<u32>().ok()) else { return };
        let mut time = || fields.next()?.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
        let (pts, dts) = (time(), time());
        let size = fields.next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        let position = fields.next().and_then(|field| field.parse::<u64>().ok());
        let time = pts.or(dts).map(|time| time - self.start_seconds);
        // What an AVI file fills a gap with.
        if size == 0 || time.is_some_and(|time| time >= self.until) {
            return;
        }
        self.packets.all_bytes += size;
        self.count_bytes(size, position);
        if let Some(time) = time {
            let (from, to) = self.extent.unwrap_or((time, time));
            self.extent = Some((from.min(time), to.max(time)));
        }
        if stream == self.track {
            self.packets.count += 1;
            if let Some(time) = time {
                self.step_to(time);
            }
        } else if let (Some(last), Some(time)) = (&mut self.last, time)
            && time > last.others
        {
            last.others_are_even &= time - last.others <= LONGEST_PLAIN_GAP_SECONDS;
            last.others = time;
        }
    }

    fn count_bytes(&mut self, size: u64, position: Option<u64>) {
        // A parser makes one packet of a frame and of what makes no sense behind it. Behind the last frame, that is no matter.
        self.packets.torn_bytes += self.excess_bytes;
        self.excess_bytes = self.raw_frame_bytes.map_or(0, |most| size.saturating_sub(most));
        let Some(position) = position else { return };
        self.first_byte = Some(self.first_byte.map_or(position, |first| first.min(position)));
        self.located_bytes += size + HEADER_BYTES;
        // Packets of one Ogg page, or of one PES packet, all begin where it does.
        self.end_byte = size + if position == self.position { self.end_byte } else { position };
        self.position = position;
        if let Some(furthest) = self.furthest_byte {
            // Files that do not interleave their tracks go back.
            let torn = position.saturating_sub(furthest);
            if torn >= LEAST_TORN_BYTES {
                self.packets.torn_bytes += torn;
            }
            if let Some(last) = &mut self.last {
                last.torn_bytes = last.torn_bytes.max(torn);
            }
            self.spread_bytes += self.end_byte.saturating_sub(furthest);
        }
        self.furthest_byte = self.furthest_byte.max(Some(self.end_byte));
    }

    /// Counts the time from the last packet to this one.
    fn step_to(&mut self, time: f64) {
        if let Some(last) = self.last {
            let step = time - last.time;
            if step >= -LONGEST_JITTER_SECONDS {
                self.passed_seconds += step;
            } else {
                self.steps_set_anew += 1.0;
            }
            // A clock that was set back says nothing of a packet's length.
            let class = if step < 0.0 { CLASSES } else { class_of(step) };
            let class = &mut self.steps[usize::from(class)];
            class.steps = class.steps.saturating_add(1);
            class.seconds += step;
            if step > GAP_SECONDS {
                self.gap(last, step);
            }
        }
        self.last = Some(Last { time, torn_bytes: 0, others: time, others_are_even: true });
    }

    fn gap(&mut self, last: Last, seconds: f64) {
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push(Torn { seconds, bytes: last.torn_bytes });
        }
        let missing = last.time + seconds - last.others;
        let is_running =
            last.others_are_even && missing <= LONGEST_PLAIN_GAP_SECONDS && last.others > last.time;
        if seconds > LONGEST_PLAIN_GAP_SECONDS && is_running && self.packets.running.len() < MAX_GAPS {
            self.packets.running.push(Gap { at: last.time, seconds });
        }
    }

    fn packets(mut self) -> Packets {
        let typical = self.typical_step();
        // Vorbis packets differ eightfold, and transport streams have as many frames in one as fill it.
        let longest = (typical * 10.0).min(typical * 2.0 + 0.15).max(GAP_SECONDS);
        self.packets.sound_seconds = self.sound_without_gaps(typical, longest);
        self.packets.end_byte = self.furthest_byte.unwrap_or(0);
        let spread = self.packets.end_byte - self.first_byte.unwrap_or(0);
        self.packets.unread_bytes = spread.saturating_sub(self.located_bytes);
        let seconds = self.extent.map_or(0.0, |(from, to)| to - from).max(GAP_SECONDS);
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = self.spread_bytes as f64 / seconds;
        #[expect(clippy::cast_precision_loss, reason = "a number of bytes")]
        let is_torn =
            |gap: &&Torn| gap.seconds > longest && gap.bytes as f64 > TORN_SHARE * rate * gap.seconds;
        if self.is_in_order {
            self.packets.torn_seconds = self.gaps.iter().filter(is_torn).map(|gap| gap.seconds).sum();
        }
        self.packets
    }

    /// The step in the middle of all.
    fn typical_step(&self) -> f64 {
        let count: u64 = self.steps.iter().map(|class| u64::from(class.steps)).sum();
        let mut seen = 0;
        let median = self.steps.iter().find(|class| {
            seen += u64::from(class.steps);
            seen * 2 >= count && count > 0
        });
        median.map_or(0.0, |class| class.seconds / f64::from(class.steps.max(1)))
    }

    /// A packet in front of a gap counts like any other, and so does the last.
    fn sound_without_gaps(&self, typical: f64, longest: f64) -> f64 {
        let (usual, outliers) = self.steps.split_at(usize::from(class_of(longest)));
        let outliers = outliers.iter().map(|class| f64::from(class.steps)).sum::<f64>() + 1.0;
        let sound = usual.iter().map(|class| class.seconds).sum::<f64>() + outliers * typical;
        // Packets may say that they are longer than they are, and the clock goes back at the next that is right.
        sound.min(self.passed_seconds.max(0.0) + (self.steps_set_anew + 1.0) * typical)
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
        let mut scan = Scan::new(1, 0.0, f64::INFINITY);
        lines.into_iter().for_each(|line| scan.add(&line));
        scan.packets()
    }

    #[track_caller]
    fn assert_close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 0.03, "{actual} is not {expected}");
    }

    /// Packets of 0.02 s and 100 bytes over two seconds from `start` on, which begin at a byte of the file.
    fn two_seconds(stream: u32, start: f64, byte: u32) -> impl Iterator<Item = String> {
        (0..100)
            .map(move |n| format!("{stream},{:.6},N/A,100,{}", start + f64::from(n) * 0.02, byte + n * 100))
    }

    #[test]
    fn gaps_do_not_count_as_sound() {
        let packets = packets(two_seconds(1, 0.0, 0).chain(two_seconds(1, 7.0, 10_000)));
        assert_close(packets.sound_seconds, 4.0);
        assert_close(packets.torn_seconds, 0.0);
        assert_eq!((packets.count, packets.torn_bytes), (200, 0));
    }

    #[test]
    fn a_clock_that_jitters_does_not_add_up() {
        let times = (0..100).map(|n| 0.02 * f64::from(n) + if n % 5 == 3 { 0.3 } else { 0.0 });
        assert_close(packets(times.map(|time| format!("1,{time:.6},N/A,100,N/A"))).sound_seconds, 2.0);
        // Steps that are a tenth too long, and put right every ten packets.
        let times = (0..100).map(|n| 0.02 * f64::from(n) + 0.002 * f64::from(n % 10));
        assert_close(packets(times.map(|time| format!("1,{time:.6},N/A,100,N/A"))).sound_seconds, 2.0);
        // One that is set anew belongs to another recording.
        assert_close(packets(two_seconds(1, 7.0, 0).chain(two_seconds(1, 0.0, 10_000))).sound_seconds, 4.0);
    }

    #[test]
    fn a_gap_in_which_bytes_belong_to_no_packet_is_torn() {
        let packets = packets(two_seconds(1, 0.0, 0).chain(two_seconds(1, 7.0, 40_000)));
        assert_close(packets.sound_seconds, 4.0);
        assert_close(packets.torn_seconds, 5.02);
        assert_eq!((packets.torn_bytes, packets.unread_bytes), (30_000, 30_000 - 200 * 32));
    }

    #[test]
    fn a_gap_that_a_picture_fills_is_not_torn() {
        let picture = ["0,4.000000,N/A,30000,10000".to_owned()];
        let packets = packets(two_seconds(1, 0.0, 0).chain(picture).chain(two_seconds(1, 7.0, 40_000)));
        assert_close(packets.torn_seconds, 0.0);
    }

    #[test]
    fn the_clock_runs_in_a_long_gap_if_other_tracks_go_on() {
        let pictures =
            |step: i32| (2..30).filter(move |n| n % step == 0).map(|n| format!("0,{n}.000000,N/A,500,N/A"));
        for (step, is_running) in [(1, true), (5, true), (20, false)] {
            let lines = two_seconds(1, 0.0, 0).chain(pictures(step)).chain(two_seconds(1, 30.0, 90_000));
            let found = packets(lines).running;
            assert_eq!(found.len(), usize::from(is_running), "{step}: {found:?}");
        }
        assert_eq!(packets(two_seconds(1, 0.0, 0).chain(two_seconds(1, 30.0, 10_000))).running, []);
    }

    #[test]
    fn empty_packets_and_those_behind_the_end_do_not_count() {
        let mut scan = Scan::new(1, 0.0, 1.0);
        two_seconds(1, 0.0, 0).for_each(|line| scan.add(&line));
        scan.add("1,0.500000,N/A,0,N/A");
        let packets = scan.packets();
        assert_eq!(packets.count, 50);
        assert_close(packets.sound_seconds, 1.0);
    }

    #[test]
    fn a_frame_of_a_raw_stream_that_is_too_long_hides_something_unless_it_is_the_last() {
        let mut scan = Scan::new(0, 0.0, f64::INFINITY);
        scan.raw_frame_bytes = Some(150);
        for (byte, size) in [(0, 100), (100, 5000), (5100, 100), (5200, 9000)] {
            scan.add(&format!("0,N/A,N/A,{size},{byte}"));
        }
        let packets = scan.packets();
        assert_eq!((packets.torn_bytes, packets.all_bytes, packets.end_byte), (4850, 14_200, 14_200));
        assert_eq!(packets.unread_bytes, 0);
    }

    #[test]
    fn a_track_without_packets_has_no_sound() {
        assert_eq!(packets([]), Packets::default());
        assert_eq!(packets(two_seconds(0, 0.0, 0)).count, 0);
    }
}

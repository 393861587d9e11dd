//! Adds up a file's packets, one after another.

use super::Packets;
use super::steps::Steps;
use crate::engine::sound::{Gap, LONGEST_PLAIN_GAP_SECONDS};

/// A step is a gap if it is longer than this, and longer than most packets' steps.
const GAP_SECONDS: f64 = 0.1;

/// Gaps after this many are not examined.
const MAX_GAPS: usize = 1000;

/// Headers, indexes and padding lie between packets everywhere, a few bytes each. A gap is torn if one piece
/// in it has at least this share of the bytes that the file usually has for the gap's time.
const TORN_SHARE: f64 = 0.25;

/// The most bytes that a container puts before each packet.
const HEADER_BYTES: u64 = 32;

/// A smaller piece is a header or padding.
const LEAST_TORN_BYTES: u64 = 1024;

/// The sums so far.
#[derive(Default)]
pub(super) struct Scan {
    track: u32,
    start_seconds: f64,
    until: f64,
    packets: Packets,
    steps: Steps,
    last: Option<Last>,
    /// The position of the last packet of any track, the end of the packets at this position, and the end of
    /// all packets so far.
    position: u64,
    end_byte: u64,
    furthest_byte: Option<u64>,
    first_byte: Option<u64>,
    located_bytes: u64,
    /// Whether the packets are read in the order of their positions in the file.
    pub(super) is_in_order: bool,
    /// The largest frame of a raw stream. Such a stream has no packets; FFmpeg makes them.
    pub(super) raw_frame_bytes: Option<u64>,
    /// Bytes by which the last packet exceeds that.
    excess_bytes: u64,
    spread_bytes: u64,
    extent: Option<(f64, f64)>,
    gaps: Vec<Torn>,
}

/// The previous audio packet.
#[derive(Debug, Clone, Copy)]
struct Last {
    time: f64,
    /// The most bytes in one piece since then that belong to no packet.
    torn_bytes: u64,
    /// The latest time of other tracks, and whether they continued without a long step.
    others: f64,
    others_are_even: bool,
}

/// A gap, and the most bytes in one piece in it that belong to no packet.
#[derive(Debug, Clone, Copy)]
struct Torn {
    seconds: f64,
    bytes: u64,
}

impl Scan {
    pub(super) fn new(track: u32, start_seconds: f64, until: f64) -> Self {
        Self { track, start_seconds, until, is_in_order: true, ..Self::default() }
    }

    /// Adds a line `stream,pts,dts,size,pos`. Every field but the first may be `N/A`.
    pub(super) fn add(&mut self, line: &str) {
        let mut fields = line.split(',');
        let Some(stream) = fields.next().and_then(|field| field.parse::<u32>().ok()) else { return };
        let mut time = || fields.next()?.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
        let (pts, dts) = (time(), time());
        let size = fields.next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        let position = fields.next().and_then(|field| field.parse::<u64>().ok());
        let time = pts.or(dts).map(|time| time - self.start_seconds);
        // AVI files fill gaps with empty packets.
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
        // A parser makes one packet of a frame and the garbage after it. Garbage after the last frame does
        // not matter, so a packet's excess is counted when the next packet comes.
        self.packets.torn_bytes += self.excess_bytes;
        self.excess_bytes = self.raw_frame_bytes.map_or(0, |most| size.saturating_sub(most));
        let Some(position) = position else { return };
        self.first_byte = Some(self.first_byte.map_or(position, |first| first.min(position)));
        self.located_bytes += size + HEADER_BYTES;
        // All packets of one Ogg page or one PES packet have that page's or packet's position.
        self.end_byte = size + if position == self.position { self.end_byte } else { position };
        self.position = position;
        if let Some(furthest) = self.furthest_byte {
            // In files without interleaved tracks, positions go back.
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
            self.steps.add(step);
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

    pub(super) fn packets(mut self) -> Packets {
        let typical = self.steps.typical();
        // Vorbis packets differ in length by up to eight times, and a transport stream's packet holds as many
        // frames as fit.
        let longest = (typical * 10.0).min(typical * 2.0 + 0.15).max(GAP_SECONDS);
        self.packets.sound_seconds = self.steps.sound_seconds(typical, longest);
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

    /// Packets of 0.02 s and 100 bytes for two seconds after `start`, from a byte position on.
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
        // Steps that are a tenth too long, corrected every ten packets.
        let times = (0..100).map(|n| 0.02 * f64::from(n) + 0.002 * f64::from(n % 10));
        assert_close(packets(times.map(|time| format!("1,{time:.6},N/A,100,N/A"))).sound_seconds, 2.0);
        // A clock that is set back begins another recording.
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

//! The only clock of a conversion. It keeps decoded audio in step with the file's picture by counting
//! samples.
//!
//! Block times are only hints: containers round them, writers jitter, and live streams begin at any time. The
//! count of samples is what counts: samples follow one another, and none is ever left out. Only where the
//! times stay ahead of the count is there a gap. Silence fills it, so that the audio after it stays in step.
//! The audio begins with its first sample, however late that is on the file's clock.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::decoded::Block;
use super::pcm::Format;

/// Audio out of step by less than this is not noticed (ITU-R BT.1359), and times jitter by as much.
const THRESHOLD_SECONDS: f64 = 0.1;

/// The times must differ from the count for this long before they are believed.
const PROOF_SECONDS: f64 = 1.0;

/// A longer gap may be a clock that was set, which is not silence.
pub(crate) const LONGEST_PLAIN_GAP_SECONDS: f64 = 10.0;

/// A stretch of the file's clock without decoded audio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Gap {
    /// Its beginning on the file's clock, in seconds.
    pub at: f64,
    pub seconds: f64,
}

/// The next part of the audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Sound(Bytes),
    /// This many samples of silence.
    Silence(u64),
}

/// Puts blocks in step.
#[derive(Debug)]
pub(crate) struct Timeline {
    format: Format,
    /// The first block's time, in samples.
    begin: Option<i64>,
    /// Samples since then, including silence.
    passed: i64,
    /// How far the file's clock was set since then, in samples.
    shift: i64,
    /// Blocks whose times differ from the count, and the difference.
    doubtful: VecDeque<(Bytes, i64)>,
    doubtful_samples: i64,
    ready: VecDeque<Part>,
    filled: i64,
}

impl Timeline {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            begin: None,
            passed: 0,
            shift: 0,
            doubtful: VecDeque::new(),
            doubtful_samples: 0,
            ready: VecDeque::new(),
            filled: 0,
        }
    }

    /// Adds a block. Returns a gap if it is too long to be believed: pass it to [`settle`](Self::settle).
    pub(crate) fn add(&mut self, block: Block) -> Option<Gap> {
        let time = self.samples_of(block.milliseconds);
        let begin = *self.begin.get_or_insert(time);
        let count = begin + self.passed + self.doubtful_samples + self.shift;
        let ahead = time - count;
        let is_close = ahead.abs() < self.threshold();
        if is_close && self.doubtful.is_empty() {
            self.pass(block.pcm);
            return None;
        }
        self.doubtful_samples += self.length(&block.pcm);
        self.doubtful.push_back((block.pcm, ahead));
        if is_close {
            // The times agree again: the difference was jitter.
            self.believe_the_count();
            None
        } else if self.doubtful_samples >= self.samples(PROOF_SECONDS) {
            self.judge()
        } else {
            None
        }
    }

    /// Ends the audio. Returns gaps like [`add`](Self::add). Call it until it returns `None`.
    pub(crate) fn end(&mut self) -> Option<Gap> {
        while !self.doubtful.is_empty() {
            if let Some(gap) = self.judge() {
                return Some(gap);
            }
        }
        None
    }

    /// Decides what a long gap is: silence, or a clock that was set.
    pub(crate) fn settle(&mut self, gap: Gap, is_silence: bool) {
        let samples = self.samples(gap.seconds);
        if is_silence {
            self.fill(samples);
        } else {
            self.shift += samples;
        }
        self.move_doubts(samples);
    }

    /// The next part, once it is certain.
    pub(crate) fn next(&mut self) -> Option<Part> {
        self.ready.pop_front()
    }

    /// Where the audio begins on the file's clock, in seconds.
    pub(crate) fn begins_at(&self) -> f64 {
        self.seconds(self.begin.unwrap_or(0))
    }

    /// The audio's length in seconds.
    pub(crate) fn length_seconds(&self) -> f64 {
        self.seconds(self.passed)
    }

    /// The audio's length without the silence in gaps, in seconds.
    pub(crate) fn sound_seconds(&self) -> f64 {
        self.seconds(self.passed - self.filled)
    }

    /// The silence in gaps, in seconds.
    pub(crate) fn filled_seconds(&self) -> f64 {
        self.seconds(self.filled)
    }

    fn judge(&mut self) -> Option<Gap> {
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for (_, ahead) in &self.doubtful {
            (least, most) = (least.min(*ahead), most.max(*ahead));
        }
        if least >= self.threshold() {
            let at = self.begin.unwrap_or(0) + self.passed + self.shift;
            let gap = Gap { at: self.seconds(at), seconds: self.seconds(least) };
            if gap.seconds > LONGEST_PLAIN_GAP_SECONDS {
                return Some(gap);
            }
            self.fill(least);
            self.move_doubts(least);
        } else if most <= -self.threshold() {
            // The clock was set back, or audio overlaps. All of it is kept.
            self.shift += most;
            self.move_doubts(most);
        } else {
            self.move_doubts(0);
        }
        None
    }

    /// Continues after the count has moved: passes on the next block, and the blocks that are in step now.
    fn move_doubts(&mut self, samples: i64) {
        for (_, ahead) in &mut self.doubtful {
            *ahead -= samples;
        }
        let (mut is_next, threshold) = (true, self.threshold());
        while let Some((pcm, _)) = self.doubtful.pop_front_if(|(_, ahead)| is_next || ahead.abs() < threshold)
        {
            is_next = false;
            self.doubtful_samples -= self.length(&pcm);
            self.pass(pcm);
        }
    }

    fn fill(&mut self, samples: i64) {
        self.filled += samples;
        self.passed += samples;
        self.ready.push_back(Part::Silence(samples.cast_unsigned()));
    }

    fn believe_the_count(&mut self) {
        self.doubtful_samples = 0;
        while let Some((pcm, _)) = self.doubtful.pop_front() {
            self.pass(pcm);
        }
    }

    fn pass(&mut self, pcm: Bytes) {
        self.passed += self.length(&pcm);
        self.ready.push_back(Part::Sound(pcm));
    }

    fn length(&self, pcm: &Bytes) -> i64 {
        i64::try_from(pcm.len()).unwrap_or(i64::MAX) / i64::from(self.format.bytes_per_sample())
    }

    fn threshold(&self) -> i64 {
        self.samples(THRESHOLD_SECONDS)
    }

    #[expect(clippy::cast_possible_truncation, reason = "a time in samples")]
    fn samples(&self, seconds: f64) -> i64 {
        (seconds * f64::from(self.format.sample_rate_hz)).round() as i64
    }

    fn samples_of(&self, milliseconds: i64) -> i64 {
        let samples = i128::from(milliseconds) * i128::from(self.format.sample_rate_hz) / 1000;
        i64::try_from(samples).unwrap_or(i64::MAX / 4).clamp(i64::MIN / 4, i64::MAX / 4)
    }

    #[expect(clippy::cast_precision_loss, reason = "2^52 samples are three thousand years")]
    fn seconds(&self, samples: i64) -> f64 {
        samples as f64 / f64::from(self.format.sample_rate_hz)
    }
}

/// The selected samples of audio that begins at `begin`, counted from its first sample.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of samples that is not negative; infinity becomes the largest"
)]
pub(crate) fn selected_samples(format: Format, begins_at: f64, selection: &Range<f64>) -> Range<u64> {
    let sample =
        |seconds: f64| ((seconds - begins_at) * f64::from(format.sample_rate_hz)).max(0.0).round() as u64;
    sample(selection.start)..sample(selection.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One sample per millisecond, of four bytes.
    const FORMAT: Format = Format { channels: 1, sample_rate_hz: 1000 };

    fn block(milliseconds: i64, samples: usize) -> Block {
        Block { milliseconds, pcm: vec![1; samples * 4].into() }
    }

    /// Blocks of 20 ms from one time to another.
    fn run(from: i64, to: i64) -> impl Iterator<Item = Block> {
        (from..to).step_by(20).map(|milliseconds| block(milliseconds, 20))
    }

    /// The output: positive numbers are samples of audio, negative ones samples of silence.
    fn parts(timeline: &mut Timeline) -> Vec<i64> {
        let mut parts: Vec<i64> = Vec::new();
        while let Some(part) = timeline.next() {
            let next = match part {
                Part::Sound(pcm) => i64::try_from(pcm.len() / 4).unwrap(),
                Part::Silence(samples) => -samples.cast_signed(),
            };
            match parts.last_mut() {
                Some(last) if next.signum() == last.signum() => *last += next,
                _ => parts.push(next),
            }
        }
        parts
    }

    fn put_in_step(blocks: impl IntoIterator<Item = Block>) -> (Timeline, Vec<i64>) {
        let mut timeline = Timeline::new(FORMAT);
        for block in blocks {
            assert_eq!(timeline.add(block), None);
        }
        assert_eq!(timeline.end(), None);
        let parts = parts(&mut timeline);
        (timeline, parts)
    }

    #[test]
    fn sound_without_gaps_is_passed_on() {
        let (timeline, parts) = put_in_step(run(0, 5000));
        assert_eq!(parts, [5000]);
        assert!(timeline.filled_seconds() <= 0.0);
    }

    #[test]
    fn a_late_beginning_is_closed_up() {
        let (timeline, parts) = put_in_step(run(300, 1300));
        assert_eq!(parts, [1000]);
        assert!((timeline.begins_at() - 0.3).abs() < 1e-9 && (timeline.length_seconds() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_gap_becomes_silence_also_in_front_of_a_short_end() {
        for end in [8000, 5100] {
            let (timeline, parts) = put_in_step(run(0, 3000).chain(run(5000, end)));
            assert_eq!(parts, [3000, -2000, end - 5000]);
            assert!((timeline.filled_seconds() - 2.0).abs() < 1e-9);
        }
    }

    #[test]
    fn sound_between_two_gaps_stays_where_it_was() {
        let (_, parts) = put_in_step(run(0, 1000).chain(run(3000, 3500)).chain(run(6500, 7000)));
        assert_eq!(parts, [1000, -2000, 500, -3000, 500]);
    }

    #[test]
    fn small_gaps_are_filled_once_they_add_up() {
        // In every 100 ms, one block of five is missing.
        let blocks = run(0, 10_000).filter(|block| block.milliseconds % 100 != 80);
        let (timeline, parts) = put_in_step(blocks);
        let sound: i64 = parts.iter().filter(|part| **part > 0).sum();
        assert_eq!(sound, 8000);
        assert!((timeline.length_seconds() - 10.0).abs() <= 0.12, "{}", timeline.length_seconds());
    }

    #[test]
    fn jitter_is_no_gap_and_loses_nothing() {
        let late = |n: i64| if n % 7 == 3 { 400 } else { 0 };
        let blocks = (0..500).map(|n| block(n * 20 + late(n), 20));
        assert_eq!(put_in_step(blocks).1, [10_000]);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing_and_later_gaps_count() {
        let (_, parts) = put_in_step(run(0, 4000).chain(run(1000, 4000)).chain(run(5000, 7000)));
        assert_eq!(parts, [7000, -1000, 2000]);
    }

    #[test]
    fn a_long_gap_is_what_it_is_said_to_be() {
        for (is_silence, expected) in [(true, vec![2000, -98_000, 2000]), (false, vec![4000])] {
            let mut timeline = Timeline::new(FORMAT);
            for block in run(0, 2000).chain(run(100_000, 102_000)) {
                if let Some(gap) = timeline.add(block) {
                    assert_eq!(gap, Gap { at: 2.0, seconds: 98.0 });
                    timeline.settle(gap, is_silence);
                }
            }
            assert_eq!(timeline.end(), None);
            assert_eq!(parts(&mut timeline), expected);
        }
    }

    #[test]
    fn a_selection_counts_from_the_files_beginning() {
        let selected = |range| selected_samples(FORMAT, 2.0, &range);
        assert_eq!(selected(f64::NEG_INFINITY..f64::INFINITY), 0..u64::MAX);
        assert_eq!(selected(3.0..4.5), 1000..2500);
        assert_eq!(selected(1.0..2.5), 0..500);
        assert_eq!(selected(0.0..1.0), 0..0);
    }
}

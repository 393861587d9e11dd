use std::fmt;
use std::ops::Range;

use super::correlation::{Place, find};
use super::{SAMPLE_RATE_HZ, Sound};

/// How audio differs from its source.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The expected length.
    pub expected_seconds: f64,
    /// The actual length.
    pub actual_seconds: f64,
    /// The delay of most of the audio. `None` if nothing is recognised.
    pub offset_seconds: Option<f64>,
    /// Parts that are missing or sound different, in seconds of the expected audio.
    pub missing: Vec<Range<f64>>,
    /// Parts that are present, but earlier or later than the rest.
    pub displaced: Vec<Range<f64>>,
    /// By how much each channel is too loud. Empty if the numbers of channels differ.
    pub level_differences_db: Vec<f64>,
    /// The allowed difference in length: two frames of the codec.
    tolerance_seconds: f64,
}

/// Pieces of half a second: shorter ones are too often alike, longer ones hide missing parts.
const PIECE: usize = SAMPLE_RATE_HZ as usize / 2;

/// A piece quieter than this (-50 dB of full scale) is silence to encoders and listeners.
const AUDIBLE: f32 = 0.003;

/// Every decoder of a lossy format reaches this similarity, and no other audio does.
const SIMILAR: f32 = 0.8;

/// Viewers notice a larger offset between audio and picture.
const MAX_OFFSET_SECONDS: f64 = 0.02;

/// Listeners notice a larger difference in level.
const MAX_LEVEL_DIFFERENCE_DB: f64 = 1.5;

/// How far from its place a piece is searched, in samples.
const RADIUS: usize = 2 * SAMPLE_RATE_HZ as usize;

impl Comparison {
    /// Searches for each piece of the expected audio in the actual audio.
    #[must_use]
    pub fn of(expected: &Sound, actual: &Sound) -> Self {
        let places: Vec<_> = pieces(&expected.samples)
            .map(|range| {
                (seconds(&range), place(&expected.samples[range.clone()], &actual.samples, range.start))
            })
            .collect();
        let (found, missing): (Vec<_>, Vec<_>) =
            places.into_iter().partition(|(_, place)| place.similarity >= SIMILAR);
        let mut shifts: Vec<_> = found.iter().map(|(_, place)| place.shift).collect();
        shifts.sort_unstable();
        let offset_seconds = shifts.get(shifts.len() / 2).map(|shift| shift_seconds(*shift));
        let is_displaced = |(_, place): &&(Range<f64>, Place)| {
            offset_seconds
                .is_some_and(|offset| (shift_seconds(place.shift) - offset).abs() > MAX_OFFSET_SECONDS)
        };
        Self {
            expected_seconds: expected.seconds,
            actual_seconds: actual.seconds,
            offset_seconds,
            displaced: joined(found.iter().filter(is_displaced).map(|(range, _)| range.clone())),
            missing: joined(missing.into_iter().map(|(range, _)| range)),
            level_differences_db: level_differences(expected, actual),
            tolerance_seconds: 2.0 * expected.frame_seconds().max(actual.frame_seconds()),
        }
    }

    /// How many seconds of the expected audio are missing.
    #[must_use]
    pub fn missing_seconds(&self) -> f64 {
        // The sum of no floating-point numbers is -0.
        self.missing.iter().map(|range| range.end - range.start).sum::<f64>() + 0.0
    }

    /// Every difference that a listener would notice, in words. Empty if there is none.
    #[must_use]
    pub fn differences(&self) -> Vec<String> {
        let longer = self.actual_seconds - self.expected_seconds;
        let mut differences = Vec::new();
        if longer.abs() > self.tolerance_seconds {
            differences.push(format!("{longer:+.3} s of length"));
        }
        if let Some(offset) = self.offset_seconds.filter(|offset| offset.abs() > MAX_OFFSET_SECONDS) {
            differences.push(format!("{:+.0} ms of offset", offset * 1000.0));
        }
        for (what, ranges) in [("missing", &self.missing), ("displaced", &self.displaced)] {
            let ranges: Vec<_> =
                ranges.iter().map(|range| format!("{:.1}–{:.1} s", range.start, range.end)).collect();
            if !ranges.is_empty() {
                differences.push(format!("{what}: {}", ranges.join(", ")));
            }
        }
        for (channel, difference) in self.level_differences_db.iter().enumerate() {
            if difference.abs() > MAX_LEVEL_DIFFERENCE_DB {
                differences.push(format!("channel {}: {difference:+.1} dB", channel + 1));
            }
        }
        differences
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s of {:.3} s: ", self.actual_seconds, self.expected_seconds)?;
        let differences = self.differences();
        f.write_str(if differences.is_empty() { "the same" } else { "" })?;
        f.write_str(&differences.join("; "))
    }
}

/// The audible pieces.
fn pieces(samples: &[f32]) -> impl Iterator<Item = Range<usize>> {
    let starts = (0..samples.len()).step_by(PIECE);
    starts.map(|start| start..samples.len().min(start + PIECE)).filter(|range| {
        let squares: f32 = samples[range.clone()].iter().map(|sample| sample * sample).sum();
        #[expect(clippy::cast_precision_loss, reason = "it has not so many samples")]
        let is_audible = squares > AUDIBLE * AUDIBLE * range.len() as f32;
        // The last frame ends differently in every codec.
        is_audible && range.len() > PIECE / 4
    })
}

/// Searches close by first, because a steady tone looks the same everywhere.
fn place(piece: &[f32], sound: &[f32], around: usize) -> Place {
    let near = find(piece, sound, around, SAMPLE_RATE_HZ as usize / 50);
    if near.similarity >= SIMILAR { near } else { find(piece, sound, around, RADIUS) }
}

#[expect(clippy::cast_precision_loss, reason = "an hour has not so many samples")]
fn seconds(range: &Range<usize>) -> Range<f64> {
    let rate = f64::from(SAMPLE_RATE_HZ);
    range.start as f64 / rate..range.end as f64 / rate
}

#[expect(clippy::cast_precision_loss, reason = "an hour has not so many samples")]
fn shift_seconds(shift: isize) -> f64 {
    shift as f64 / f64::from(SAMPLE_RATE_HZ)
}

/// Merges ranges that follow one another.
fn joined(ranges: impl Iterator<Item = Range<f64>>) -> Vec<Range<f64>> {
    ranges.fold(Vec::new(), |mut joined: Vec<Range<f64>>, range| {
        match joined.last_mut() {
            Some(last) if (range.start - last.end).abs() < 1e-6 => last.end = range.end,
            _ => joined.push(range),
        }
        joined
    })
}

fn level_differences(expected: &Sound, actual: &Sound) -> Vec<f64> {
    if expected.levels_db.len() != actual.levels_db.len() {
        return Vec::new();
    }
    expected.levels_db.iter().zip(&actual.levels_db).map(|(expected, actual)| actual - expected).collect()
}

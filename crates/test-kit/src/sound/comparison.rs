use std::fmt;
use std::ops::Range;

use super::correlation::{Place, find};
use super::{SAMPLE_RATE_HZ, Sound};

/// How a sound differs from the one that it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// How long the sound should be.
    pub expected_seconds: f64,
    /// How long it is.
    pub actual_seconds: f64,
    /// By how much it is too late, where most of it is; `None` if nothing is recognised.
    pub offset_seconds: Option<f64>,
    /// What is not in it, or sounds different, in seconds of the expected sound.
    pub missing: Vec<Range<f64>>,
    /// What is in it, but earlier or later than the most.
    pub displaced: Vec<Range<f64>>,
    /// By how much each channel is too loud; empty if the two have not the same channels.
    pub level_differences_db: Vec<f64>,
    /// How far the lengths may be apart: by two frames of the codec.
    tolerance_seconds: f64,
}

/// In pieces of half a second: shorter ones are alike too often, longer ones hide what is missing.
const PIECE: usize = SAMPLE_RATE_HZ as usize / 2;

/// A piece that is quieter than this (-50 dB of full scale) is silence to an encoder, and to people.
const AUDIBLE: f32 = 0.003;

/// No decoder of a lossy format gives back less, and no other sound is as similar.
const SIMILAR: f32 = 0.8;

/// Sound and picture that are farther apart are seen to be.
const MAX_OFFSET_SECONDS: f64 = 0.02;

/// A quieter or louder channel is heard to be.
const MAX_LEVEL_DIFFERENCE_DB: f64 = 1.5;

/// How far from its place a piece is looked for, in samples.
const RADIUS: usize = 2 * SAMPLE_RATE_HZ as usize;

impl Comparison {
    /// Looks for each moment of the expected sound in the actual one.
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

    /// How much of the expected sound is not in the actual one.
    #[must_use]
    pub fn missing_seconds(&self) -> f64 {
        // From an empty sum of floating-point numbers comes -0.
        self.missing.iter().map(|range| range.end - range.start).sum::<f64>() + 0.0
    }

    /// Everything that a listener would notice, in words; none if the sounds are the same to them.
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

/// The stretches in which there is something to be heard.
fn pieces(samples: &[f32]) -> impl Iterator<Item = Range<usize>> {
    let starts = (0..samples.len()).step_by(PIECE);
    starts.map(|start| start..samples.len().min(start + PIECE)).filter(|range| {
        let squares: f32 = samples[range.clone()].iter().map(|sample| sample * sample).sum();
        #[expect(clippy::cast_precision_loss, reason = "it has not so many samples")]
        let is_audible = squares > AUDIBLE * AUDIBLE * range.len() as f32;
        // The end of the last frame is not the same in every codec.
        is_audible && range.len() > PIECE / 4
    })
}

/// Close by first: a steady tone is like itself everywhere.
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

/// Ranges that follow one another as one.
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

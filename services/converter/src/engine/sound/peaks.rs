//! The waveform of audio, for a page to draw: the lowest and the highest sample of each of up to two thousand
//! stretches.
//!
//! Written as the JSON of BBC's audiowaveform, version 2, which players such as peaks.js and wavesurfer.js
//! read: <https://github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md>.

use serde::Serialize;

use super::pcm::Format;

/// At most twice the pixels that a page has for them.
const MAX_POINTS: usize = 2048;

const FIRST_SAMPLES_PER_POINT: u32 = 256;

/// The waveform of the audio so far. Its memory is bounded: when there are too many points, every two become
/// one.
#[derive(Debug)]
pub(crate) struct Peaks {
    format: Format,
    samples_per_point: u32,
    points: Vec<Point>,
    /// The unfinished point, and the number of its samples.
    last: Point,
    filled: u32,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    low: f32,
    high: f32,
}

impl Point {
    const NONE: Self = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };

    fn include(&mut self, other: Self) {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }
}

#[derive(Serialize)]
struct Waveform {
    version: u8,
    channels: u8,
    sample_rate: u32,
    samples_per_pixel: u32,
    bits: u8,
    length: usize,
    data: Vec<i8>,
}

impl Peaks {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            samples_per_point: FIRST_SAMPLES_PER_POINT,
            points: Vec::with_capacity(MAX_POINTS),
            last: Point::NONE,
            filled: 0,
        }
    }

    /// Adds whole samples. All channels are merged into one.
    pub(crate) fn add(&mut self, mut pcm: &[u8]) {
        let sample_bytes = usize::try_from(self.format.bytes_per_sample()).unwrap_or(usize::MAX);
        while !pcm.is_empty() {
            let wanted = usize::try_from(self.samples_per_point - self.filled).unwrap_or(usize::MAX);
            let (stretch, rest) = pcm.split_at(pcm.len().min(wanted.saturating_mul(sample_bytes)));
            self.last.include(extent(stretch));
            pcm = rest;
            self.filled += u32::try_from(stretch.len() / sample_bytes).unwrap_or(self.samples_per_point);
            if self.filled >= self.samples_per_point {
                self.end_point();
            }
        }
    }

    fn end_point(&mut self) {
        self.points.push(std::mem::replace(&mut self.last, Point::NONE));
        self.filled = 0;
        if self.points.len() == MAX_POINTS {
            let halves = self.points.as_chunks().0.iter().map(|[first, second]| {
                let mut both = *first;
                both.include(*second);
                both
            });
            self.points = halves.collect();
            self.samples_per_point *= 2;
        }
    }

    /// The waveform as JSON.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.filled > 0 {
            self.end_point();
        }
        let waveform = Waveform {
            version: 2,
            channels: 1,
            sample_rate: self.format.sample_rate_hz,
            samples_per_pixel: self.samples_per_point,
            bits: 8,
            length: self.points.len(),
            data: self
                .points
                .iter()
                .flat_map(|point| [eight_bits(point.low), eight_bits(point.high)])
                .collect(),
        };
        serde_json::to_vec(&waveform).unwrap_or_default()
    }
}

/// The lowest and the highest of some samples. NaN is ignored.
fn extent(stretch: &[u8]) -> Point {
    // In parallel lanes, so that the compiler uses one vector instruction for all of them.
    const LANES: usize = 16;
    let (many, few) = stretch.as_chunks::<{ 4 * LANES }>();
    let (mut low, mut high) = ([Point::NONE.low; LANES], [Point::NONE.high; LANES]);
    for samples in many {
        for (lane, sample) in samples.as_chunks().0.iter().enumerate() {
            let sample = f32::from_le_bytes(*sample);
            low[lane] = if sample < low[lane] { sample } else { low[lane] };
            high[lane] = if sample > high[lane] { sample } else { high[lane] };
        }
    }
    let few = few.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample));
    let few = few.map(|sample| Point { low: sample, high: sample });
    let all = low.into_iter().zip(high).map(|(low, high)| Point { low, high }).chain(few);
    all.fold(Point::NONE, |mut all, point| {
        all.include(point);
        all
    })
}

/// Full scale becomes 127. Higher values are clipped, and NaN becomes silence.
#[expect(clippy::cast_possible_truncation, reason = "it is between -128 and 127")]
fn eight_bits(sample: f32) -> i8 {
    (sample * 127.0).round().clamp(-128.0, 127.0) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waveform(channels: u16, samples: &[f32]) -> serde_json::Value {
        let mut peaks = Peaks::new(Format { channels, sample_rate_hz: 8000 });
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        // In pieces whose ends are not the points' ends.
        for piece in bytes.chunks(4 * usize::from(channels) * 100) {
            peaks.add(piece);
        }
        serde_json::from_slice(&peaks.finish()).unwrap()
    }

    #[test]
    fn each_stretch_has_its_lowest_and_highest_sample() {
        let mut samples = vec![0.0; 600];
        (samples[10], samples[20], samples[300], samples[599]) = (0.5, -1.0, 2.0, f32::NAN);
        let expected = serde_json::json!({
            "version": 2, "channels": 1, "sample_rate": 8000, "samples_per_pixel": 256, "bits": 8, "length": 3,
            "data": [-127, 64, 0, 127, 0, 0],
        });
        assert_eq!(waveform(1, &samples), expected);
        let stereo: Vec<f32> = samples.iter().flat_map(|sample| [*sample, 0.0]).collect();
        assert_eq!(waveform(2, &stereo), expected);
    }

    #[test]
    fn a_long_sound_has_no_more_points_than_a_short_one() {
        let mut samples = vec![0.0; 256 * 5000];
        samples[256 * 4096] = 1.0;
        let waveform = waveform(1, &samples);
        assert_eq!((&waveform["length"], &waveform["samples_per_pixel"]), (&1250.into(), &1024.into()));
        let data = waveform["data"].as_array().unwrap();
        assert_eq!(data.iter().position(|value| *value == 127), Some(1024 * 2 + 1));
    }

    #[test]
    fn no_sound_has_no_points() {
        assert_eq!(waveform(2, &[])["length"], 0);
    }
}

//! Samples in 32-bit floating point with interleaved channels.

use super::layouts::Layout;

const BYTES: u16 = 4;

/// The format of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub channels: u16,
    pub sample_rate_hz: u32,
}

impl Format {
    /// Bytes of one sample of each channel.
    pub(crate) fn bytes_per_sample(self) -> u32 {
        u32::from(BYTES) * u32::from(self.channels)
    }

    /// Samples of an MP3 frame in each channel (ISO/IEC 11172-3 and 13818-3, 2.4.2.1).
    pub(crate) fn frame_samples(self) -> u32 {
        if self.sample_rate_hz >= 32_000 { 1152 } else { 576 }
    }

    /// The length of `samples` samples in seconds.
    #[expect(clippy::cast_precision_loss, reason = "2^52 samples are three thousand years")]
    pub(crate) fn seconds(self, samples: u64) -> f64 {
        samples as f64 / f64::from(self.sample_rate_hz)
    }

    /// The header of a WAV file of unknown length.
    pub(crate) fn wave_header(self, layout: Option<Layout>) -> Vec<u8> {
        // `WAVEFORMATEXTENSIBLE`. Its last field says `WAVE_FORMAT_IEEE_FLOAT`.
        const FLOAT: [u8; 16] = [3, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
        const ENDLESS: [u8; 4] = [0xff; 4];
        let sample_bytes = BYTES * self.channels;
        let mut header = Vec::with_capacity(68);
        header.extend_from_slice(b"RIFF");
        header.extend_from_slice(&ENDLESS);
        header.extend_from_slice(b"WAVEfmt \x28\0\0\0\xfe\xff");
        header.extend_from_slice(&self.channels.to_le_bytes());
        header.extend_from_slice(&self.sample_rate_hz.to_le_bytes());
        header.extend_from_slice(&(u32::from(sample_bytes) * self.sample_rate_hz).to_le_bytes());
        header.extend_from_slice(&sample_bytes.to_le_bytes());
        header.extend_from_slice(&[32, 0, 22, 0, 32, 0]);
        header.extend_from_slice(&layout.map_or(0, |layout| layout.mask).to_le_bytes());
        header.extend_from_slice(&FLOAT);
        header.extend_from_slice(b"data");
        header.extend_from_slice(&ENDLESS);
        header
    }
}

/// No audio is louder: full scale is 1, and files that count in 16 bits reach 32,768.
const LOUDEST: f32 = 1e6;

/// Replaces infinity, NaN and absurd values with silence, because encoders refuse them.
pub(crate) fn clean(pcm: &mut [u8]) {
    // A comparison with NaN is false.
    let is_sound = |sample: &[u8; 4]| f32::from_le_bytes(*sample).abs() <= LOUDEST;
    for samples in pcm.chunks_mut(4096) {
        // Checked without branches, which the compiler vectorises. Samples are written only where needed.
        if samples.as_chunks().0.iter().fold(true, |all, sample| all & is_sound(sample)) {
            continue;
        }
        for sample in samples.as_chunks_mut().0 {
            if !is_sound(sample) {
                *sample = [0; 4];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_samples_become_silence_and_the_others_stay() {
        let mut samples = vec![0.5_f32; 5000];
        for (at, value) in [(0, f32::NAN), (1500, f32::INFINITY), (4999, f32::NEG_INFINITY), (7, 1e30)] {
            samples[at] = value;
        }
        let mut pcm: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        clean(&mut pcm);
        let cleaned: Vec<f32> = pcm.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect();
        let silent: Vec<usize> = (0..5000).filter(|at| cleaned[*at].abs() < f32::EPSILON).collect();
        assert_eq!(silent, [0, 7, 1500, 4999]);
        let loud = cleaned.iter().filter(|sample| (**sample - 0.5).abs() < f32::EPSILON);
        assert_eq!(loud.count(), 5000 - silent.len());
    }

    #[test]
    fn a_wave_header_says_what_follows() {
        let format = Format { channels: 6, sample_rate_hz: 48_000 };
        let header = format.wave_header(Layout::of_name("5.1"));
        assert_eq!(header.len(), 68);
        assert_eq!(header[20..24], [0xfe, 0xff, 6, 0]);
        assert_eq!(header[40..44], [0x3f, 0, 0, 0]);
        assert!(header.ends_with(b"data\xff\xff\xff\xff"));
    }
}

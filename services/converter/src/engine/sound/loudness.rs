//! The gain of a normalization by EBU R 128 (ITU-R BS.1770).

use contracts::{Loudness, LoudnessTarget};

/// True peaks stay below this (EBU R 128, recommendation m: -1 dBTP).
const CEILING_DB: f64 = -1.0;

/// Audio below this is silence (BS.1770's absolute gate), which no gain improves.
const SILENCE_LUFS: f64 = -70.0;

/// A higher gain would amplify the noise of a whisper to a concert's loudness.
const MAX_GAIN_DB: f64 = 30.0;

/// The gain for a normalization.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Gain {
    decibels: f64,
    /// The sample rate at which a limiter works, if one is needed. It limits the peaks between samples.
    limiter_hz: Option<u32>,
}

impl Gain {
    pub(crate) fn filters(&self) -> Vec<String> {
        let mut filters = vec![format!("volume={:.2}dB:precision=double", self.decibels)];
        if let Some(rate) = self.limiter_hz {
            filters.push(format!("aresample={rate}"));
            // A little below the ceiling, because the return to the original sample rate raises peaks again.
            let limit = 10f64.powf((CEILING_DB - 0.2) / 20.0);
            filters.push(format!("alimiter=limit={limit:.4}:level=false:attack=5:release=50:latency=true"));
        }
        filters
    }
}

/// Calculates the gain from the integrated loudness, in LUFS, and the true peak, where 1 is full scale.
pub(crate) fn gain(
    target: LoudnessTarget,
    integrated: Option<f64>,
    peak: Option<f64>,
    sample_rate_hz: u32,
) -> (Gain, Loudness) {
    let measured = integrated.filter(|lufs| lufs.is_finite() && *lufs > SILENCE_LUFS);
    let peak_db = 20.0 * peak.filter(|peak| *peak > 0.0).unwrap_or(1.0).log10();
    let decibels = measured.map_or(0.0, |lufs| (target.lufs() - lufs).min(MAX_GAIN_DB));
    let is_limited = measured.is_some() && peak_db + decibels > CEILING_DB;
    // Four times the sample rate shows the peaks between the samples (BS.1770, annex 2).
    let gain = Gain { decibels, limiter_hz: is_limited.then_some(sample_rate_hz * 4) };
    let loudness =
        Loudness { target_lufs: target.lufs(), measured_lufs: measured, gain_db: decibels, is_limited };
    (gain, loudness)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain_of(integrated: f64, peak: f64) -> (Gain, Loudness) {
        gain(LoudnessTarget::try_from(-16.0).unwrap(), Some(integrated), Some(peak), 48_000)
    }

    #[test]
    fn a_quiet_sound_is_lifted_and_a_loud_one_lowered() {
        assert_eq!(gain_of(-30.0, 0.1).0, Gain { decibels: 14.0, limiter_hz: None });
        assert_eq!(gain_of(-10.0, 1.0).0, Gain { decibels: -6.0, limiter_hz: None });
    }

    #[test]
    fn peaks_that_would_clip_are_limited() {
        let (gain, loudness) = gain_of(-30.0, 0.5);
        assert_eq!(gain.limiter_hz, Some(192_000));
        assert!(loudness.is_limited);
    }

    #[test]
    fn silence_stays_silence() {
        let (gain, loudness) = gain_of(-70.0, 0.0);
        assert_eq!(gain, Gain { decibels: 0.0, limiter_hz: None });
        assert_eq!(loudness.measured_lufs, None);
        assert_eq!(gain_of(-69.0, 0.001).0, Gain { decibels: MAX_GAIN_DB, limiter_hz: None });
    }
}

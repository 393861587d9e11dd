//! FFmpeg's summary of what it decoded.

/// How much audio a decoder made of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub samples: u64,
    pub sample_rate_hz: u32,
}

impl Decoded {
    /// Reads the summary of one stream from lines such as `Stream #0:1(und): Audio: aac (LC), 48000 Hz, …`
    /// and `Input stream #0:1 (audio): … frames decoded (48000 samples);`.
    pub(crate) fn read(log: &str, stream: u32) -> Option<Self> {
        let (head, input) = (format!("Stream #0:{stream}"), format!("Input stream #0:{stream} "));
        let described = log.lines().find(|line| {
            let rest = line.split_once(&head).map(|(_, rest)| rest);
            rest.is_some_and(|rest| rest.starts_with([':', '[', '(']) && rest.contains(": Audio: "))
        })?;
        let rate = described.split(", ").find_map(|part| part.strip_suffix(" Hz")?.parse().ok())?;
        let summary = log.lines().find(|line| line.contains(&input))?;
        let samples = summary.split_once(" frames decoded (")?.1.split_once(" samples)")?.0;
        Some(Self { samples: samples.parse().ok()?, sample_rate_hz: rate })
    }

    #[expect(clippy::cast_precision_loss, reason = "2^52 samples are three thousand years")]
    pub(crate) fn seconds(self) -> f64 {
        self.samples as f64 / f64::from(self.sample_rate_hz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ffmpeg_says_what_it_decoded() {
        let log = "[info]   Stream #0:0[0x1](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp, 69 kb/s\n\
            [verbose]   Input stream #0:0 (audio): 26 packets read (5280 bytes); 26 frames decoded (26624 samples); \n";
        assert_eq!(Decoded::read(log, 0), Some(Decoded { samples: 26_624, sample_rate_hz: 44_100 }));
        assert_eq!(Decoded::read("[error] Invalid data\n", 0), None);
    }

    #[test]
    fn ffmpeg_says_how_much_it_decoded_of_a_track() {
        let log = "[info]   Stream #0:1[0x2](und): Audio: aac (LC), 48000 Hz, mono, fltp\n\
            [info]   Stream #0:11: Audio: aac (LC), 44100 Hz, mono, fltp (default)\n\
            [verbose]   Input stream #0:1 (audio): 5 packets read (9 bytes); 5 frames decoded (24000 samples); \n\
            [verbose]   Input stream #0:11 (audio): 5 packets read (9 bytes); 5 frames decoded (44100 samples); \n";
        let seconds = |track| Decoded::read(log, track).map(|decoded| (decoded.seconds() * 1000.0).round());
        assert_eq!((seconds(1), seconds(11), seconds(2)), (Some(500.0), Some(1000.0), None));
    }
}

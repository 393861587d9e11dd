//! Speaker layouts of channels, and the layouts that each format supports.

use contracts::AudioFormat;

/// A set of speakers with FFmpeg's name and the mask of WAV files (`dwChannelMask`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub name: &'static str,
    pub mask: u32,
}

const MONO: Layout = Layout { name: "mono", mask: 0x4 };
const STEREO: Layout = Layout { name: "stereo", mask: 0x3 };
const SURROUND: Layout = Layout { name: "3.0", mask: 0x7 };
const SURROUND_BACK: Layout = Layout { name: "4.0", mask: 0x107 };
const QUAD: Layout = Layout { name: "quad", mask: 0x33 };
const FIVE: Layout = Layout { name: "5.0", mask: 0x37 };
const FIVE_ONE: Layout = Layout { name: "5.1", mask: 0x3f };
const SIX_ONE: Layout = Layout { name: "6.1", mask: 0x70f };
const SEVEN_ONE: Layout = Layout { name: "7.1", mask: 0x63f };

/// Every layout of up to eight channels that FFmpeg names (`ffmpeg -layouts`).
const LAYOUTS: [Layout; 26] = [
    MONO,
    STEREO,
    Layout { name: "2.1", mask: 0xb },
    SURROUND,
    Layout { name: "3.0(back)", mask: 0x103 },
    SURROUND_BACK,
    QUAD,
    Layout { name: "quad(side)", mask: 0x603 },
    Layout { name: "3.1", mask: 0xf },
    FIVE,
    Layout { name: "5.0(side)", mask: 0x607 },
    Layout { name: "4.1", mask: 0x10f },
    FIVE_ONE,
    Layout { name: "5.1(side)", mask: 0x60f },
    Layout { name: "6.0", mask: 0x707 },
    Layout { name: "6.0(front)", mask: 0x6c3 },
    Layout { name: "hexagonal", mask: 0x137 },
    SIX_ONE,
    Layout { name: "6.1(back)", mask: 0x13f },
    Layout { name: "6.1(front)", mask: 0x6cb },
    Layout { name: "7.0", mask: 0x637 },
    Layout { name: "7.0(front)", mask: 0x6c7 },
    SEVEN_ONE,
    Layout { name: "7.1(wide)", mask: 0xff },
    Layout { name: "7.1(wide-side)", mask: 0x6cf },
    Layout { name: "octagonal", mask: 0x737 },
];

/// Layouts for which FFmpeg's AAC encoder writes a number, which every player knows. For others it writes a
/// list of speakers.
const AAC: [Layout; 7] = [MONO, STEREO, SURROUND, SURROUND_BACK, FIVE, FIVE_ONE, SEVEN_ONE];

/// The layouts of Opus (RFC 7845, section 5.1.1.2).
const OPUS: [Layout; 8] = [MONO, STEREO, SURROUND, QUAD, FIVE, FIVE_ONE, SIX_ONE, SEVEN_ONE];

/// Only WAV has names for more channels than this.
pub(crate) const MOST_NAMED_CHANNELS: u32 = 8;

impl Layout {
    /// The number of speakers.
    pub(crate) fn channels(self) -> u32 {
        self.mask.count_ones()
    }

    /// FFmpeg's default layout for that many channels.
    pub(crate) fn of_count(channels: u32) -> Option<Self> {
        let usual = ["mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1"];
        let name = usual.get(usize::try_from(channels.checked_sub(1)?).ok()?)?;
        Self::of_name(name)
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        LAYOUTS.into_iter().find(|layout| layout.name == name)
    }

    /// Treats side channels as back channels where there are no back channels: AC-3 and DTS say side for what
    /// Opus and AAC call back.
    fn with_back(self) -> u32 {
        if self.mask & 0x30 == 0 && self.mask & 0x600 != 0 { self.mask & !0x600 | 0x30 } else { self.mask }
    }

    /// The layout that a format of at most eight channels uses for this one.
    ///
    /// Lossless formats keep it. MP3 has at most two channels: the centre goes into both at -3 dB, a surround
    /// channel into its side at -3 dB, and the low frequency effects are left out (ITU-R BS.775-3, annex 4).
    /// AAC and Opus know some layouts: the smallest that has all of the speakers is taken. Without one, a
    /// layout of as many channels or fewer is taken.
    pub(crate) fn held_by(self, format: AudioFormat) -> Self {
        let known: &[Self] = match format {
            AudioFormat::Flac | AudioFormat::Wav => return self,
            AudioFormat::Mp3 => return if self.channels() == 1 { MONO } else { STEREO },
            AudioFormat::M4a => &AAC,
            AudioFormat::Opus => &OPUS,
        };
        let needed = self.with_back();
        let has_all = |layout: &&Self| needed & !layout.mask == 0 && layout.channels() <= self.channels() + 1;
        // Audio without a centre gets no layout with one.
        let adds_centre = |layout: &Self| needed & 0x4 == 0 && layout.mask & 0x4 != 0;
        let is_no_larger = |layout: &&Self| layout.channels() <= self.channels() && !adds_centre(layout);
        let fitting = known.iter().find(has_all).or_else(|| known.iter().rev().find(is_no_larger));
        fitting.copied().unwrap_or(STEREO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_named_as_ffmpeg_names_them() {
        let ffmpeg = std::process::Command::new("ffmpeg").args(["-v", "error", "-layouts"]).output().unwrap();
        let table = String::from_utf8(ffmpeg.stdout).unwrap();
        let (individual, standard) = table.split_once("Standard channel layouts").unwrap();
        let bit = |name: &str| {
            // In the order of their bits, without the gap behind the top channels.
            individual.lines().skip(2).position(|line| line.split_whitespace().next() == Some(name)).unwrap()
        };
        for layout in LAYOUTS {
            let line = standard.lines().find(|line| line.split_whitespace().next() == Some(layout.name));
            let speakers =
                line.unwrap_or_else(|| panic!("{}", layout.name)).split_whitespace().nth(1).unwrap();
            let mask = speakers.split('+').fold(0u32, |mask, name| mask | 1 << bit(name));
            assert_eq!(mask, layout.mask, "{}", layout.name);
        }
    }

    #[test]
    fn every_layout_becomes_one_that_the_format_knows() {
        let held = |name, format| Layout::of_name(name).unwrap().held_by(format).name;
        for (name, aac, opus) in [
            ("mono", "mono", "mono"),
            ("stereo", "stereo", "stereo"),
            ("2.1", "stereo", "stereo"),
            ("3.0", "3.0", "3.0"),
            ("3.0(back)", "4.0", "stereo"),
            ("4.0", "4.0", "quad"),
            ("quad(side)", "5.0", "quad"),
            ("5.0(side)", "5.0", "5.0"),
            ("5.1(side)", "5.1", "5.1"),
            ("5.1", "5.1", "5.1"),
            ("6.1", "5.1", "6.1"),
            ("7.1", "7.1", "7.1"),
            ("7.1(wide)", "7.1", "7.1"),
        ] {
            assert_eq!(held(name, AudioFormat::M4a), aac, "{name}");
            assert_eq!(held(name, AudioFormat::Opus), opus, "{name}");
            assert_eq!(held(name, AudioFormat::Flac), name);
        }
        assert!(LAYOUTS.iter().all(|layout| layout.channels() <= MOST_NAMED_CHANNELS));
    }

    #[test]
    fn channels_of_which_nothing_is_known_have_a_usual_layout() {
        let masks = (0..=9).map(|count| Layout::of_count(count).map_or(0, Layout::channels));
        assert_eq!(masks.collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
    }
}

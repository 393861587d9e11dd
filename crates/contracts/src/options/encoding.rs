//! How the file is encoded.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{InvalidOption, digits};

/// A kind of audio file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AudioFormat {
    /// MPEG-1 or MPEG-2 Layer III.
    #[default]
    Mp3,
    /// AAC in an MP4 file.
    M4a,
    /// Opus in an Ogg file.
    Opus,
    /// FLAC.
    Flac,
    /// PCM in a WAV file.
    Wav,
}

impl AudioFormat {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Mp3, Self::M4a, Self::Opus, Self::Flac, Self::Wav];

    /// The option's value, which is also the file extension.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::M4a => "m4a",
            Self::Opus => "opus",
            Self::Flac => "flac",
            Self::Wav => "wav",
        }
    }

    /// The format's name for users.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp3 => "MP3",
            Self::M4a => "M4A",
            Self::Opus => "Opus",
            Self::Flac => "FLAC",
            Self::Wav => "WAV",
        }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Mp3 => "audio/mpeg",
            Self::M4a => "audio/mp4",
            Self::Opus => "audio/ogg",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
        }
    }

    /// Whether it is lossless.
    #[must_use]
    pub fn is_lossless(self) -> bool {
        matches!(self, Self::Flac | Self::Wav)
    }

    /// Whether it can hold a picture.
    #[must_use]
    pub fn holds_a_cover(self) -> bool {
        matches!(self, Self::Mp3 | Self::M4a | Self::Flac)
    }

    pub(super) fn takes(self, SampleRate(rate): SampleRate) -> bool {
        match self {
            Self::Mp3 => rate <= 48_000,
            Self::Opus => [8_000, 12_000, 16_000, 24_000, 48_000].contains(&rate),
            Self::M4a | Self::Flac | Self::Wav => true,
        }
    }
}

impl FromStr for AudioFormat {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let found = Self::ALL.into_iter().find(|format| format.as_str().eq_ignore_ascii_case(text));
        found.ok_or(InvalidOption::Value { option: "format", range: "mp3, m4a, opus, flac or wav" })
    }
}

/// LAME's variable bit rate quality, from V0 (best, largest) to V9 (smallest).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, pattern = "^V[0-9]$", example = "V2")]
pub struct Quality(u8);

impl Quality {
    /// The value of FFmpeg's `-q:a`.
    #[must_use]
    pub fn level(self) -> u8 {
        self.0
    }
}

impl Default for Quality {
    fn default() -> Self {
        Self(2)
    }
}

impl FromStr for Quality {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        match text.strip_prefix(['V', 'v']).unwrap_or(text).as_bytes() {
            [digit @ b'0'..=b'9'] => Ok(Self(digit - b'0')),
            _ => Err(InvalidOption::Value { option: "quality", range: "V0 (best) to V9 (smallest)" }),
        }
    }
}

impl From<Quality> for String {
    fn from(quality: Quality) -> Self {
        format!("V{}", quality.0)
    }
}

impl TryFrom<String> for Quality {
    type Error = InvalidOption;

    fn try_from(text: String) -> Result<Self, InvalidOption> {
        text.parse()
    }
}

/// A bit rate in kbit/s, one of those that MPEG-1 Layer III has (ISO/IEC 11172-3, 2.4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(into = "u16", try_from = "u16")]
#[schema(value_type = u16, example = 192)]
pub struct Bitrate(u16);

impl Bitrate {
    /// Every bit rate.
    pub const ALL: [u16; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];

    /// The bit rate in kbit/s.
    #[must_use]
    pub fn kilobits_per_second(self) -> u16 {
        self.0
    }
}

impl FromStr for Bitrate {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        Self::try_from(digits(text.strip_suffix(['k', 'K']).unwrap_or(text)).unwrap_or(0))
    }
}

impl From<Bitrate> for u16 {
    fn from(bitrate: Bitrate) -> Self {
        bitrate.0
    }
}

impl TryFrom<u16> for Bitrate {
    type Error = InvalidOption;

    fn try_from(number: u16) -> Result<Self, InvalidOption> {
        if Self::ALL.contains(&number) {
            Ok(Self(number))
        } else {
            let range = "one of 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 (kbit/s)";
            Err(InvalidOption::Value { option: "bitrate", range })
        }
    }
}

/// How an MP3 of a long sound is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoder {
    /// By several encoders at the same time, each frame by itself.
    #[default]
    Parallel,
    /// Likewise, after which frames fill the room that others leave: as small as `sequential`, and the same sound.
    Repacked,
    /// By one, with LAME's bit reservoir: 8 % smaller at V2, and several times slower.
    Sequential,
}

impl FromStr for Encoder {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        match text {
            "parallel" => Ok(Self::Parallel),
            "repacked" => Ok(Self::Repacked),
            "sequential" => Ok(Self::Sequential),
            _ => Err(InvalidOption::Value { option: "encoder", range: "parallel, repacked or sequential" }),
        }
    }
}

/// A sample rate in Hz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(into = "u32", try_from = "u32")]
#[schema(value_type = u32, example = 44_100)]
pub struct SampleRate(u32);

impl SampleRate {
    const ALL: [u32; 10] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];

    /// The rate in Hz.
    #[must_use]
    pub fn hertz(self) -> u32 {
        self.0
    }

    /// Whether MP3 has this bit rate at this sample rate (ISO/IEC 13818-3, 2.4.2.3; for MPEG 2.5 LAME's
    /// limit).
    pub(super) fn has_mp3_bitrate(self, kilobits: u16) -> bool {
        kilobits
            <= match self.0 {
                ..16_000 => 64,
                16_000..32_000 => 160,
                _ => 320,
            }
    }
}

impl FromStr for SampleRate {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        Self::try_from(digits(text).unwrap_or(0))
    }
}

impl From<SampleRate> for u32 {
    fn from(rate: SampleRate) -> Self {
        rate.0
    }
}

impl TryFrom<u32> for SampleRate {
    type Error = InvalidOption;

    fn try_from(number: u32) -> Result<Self, InvalidOption> {
        if Self::ALL.contains(&number) {
            Ok(Self(number))
        } else {
            let range = "one of 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000 and 96000 (Hz)";
            Err(InvalidOption::Value { option: "sample_rate", range })
        }
    }
}

/// A number of channels: 1 (mono) or 2 (stereo).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(into = "u8", try_from = "u8")]
#[schema(value_type = u8, minimum = 1, maximum = 2)]
pub struct Channels(u8);

impl Channels {
    /// The number of channels.
    #[must_use]
    pub fn count(self) -> u8 {
        self.0
    }
}

impl FromStr for Channels {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        Self::try_from(digits(text).unwrap_or(0))
    }
}

impl From<Channels> for u8 {
    fn from(channels: Channels) -> Self {
        channels.0
    }
}

impl TryFrom<u8> for Channels {
    type Error = InvalidOption;

    fn try_from(number: u8) -> Result<Self, InvalidOption> {
        if matches!(number, 1 | 2) {
            Ok(Self(number))
        } else {
            Err(InvalidOption::Value { option: "channels", range: "1 (mono) or 2 (stereo)" })
        }
    }
}

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::InvalidOption;

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
    const ALL: [Self; 5] = [Self::Mp3, Self::M4a, Self::Opus, Self::Flac, Self::Wav];

    /// The option's value, which is also how the files' names end.
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

    /// What people call it.
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

    /// Whether it holds the sound as it is.
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
    /// The number that `-q:a` takes.
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
    /// Every bit rate there is.
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

    /// Whether MP3 has the bit rate at this rate (ISO/IEC 13818-3, 2.4.2.3; LAME's limit for MPEG 2.5).
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
    /// How many.
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

/// A moment of a video, counted from its beginning, in seconds. In here in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(into = "f64", try_from = "f64")]
#[schema(value_type = f64, minimum = 0, example = 62.5)]
pub struct Position(u64);

impl Position {
    pub(super) const RANGE: &str = "a time as seconds (62.5) or HH:MM:SS.mmm (00:01:02.500), below 100 hours";

    const END_MICROSECONDS: u64 = 100 * 3600 * 1_000_000;

    /// Reads `SS`, `MM:SS` or `HH:MM:SS`, each with up to six decimals.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if fraction.len() > 6 {
            return None;
        }
        let scale = 10u64.pow(6 - u32::try_from(fraction.len()).ok()?);
        let fraction = digits::<u64>(fraction)? * scale;
        let mut seconds = 0;
        for (position, part) in whole.split(':').enumerate() {
            let part = digits::<u32>(part)?;
            // Minutes and seconds behind a colon go up to 59.
            if position > 2 || position > 0 && part > 59 {
                return None;
            }
            seconds = seconds * 60 + u64::from(part);
        }
        let microseconds = seconds.checked_mul(1_000_000)? + fraction;
        (microseconds < Self::END_MICROSECONDS).then_some(Self(microseconds))
    }

    /// The time in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "it is below 2^39")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl std::fmt::Display for Position {
    /// In seconds, with all six decimals.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl From<Position> for f64 {
    fn from(position: Position) -> Self {
        position.seconds()
    }
}

impl TryFrom<f64> for Position {
    type Error = InvalidOption;

    fn try_from(seconds: f64) -> Result<Self, InvalidOption> {
        Self::parse(&format!("{seconds:.6}"))
            .ok_or(InvalidOption::Value { option: "start, end or cover", range: Self::RANGE })
    }
}

/// One of a video's audio tracks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum TrackChoice {
    /// By its place in the job's `source.audio_tracks`, counted from 0.
    Index(u16),
    /// The first of this language, as an ISO 639 code in the form in which the file has it.
    Language(String),
}

impl FromStr for TrackChoice {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        if let Some(index) = digits(text) {
            return Ok(Self::Index(index));
        }
        if matches!(text.len(), 2 | 3) && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Ok(Self::Language(text.to_ascii_lowercase()));
        }
        let range = "the index of an audio track, from 0, or an ISO 639 code such as eng";
        Err(InvalidOption::Value { option: "track", range })
    }
}

/// A loudness that a sound is brought to, in LUFS (ITU-R BS.1770, EBU R 128). In here in tenths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(into = "f64", try_from = "f64")]
#[schema(value_type = f64, minimum = -36, maximum = -5, example = -23.0)]
pub struct LoudnessTarget(i16);

impl LoudnessTarget {
    const EBU: Self = Self(-230);

    const INVALID: InvalidOption = InvalidOption::Value {
        option: "normalize",
        range: "true (-23 LUFS, as EBU R 128 has it), false, or a loudness from -36 to -5 LUFS",
    };

    /// Reads the value of `normalize`, which may be a no.
    pub(super) fn parse_choice(text: &str) -> Result<Option<Self>, InvalidOption> {
        match text {
            "true" => Ok(Some(Self::EBU)),
            "false" => Ok(None),
            // No exponents, no infinities.
            number if number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')) => {
                number.parse::<f64>().map_err(|_| Self::INVALID).and_then(Self::try_from).map(Some)
            }
            _ => Err(Self::INVALID),
        }
    }

    /// The loudness in LUFS.
    #[must_use]
    pub fn lufs(self) -> f64 {
        f64::from(self.0) / 10.0
    }
}

impl From<LoudnessTarget> for f64 {
    fn from(target: LoudnessTarget) -> Self {
        target.lufs()
    }
}

impl TryFrom<f64> for LoudnessTarget {
    type Error = InvalidOption;

    fn try_from(lufs: f64) -> Result<Self, InvalidOption> {
        if !(-36.0..=-5.0).contains(&lufs) {
            return Err(Self::INVALID);
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is between -360 and -50")]
        let tenths = (lufs * 10.0).round() as i16;
        Ok(Self(tenths))
    }
}

/// A title, a name: a short text on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, min_length = 1, max_length = 250)]
pub struct TagText(String);

impl TagText {
    pub(super) const RANGE: &str = "1 to 250 characters on one line";

    const MAX_CHARS: usize = 250;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TagText {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let text = text.trim();
        // Control characters, and those that turn the direction of what follows them.
        let is_hidden =
            |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if text.is_empty() || text.chars().count() > Self::MAX_CHARS || text.contains(is_hidden) {
            return Err(InvalidOption::Value { option: "title, artist or album", range: Self::RANGE });
        }
        Ok(Self(text.to_owned()))
    }
}

impl From<TagText> for String {
    fn from(text: TagText) -> Self {
        text.0
    }
}

impl TryFrom<String> for TagText {
    type Error = InvalidOption;

    fn try_from(text: String) -> Result<Self, InvalidOption> {
        text.parse()
    }
}

/// Where the picture of an audio file comes from: `auto`, `none`, or a time in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Cover {
    /// By a rule.
    Source(CoverSource),
    /// The video's picture at this time.
    Frame(Position),
}

/// A rule for the picture of an audio file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CoverSource {
    /// The picture that is embedded in the video, if there is one.
    Auto,
    /// No picture.
    None,
}

impl Cover {
    /// When the picture is to be taken, if it is a frame of the video.
    #[must_use]
    pub fn position(self) -> Option<Position> {
        match self {
            Self::Source(_) => None,
            Self::Frame(position) => Some(position),
        }
    }
}

impl Default for Cover {
    fn default() -> Self {
        Self::Source(CoverSource::Auto)
    }
}

impl FromStr for Cover {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let range = "auto, none, or the time of a frame as seconds or HH:MM:SS.mmm";
        match text {
            "auto" => Ok(Self::Source(CoverSource::Auto)),
            "none" => Ok(Self::Source(CoverSource::None)),
            time => {
                Position::parse(time).map(Self::Frame).ok_or(InvalidOption::Value { option: "cover", range })
            }
        }
    }
}

/// What becomes of the titles, chapters and picture of the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Metadata {
    /// They are kept, but for where and how the video was made.
    #[default]
    Keep,
    /// They are left out.
    Strip,
}

impl FromStr for Metadata {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        match text {
            "keep" => Ok(Self::Keep),
            "strip" => Ok(Self::Strip),
            _ => Err(InvalidOption::Value { option: "metadata", range: "keep or strip" }),
        }
    }
}

/// A number of digits alone: the standard library would take "+192", too.
fn digits<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

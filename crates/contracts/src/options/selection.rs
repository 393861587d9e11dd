//! Which part of the video is converted, and how loud.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{InvalidOption, digits};

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
            // Minutes and seconds after a colon go up to 59.
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

/// Which of a video's audio tracks: an index, `all`, or a language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum TrackChoice {
    /// By its place in the job's `source.audio_tracks`, counted from 0.
    Index(u16),
    /// All of them, joined to one sound.
    All(AllTracks),
    /// The first of this language.
    Language(LanguageTag),
}

/// The word for all tracks of a recording, such as those of several microphones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllTracks {
    /// Every one.
    All,
}

/// A language as people write it: a code of ISO 639, or a tag of BCP 47 such as `pt-BR`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, min_length = 2, max_length = 35, pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", example = "pt-BR")]
pub struct LanguageTag(String);

impl FromStr for TrackChoice {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::All(AllTracks::All));
        }
        match digits(text) {
            Some(index) => Ok(Self::Index(index)),
            None => text.parse().map(Self::Language),
        }
    }
}

impl LanguageTag {
    /// Long enough for every meaningful tag (RFC 5646, section 4.4.1).
    const MAX_BYTES: usize = 35;

    /// The tag, in the letter case that BCP 47 recommends.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LanguageTag {
    type Err = InvalidOption;

    /// Accepts every well-formed tag, known or not.
    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let (language, others) =
            text.split_once('-').map_or((text, None), |(first, rest)| (first, Some(rest)));
        let is_language =
            matches!(language.len(), 2 | 3) && language.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_subtag = |subtag: &str| {
            matches!(subtag.len(), 1..=8) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if text.len() > Self::MAX_BYTES
            || !is_language
            || !others.is_none_or(|rest| rest.split('-').all(is_subtag))
        {
            let range = "the index of an audio track, from 0, a language such as en, eng or pt-BR (ISO 639, BCP 47), or all";
            return Err(InvalidOption::Value { option: "track", range });
        }
        let subtags: Vec<_> =
            others.into_iter().flat_map(|rest| rest.split('-')).map(in_usual_case).collect();
        Ok(Self([vec![language.to_ascii_lowercase()], subtags].concat().join("-")))
    }
}

/// Regions are in capitals. Scripts begin with a capital letter (RFC 5646, section 2.1.1).
fn in_usual_case(subtag: &str) -> String {
    match subtag.len() {
        2 => subtag.to_ascii_uppercase(),
        4 => [subtag[..1].to_ascii_uppercase(), subtag[1..].to_ascii_lowercase()].concat(),
        _ => subtag.to_ascii_lowercase(),
    }
}

impl From<LanguageTag> for String {
    fn from(tag: LanguageTag) -> Self {
        tag.0
    }
}

impl TryFrom<String> for LanguageTag {
    type Error = InvalidOption;

    fn try_from(text: String) -> Result<Self, InvalidOption> {
        text.parse()
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

    /// Parses the value of `normalize`; `None` for `false`.
    pub(super) fn parse_choice(text: &str) -> Result<Option<Self>, InvalidOption> {
        match text {
            "true" => Ok(Some(Self::EBU)),
            "false" => Ok(None),
            // Only digits: `f64` would also parse exponents and infinities.
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

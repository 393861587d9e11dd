//! The options of an upload. Every option has a closed set of values; only titles are passed on as received.

mod description;
mod encoding;
mod selection;
mod table;

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::description::{Cover, CoverSource, Metadata, TagText};
pub use self::encoding::{AudioFormat, Bitrate, Channels, Encoder, Quality, SampleRate};
pub use self::selection::{AllTracks, LanguageTag, LoudnessTarget, Position, TrackChoice};
pub use self::table::{UPLOAD_OPTIONS, UploadOption};

/// Why the options of an upload are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOption {
    /// No option has this name.
    #[error("there is no option called `{0}`; the options are {names}", names = table::names())]
    Unknown(String),
    /// The option does not take the value.
    #[error("`{option}` takes {range}")]
    Value {
        /// The option's name.
        option: &'static str,
        /// The accepted values, in words.
        range: &'static str,
    },
    /// The option was given before.
    #[error("give `{0}` only once")]
    Twice(String),
    /// Options that exclude each other.
    #[error("{0}")]
    Conflict(&'static str),
}

/// What an upload is to become.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ConversionOptions {
    /// What kind of file is made.
    pub format: AudioFormat,
    /// Variable bit rate quality, for MP3; `V2` if neither this nor `bitrate` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Bit rate in kbit/s: constant for MP3, a mean for M4A and Opus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<Bitrate>,
    /// How MP3 is encoded.
    #[serde(skip_serializing_if = "is_default")]
    pub encoder: Encoder,
    /// Sample rate in Hz, if not that of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<SampleRate>,
    /// Channels, if not those of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
    /// Where to begin, in seconds of the video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Position>,
    /// Where to end, in seconds of the video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Position>,
    /// Which audio track, if not the one that a player would take, or `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackChoice>,
    /// The loudness to bring it to, in LUFS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize: Option<LoudnessTarget>,
    /// Title, instead of the source's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<TagText>,
    /// Artist, instead of the source's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<TagText>,
    /// Album, instead of the source's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album: Option<TagText>,
    /// The picture that goes with it.
    #[serde(skip_serializing_if = "is_default")]
    pub cover: Cover,
    /// What becomes of the source's titles, chapters and picture.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: Metadata,
}

/// LAME's bit rate mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mp3Rate {
    /// A variable rate of this quality.
    Quality(Quality),
    /// A constant rate.
    Bitrate(Bitrate),
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Parses a number of digits only. The standard library would also accept "+192".
fn digits<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl ConversionOptions {
    /// Whether there is an option of this name.
    #[must_use]
    pub fn has(name: &str) -> bool {
        UPLOAD_OPTIONS.iter().any(|option| option.name == name)
    }

    /// Reads the option fields of an upload.
    pub fn parse<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, InvalidOption> {
        let mut options = Self::default();
        let mut given = Vec::new();
        for (name, value) in fields {
            options.set(name, value)?;
            if given.contains(&name) {
                return Err(InvalidOption::Twice(name.to_owned()));
            }
            given.push(name);
        }
        options.check()?;
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidOption> {
        let option = UPLOAD_OPTIONS.iter().find(|option| option.name == name);
        let option = option.ok_or_else(|| InvalidOption::Unknown(name.chars().take(40).collect()))?;
        (option.set)(self, value)
    }

    /// LAME's bit rate mode, if LAME encodes the file.
    #[must_use]
    pub fn mp3_rate(&self) -> Mp3Rate {
        match self.bitrate {
            Some(bitrate) => Mp3Rate::Bitrate(bitrate),
            None => Mp3Rate::Quality(self.quality.unwrap_or_default()),
        }
    }

    /// Whether the options change the audio itself, not only its encoding.
    #[must_use]
    pub fn change_the_sound(&self) -> bool {
        self.sample_rate.is_some()
            || self.channels.is_some()
            || self.start.is_some()
            || self.end.is_some()
            || self.normalize.is_some()
    }

    /// Checks that the options fit together.
    fn check(&self) -> Result<(), InvalidOption> {
        let refuse = |reason| Err(InvalidOption::Conflict(reason));
        let is_mp3 = self.format == AudioFormat::Mp3;
        if self.quality.is_some() && self.bitrate.is_some() {
            return refuse("give `quality` or `bitrate`, not both");
        }
        if !is_mp3 && self.quality.is_some() {
            return refuse("`quality` is for the format mp3; give a `bitrate`");
        }
        if !is_mp3 && self.encoder != Encoder::default() {
            return refuse("`encoder` is for the format mp3");
        }
        if self.bitrate.is_some() && self.encoder == Encoder::Repacked {
            return refuse("frames of a constant `bitrate` cannot be repacked");
        }
        if self.format.is_lossless() && self.bitrate.is_some() {
            return refuse("flac and wav are lossless and take no `bitrate`");
        }
        if self.end.is_some_and(|end| end <= self.start.unwrap_or_default()) {
            return refuse("`end` must lie behind `start`");
        }
        if self.cover.position().is_some() && !self.format.holds_a_cover() {
            return refuse("opus and wav files hold no `cover`");
        }
        let kilobits = self.bitrate.map_or(0, Bitrate::kilobits_per_second);
        if self.format == AudioFormat::Opus && kilobits > 256 {
            return refuse("opus takes a `bitrate` of up to 256");
        }
        if let Some(rate) = self.sample_rate {
            if !self.format.takes(rate) {
                return refuse(
                    "mp3 takes a `sample_rate` of up to 48000, and opus one of 8000, 12000, 16000, 24000 and 48000",
                );
            }
            if is_mp3 && !rate.has_mp3_bitrate(kilobits) {
                return refuse(
                    "mp3 takes a `bitrate` of up to 64 below 16000 Hz and of up to 160 below 32000 Hz",
                );
            }
        }
        Ok(())
    }
}

fn position(option: &'static str, value: &str) -> Result<Position, InvalidOption> {
    Position::parse(value).ok_or(InvalidOption::Value { option, range: Position::RANGE })
}

fn text(option: &'static str, value: &str) -> Result<TagText, InvalidOption> {
    TagText::from_str(value).map_err(|_| InvalidOption::Value { option, range: TagText::RANGE })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fields: &[(&str, &str)]) -> Result<ConversionOptions, InvalidOption> {
        ConversionOptions::parse(fields.iter().copied())
    }

    fn json(fields: &[(&str, &str)]) -> String {
        let options = parse(fields).unwrap();
        let json = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<ConversionOptions>(&json).unwrap(), options);
        json
    }

    #[test]
    fn without_options_it_is_an_mp3_at_v2() {
        assert_eq!(parse(&[]).unwrap().mp3_rate(), Mp3Rate::Quality(Quality::default()));
        assert_eq!(json(&[]), r#"{"format":"mp3"}"#);
        assert_eq!(serde_json::from_str::<ConversionOptions>("{}").unwrap(), ConversionOptions::default());
    }

    #[test]
    fn every_option_has_one_json_form() {
        for (fields, expected) in [
            (&[("format", "m4a"), ("bitrate", "192k")][..], r#"{"format":"m4a","bitrate":192}"#),
            (&[("quality", "9")], r#"{"format":"mp3","quality":"V9"}"#),
            (&[("encoder", "sequential")], r#"{"format":"mp3","encoder":"sequential"}"#),
            (
                &[("sample_rate", "22050"), ("channels", "1")],
                r#"{"format":"mp3","sample_rate":22050,"channels":1}"#,
            ),
            (&[("start", "00:01:02.5"), ("end", "90.25")], r#"{"format":"mp3","start":62.5,"end":90.25}"#),
            (&[("track", "1")], r#"{"format":"mp3","track":1}"#),
            (&[("track", "ENG")], r#"{"format":"mp3","track":"eng"}"#),
            (&[("track", "PT-br")], r#"{"format":"mp3","track":"pt-BR"}"#),
            (&[("track", "ZH-HANS-cn")], r#"{"format":"mp3","track":"zh-Hans-CN"}"#),
            (&[("track", "All")], r#"{"format":"mp3","track":"all"}"#),
            (&[("normalize", "true")], r#"{"format":"mp3","normalize":-23.0}"#),
            (&[("normalize", "-16.5")], r#"{"format":"mp3","normalize":-16.5}"#),
            (&[("normalize", "false")], r#"{"format":"mp3"}"#),
            (&[("title", " Ünicode ")], r#"{"format":"mp3","title":"Ünicode"}"#),
            (&[("cover", "none")], r#"{"format":"mp3","cover":"none"}"#),
            (&[("cover", "1:00")], r#"{"format":"mp3","cover":60.0}"#),
            (&[("cover", "auto"), ("metadata", "strip")], r#"{"format":"mp3","metadata":"strip"}"#),
        ] {
            assert_eq!(json(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_value_out_of_range_is_refused() {
        for (name, values) in [
            ("format", &["", "MP3 ", "ogg", "exe"][..]),
            ("quality", &["", "V", "V10", "-1", "V2 -f", "２"]),
            ("bitrate", &["", "k", "0", "+192", "129", "192kk", "99999999"]),
            ("encoder", &["", "fast"]),
            ("sample_rate", &["", "0", "44101", "44.1", "+8000"]),
            ("channels", &["", "0", "3", "mono"]),
            (
                "start",
                &["", "-1", "1e3", "inf", "NaN", "1:60", "1:2:60", "60:00:00:00", ":1", "1:", "1000:00:00"],
            ),
            ("end", &["x"]),
            (
                "track",
                &[
                    "",
                    "-1",
                    "100000",
                    "english",
                    "e",
                    "e1",
                    "../",
                    "de-",
                    "-de",
                    "de--AT",
                    "de_AT",
                    "de-Österreich",
                ],
            ),
            (
                "track",
                &["de-subtags12", "de AT", "all-", "x-klingon", "en-abcdefgh-abcdefgh-abcdefgh-abcdefgh"],
            ),
            ("normalize", &["", "yes", "0", "-4.9", "-40", "1e1", "--16"]),
            ("title", &["", "  ", "a\nb", "a\0b", "a\u{202e}b", "a\u{200b}b", "\u{3164}"]),
            ("cover", &["", "-1", "file.jpg"]),
            ("metadata", &["", "none"]),
        ] {
            for value in values {
                let refused = matches!(parse(&[(name, value)]), Err(InvalidOption::Value { option, .. }) if option == name);
                assert!(refused, "{name}={value:?}");
            }
        }
        assert!(parse(&[("title", &"x".repeat(251))]).is_err());
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        assert!(matches!(parse(&[("end", "0")]), Err(InvalidOption::Conflict(_))));
        for fields in [
            [("quality", "V2"), ("bitrate", "128")],
            [("format", "m4a"), ("quality", "V2")],
            [("format", "flac"), ("bitrate", "128")],
            [("format", "wav"), ("cover", "3")],
            [("format", "opus"), ("bitrate", "320")],
            [("format", "opus"), ("sample_rate", "44100")],
            [("format", "opus"), ("encoder", "sequential")],
            [("bitrate", "128"), ("encoder", "repacked")],
            [("sample_rate", "96000"), ("quality", "V2")],
            [("sample_rate", "22050"), ("bitrate", "320")],
            [("sample_rate", "8000"), ("bitrate", "128")],
            [("start", "10"), ("end", "10")],
        ] {
            assert!(matches!(parse(&fields), Err(InvalidOption::Conflict(_))), "{fields:?}");
        }
        assert_eq!(
            parse(&[("quality", "V2"), ("quality", "V2")]),
            Err(InvalidOption::Twice("quality".to_owned()))
        );
        assert!(matches!(parse(&[("Quality", "V2")]), Err(InvalidOption::Unknown(_))));
    }
}

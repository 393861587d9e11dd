use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An upload option that Mixdown does not know, or a value outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOption {
    /// There is no option of this name.
    #[error("there is no option called `{0}`; the options are `quality` and `bitrate`")]
    Unknown(String),
    /// The value is outside the option's range.
    #[error("`{option}` takes {range}")]
    Value {
        /// The option's name.
        option: &'static str,
        /// What it takes, in words.
        range: &'static str,
    },
    /// The option was given before, or one that excludes it.
    #[error("give `quality` or `bitrate`, and only once")]
    Conflict,
}

/// How an upload is to be encoded: by variable bit rate quality (the default, V2) or at a constant bit rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConversionOptions {
    /// Variable bit rate at this quality.
    Quality(Quality),
    /// Constant bit rate, in kbit/s.
    Bitrate(Bitrate),
}

impl Default for ConversionOptions {
    fn default() -> Self {
        Self::Quality(Quality::default())
    }
}

impl ConversionOptions {
    /// Reads the option fields of an upload, in the order in which they came.
    pub fn parse<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, InvalidOption> {
        let mut chosen = None;
        for (name, value) in fields {
            let option = match name {
                "quality" => Self::Quality(value.parse()?),
                "bitrate" => Self::Bitrate(value.parse()?),
                unknown => return Err(InvalidOption::Unknown(unknown.chars().take(40).collect())),
            };
            if chosen.replace(option).is_some() {
                return Err(InvalidOption::Conflict);
            }
        }
        Ok(chosen.unwrap_or_default())
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

/// A constant bit rate in kbit/s, one of those that MPEG-1 Layer III has (ISO/IEC 11172-3, 2.4.2.3).
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
        // Digits alone: `u16` would parse "+192" too.
        let digits = text.strip_suffix(['k', 'K']).unwrap_or(text);
        let number =
            if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None };
        Self::try_from(number.unwrap_or(0))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_default_to_v2_and_take_either_form() {
        assert_eq!(ConversionOptions::parse([]), Ok(ConversionOptions::Quality(Quality(2))));
        assert_eq!(ConversionOptions::parse([("quality", "V0")]), Ok(ConversionOptions::Quality(Quality(0))));
        assert_eq!(ConversionOptions::parse([("quality", "9")]), Ok(ConversionOptions::Quality(Quality(9))));
        assert_eq!(
            ConversionOptions::parse([("bitrate", "192k")]),
            Ok(ConversionOptions::Bitrate(Bitrate(192)))
        );
    }

    #[test]
    fn unknown_conflicting_and_out_of_range_options_are_refused() {
        assert!(matches!(ConversionOptions::parse([("Quality", "V2")]), Err(InvalidOption::Unknown(_))));
        let both = [("quality", "V2"), ("bitrate", "128")];
        assert_eq!(ConversionOptions::parse(both), Err(InvalidOption::Conflict));
        for wrong in ["", "V", "V10", "-1", "V2 -f", "２"] {
            assert!(ConversionOptions::parse([("quality", wrong)]).is_err(), "{wrong:?}");
        }
        for wrong in ["", "k", "0", "+192", "129", "192kk", "99999999"] {
            assert!(ConversionOptions::parse([("bitrate", wrong)]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn options_have_one_json_form() {
        let json = serde_json::to_string(&ConversionOptions::default()).unwrap();
        assert_eq!(json, r#"{"quality":"V2"}"#);
        let json = serde_json::to_string(&ConversionOptions::Bitrate(Bitrate(320))).unwrap();
        assert_eq!(json, r#"{"bitrate":320}"#);
        assert!(serde_json::from_str::<ConversionOptions>(r#"{"bitrate":321}"#).is_err());
    }
}

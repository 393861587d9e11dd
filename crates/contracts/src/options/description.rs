//! The tags and the cover picture of an audio file.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{InvalidOption, Position};
use crate::{is_hidden, is_joiner};

/// A title, a name: a short text on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, min_length = 1, max_length = 250)]
pub struct TagText(String);

impl TagText {
    pub(super) const RANGE: &str = "1 to 250 characters on one line";

    pub(super) const MAX_CHARS: usize = 250;

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
        let is_unfit = |c: char| is_hidden(c) && !is_joiner(c);
        if text.is_empty() || text.chars().count() > Self::MAX_CHARS || text.contains(is_unfit) {
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
    /// The time of the frame, if the picture is a frame of the video.
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

//! The form of names, lengths, sizes and dates in a mail.

use std::fmt;

use contracts::{is_hidden, is_joiner};
use time::OffsetDateTime;

/// Mail programs cut longer subjects in their lists.
const MAX_NAME_CHARS: usize = 80;

/// The name of an uploaded video, fit for a subject and for one line of text.
///
/// The uploader chooses it, so it could hold line breaks that end a header, and marks that reverse the
/// following text. Control characters and explicit direction marks (Unicode bidi classes LRE to PDI) are
/// removed. Every run of white space becomes one space. The start of an encoded word (RFC 2047) is split,
/// since mail programs would decode it in a subject. The name is cut after 80 characters. Letters of every
/// script, emoji and their joiners stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VideoName(String);

impl VideoName {
    pub(crate) fn new(raw: &str) -> Self {
        let visible: String = raw
            .chars()
            .map(|character| if character.is_whitespace() { ' ' } else { character })
            .filter(|character| !is_invisible(*character))
            .collect();
        let words: Vec<&str> = visible.split_whitespace().collect();
        let name = words.join(" ").replace("=?", "= ?");
        if name.is_empty() {
            return Self("your video".to_owned());
        }
        if name.chars().count() <= MAX_NAME_CHARS {
            return Self(name);
        }
        let cut: String = name.chars().take(MAX_NAME_CHARS - 1).collect();
        Self(format!("{}…", cut.trim_end()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters without a glyph of their own, and the replacement character.
fn is_invisible(character: char) -> bool {
    is_hidden(character) && !is_joiner(character) || matches!(character, '\u{fffc}' | '\u{fffd}')
}

/// A length of time: `58 s`, `3 min 05 s`, `1 h 02 min`.
pub(crate) struct Length {
    pub(crate) seconds: f64,
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and no audio is shorter than 0 or longer than 2^64 s"
        )]
        let seconds = self.seconds.round().max(1.0) as u64;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        match (hours, minutes) {
            (0, 0) => write!(f, "{seconds} s"),
            (0, minutes) => write!(f, "{minutes} min {:02} s", seconds % 60),
            (hours, minutes) => write!(f, "{hours} h {minutes:02} min"),
        }
    }
}

/// A number of bytes: `812 kB`, `3.4 MB`, `1.25 GB` (powers of ten, as in mail programs).
pub(crate) struct Size {
    pub(crate) bytes: u64,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let bytes = self.bytes as f64;
        match self.bytes {
            0..1_000 => write!(f, "{} bytes", self.bytes),
            // Rounds to "1000 kB" from there on.
            1_000..999_500 => write!(f, "{:.0} kB", bytes / 1e3),
            999_500..999_950_000 => write!(f, "{:.1} MB", bytes / 1e6),
            999_950_000.. => write!(f, "{:.2} GB", bytes / 1e9),
        }
    }
}

/// A bit rate, rounded to kbit/s.
pub(crate) struct BitRate {
    pub(crate) bits_per_second: u32,
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kbit/s", self.bits_per_second.saturating_add(500) / 1000)
    }
}

/// A moment, to the minute: `12 March 2025, 14:05 UTC`.
pub(crate) struct Moment(pub(crate) OffsetDateTime);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at) = self;
        let at = at.to_offset(time::UtcOffset::UTC);
        let (day, month, year) = (at.day(), at.month(), at.year());
        write!(f, "{day} {month} {year}, {:02}:{:02} UTC", at.hour(), at.minute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(raw: &str) -> String {
        VideoName::new(raw).as_str().to_owned()
    }

    #[test]
    fn ordinary_names_of_every_script_stay_as_they_are() {
        for plain in
            ["holiday.mp4", "Öl & Wasser (1).mkv", "会議の録画.mov", "שיעור ראשון.mp4", "👩‍👩‍👧 party 🎉.webm"]
        {
            assert_eq!(name(plain), plain);
        }
    }

    #[test]
    fn what_could_break_a_header_or_turn_the_line_around_is_left_out() {
        assert_eq!(name("a\r\nBcc: eve@example.org\r\n\r\nbody.mp4"), "a Bcc: eve@example.org body.mp4");
        assert_eq!(name("tab\there\0\u{7f}\u{9b}\u{2028}end"), "tab here end");
        assert_eq!(name("\u{202e}4pm.exe\u{2066}\u{200f}"), "4pm.exe");
        for nothing in ["", " ", "\r\n", "\u{202e}"] {
            assert_eq!(name(nothing), "your video", "{nothing:?}");
        }
    }

    #[test]
    fn long_names_are_cut_at_80_characters() {
        let cut = name(&"ä".repeat(300));
        assert_eq!(cut.chars().count(), 80);
        assert!(cut.ends_with("ä…"));
        assert_eq!(name(&"b".repeat(80)), "b".repeat(80));
    }

    #[test]
    fn amounts_read_as_people_say_them() {
        let lengths = [0.0, 0.4, 58.4, 59.6, 185.0, 3599.7, 3725.0, 90_000.0];
        let lengths = lengths.map(|seconds| Length { seconds }.to_string());
        assert_eq!(
            lengths,
            ["1 s", "1 s", "58 s", "1 min 00 s", "3 min 05 s", "1 h 00 min", "1 h 02 min", "25 h 00 min"]
        );
        let sizes = [999, 1_000, 999_499, 999_500, 3_449_999, 999_949_999, 999_950_000, 1_250_000_000];
        let sizes = sizes.map(|bytes| Size { bytes }.to_string());
        assert_eq!(
            sizes,
            ["999 bytes", "1 kB", "999 kB", "1.0 MB", "3.4 MB", "999.9 MB", "1.00 GB", "1.25 GB"]
        );
        let rates = [32_000, 189_501, 320_000].map(|bits_per_second| BitRate { bits_per_second }.to_string());
        assert_eq!(rates, ["32 kbit/s", "190 kbit/s", "320 kbit/s"]);
    }

    #[test]
    fn moments_are_in_utc() {
        let at = OffsetDateTime::from_unix_timestamp(1_741_788_300).unwrap();
        let elsewhere = at.to_offset(time::UtcOffset::from_hms(5, 30, 0).unwrap());
        assert_eq!(Moment(elsewhere).to_string(), "12 March 2025, 14:05 UTC");
    }
}

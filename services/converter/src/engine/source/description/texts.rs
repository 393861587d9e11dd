//! Cleans texts: limits their length, and removes control characters and geographic positions.

/// The longest text, except lyrics.
pub(super) const MAX_BYTES: usize = 4 * 1024;

/// The text with line breaks as `\n`, cut to `max_bytes`. `None` if nothing is left.
pub(super) fn cleaned(text: &str, max_bytes: usize) -> Option<String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', " ");
    let text = text.replace(|c: char| c.is_control() && c != '\n', "");
    let text = text.trim();
    let text = text[..text.floor_char_boundary(max_bytes)].trim_end();
    if text.is_empty() || text.split(|c| !is_of_a_place(c)).any(is_place) {
        return None;
    }
    Some(text.to_owned())
}

fn is_of_a_place(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_' | '/')
}

/// Whether this is a geographic position as cameras write it (ISO 6709, annex H): latitude, longitude, and
/// perhaps altitude and coordinate system, as in `+48.1234+016.2345+123.4CRSWGS_84/`.
///
/// A text without a fraction and without the slash may mean something else.
fn is_place(text: &str) -> bool {
    let (point, is_closed) =
        text.split_once('/').map_or((text, false), |(point, rest)| (point, rest.is_empty()));
    let point = point.split_once("CRS").map_or(point, |(point, _)| point);
    let Some((latitude, rest)) = number(point) else { return false };
    let Some((longitude, rest)) = number(rest) else { return false };
    let has_digits = |number: &str, counts: [usize; 3]| counts.contains(&whole(number).len());
    // Some programs do not pad the degrees with zeroes.
    let has_right_digits = has_digits(latitude, [2, 4, 6]) && has_digits(longitude, [3, 5, 7]);
    let has_fractions = latitude.contains('.') && longitude.contains('.');
    let ends = rest.is_empty() || number(rest).is_some_and(|(_, rest)| rest.is_empty());
    ends && [has_right_digits, has_fractions, is_closed].into_iter().filter(|sign| *sign).count() >= 2
}

/// A number, without its sign, and the rest of the text.
fn number(text: &str) -> Option<(&str, &str)> {
    let unsigned = text.strip_prefix(['+', '-'])?;
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, rest) = unsigned.split_at(end);
    number.parse::<f64>().is_ok().then_some((number, rest))
}

fn whole(number: &str) -> &str {
    number.split_once('.').map_or(number, |(whole, _)| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_line_breaks_stay() {
        let text = cleaned(" \u{feff}One\0\r\nTwo\u{85}\u{1b}\rThree\tfour\n", MAX_BYTES);
        assert_eq!(text.as_deref(), Some("\u{feff}One\nTwo\nThree four"));
        assert_eq!(cleaned(" \0\n", MAX_BYTES), None);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(cleaned("ab🎵", 5).as_deref(), Some("ab"));
        assert_eq!(cleaned("ab🎵", 6).as_deref(), Some("ab🎵"));
    }

    #[test]
    fn a_place_is_no_text() {
        for place in [
            "+48.1234+016.2345/",
            "+48.2+016.3",
            "-33.8688+151.2093+019.000/",
            "+40.20361-75.00417CRSxxxx/",
            "+48.1234+016.2345+123.4CRSWGS_84/",
            "+40-075/",
            "+4012.22-07500.25/",
            "+401213.1-0750015.1+2.79CRSWGS_84/",
            "shot at +48.1234+016.2345/ today",
            "(+48.1234+016.2345/)",
        ] {
            assert_eq!(cleaned(place, MAX_BYTES), None, "{place}");
        }
    }

    #[test]
    fn what_only_looks_like_a_place_is_kept() {
        for text in [
            "+49-030-1234567",
            "2020-05-06",
            "+1+1",
            "-12.5 to +12.5 dB",
            "A+48",
            "1+2/3",
            "+12+345",
            "+49-030/1234567",
        ] {
            assert!(cleaned(text, MAX_BYTES).is_some(), "{text}");
        }
    }
}

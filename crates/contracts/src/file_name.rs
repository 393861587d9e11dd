//! The rules for names that people read and file systems store.

/// The longest file name in bytes that file systems accept.
pub const MAX_FILE_NAME_BYTES: usize = 255;

/// Whether a character is invisible: control characters, those that change the direction of the text, those
/// without a width, and blanks that pass for letters. With them one name could look like another.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a hidden character joins or separates its neighbours, as emoji and many scripts require.
#[must_use]
pub fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// A file name with this stem and this ending. The stem is cut if the name would be too long.
#[must_use]
pub fn file_name_of(beginning: &str, ending: &str) -> String {
    let room = MAX_FILE_NAME_BYTES.saturating_sub(ending.len());
    format!("{}{ending}", &beginning[..beginning.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_ending() {
        assert_eq!(file_name_of("talk", ".mp3"), "talk.mp3");
        let name = file_name_of(&"é".repeat(200), ".flac");
        assert_eq!((name.len(), name.ends_with("é.flac")), (255, true));
    }

    #[test]
    fn letters_of_every_script_are_no_hidden_characters() {
        assert!(!"Größe 😀 日本 שלום مرحبا हिन्दी ไทย e\u{301} ❤\u{fe0f}".chars().any(is_hidden));
        assert!("\u{202e}\u{200b}\u{2066}\u{feff}\u{3164}\u{e0041}\u{7f}\n".chars().all(is_hidden));
    }
}

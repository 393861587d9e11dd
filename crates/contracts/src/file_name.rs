//! What a name may hold that people read and file systems store.

/// File systems take names of at most so many bytes.
pub const MAX_FILE_NAME_BYTES: usize = 255;

/// Whether a character shows nothing by itself: control characters, those that turn the direction of what follows them, those
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

/// Whether a character is hidden and joins or parts its neighbours, as emoji and many scripts need it within a text.
#[must_use]
pub fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// A file's name of this beginning and this ending. The beginning is cut where both would be too long.
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

//! The name under which a file is shown and offered, made from what a client sends.

use contracts::{MAX_FILE_NAME_BYTES, file_name_of, is_hidden};

/// The longest extension that is kept when a name is cut, including its dot.
const MAX_ENDING_BYTES: usize = 16;

/// A file's name without the folders and invisible characters that a client may send with it.
pub(crate) fn display_name(given: &str) -> String {
    let visible: String = given.chars().filter(|c| !is_hidden(*c)).collect();
    let name = visible.rsplit(['/', '\\']).next().unwrap_or_default();
    // `.` and `..` are folders, and some systems forget dots at the end.
    if name.chars().all(|c| c == '.' || c.is_whitespace()) { "video".to_owned() } else { cut(name) }
}

/// The name if it is short enough, otherwise its beginning and its extension.
fn cut(name: &str) -> String {
    if name.len() <= MAX_FILE_NAME_BYTES {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |dot| &name[dot..]);
    let ending = if ending.len() > MAX_ENDING_BYTES { "" } else { ending };
    file_name_of(&name[..name.len() - ending.len()], ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_folders() {
        assert_eq!(display_name("C:\\videos\\talk.mp4"), "talk.mp4");
        assert_eq!(display_name("../../etc/passwd"), "passwd");
        assert_eq!(display_name("a\\b/c\\d.mp4"), "d.mp4");
    }

    #[test]
    fn names_lose_invisible_characters() {
        assert_eq!(display_name("a\r\nb\0\u{7f}\u{85}.mp4"), "ab.mp4");
        assert_eq!(display_name("evil\u{202e}4pm.exe"), "evil4pm.exe");
        assert_eq!(display_name("\u{feff}a\u{200b}\u{2066}b\u{200f}\u{2028}.mp4"), "ab.mp4");
        assert_eq!(display_name("Größe 😀 \"日本\".mp4"), "Größe 😀 \"日本\".mp4");
    }

    #[test]
    fn a_name_of_nothing_is_a_default() {
        for nothing in
            ["", "   ", ".", "..", " .. ", "...", "a/..", "folder/", "\u{200b}", ".\u{200b}.", "\n"]
        {
            assert_eq!(display_name(nothing), "video", "{nothing:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_at_a_character_and_keeps_its_ending() {
        assert_eq!(display_name(&"é".repeat(200)).len(), 254);
        let name = display_name(&format!("{}.mp4", "é".repeat(200)));
        assert_eq!(name, format!("{}.mp4", "é".repeat(125)));
        let fits = format!("{}.mp4", "a".repeat(251));
        assert_eq!(display_name(&fits), fits);
        assert_eq!(display_name(&format!("a.{}", "b".repeat(300))).len(), 255);
    }
}

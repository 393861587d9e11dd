//! Decodes texts of old code pages: the bytes in such tags do not say their encoding.

use std::ops::RangeInclusive;

use contracts::decode_legacy_text;

/// The characters that stand for the bytes 0x80 to 0xff where these are not valid UTF-8: the last private-use
/// characters.
const MARKS: RangeInclusive<char> = '\u{10ff80}'..='\u{10ffff}';

/// The character for byte 0.
const FIRST_MARK: u32 = 0x10_ff00;

/// Separates texts that are decoded together. No code page uses it in a character.
const SEPARATOR: u8 = 0x1e;

/// Converts ffprobe's answer to valid JSON, whatever bytes its texts contain. (With `-of json=c=1:sv=ignore`
/// ffprobe prints them unchanged.) A byte that is not part of UTF-8 becomes a private-use character.
/// [`Description::of`](super::Description::of) restores the byte.
pub(crate) fn valid_json(answer: &[u8]) -> String {
    let mut json = String::with_capacity(answer.len());
    for chunk in answer.utf8_chunks() {
        // No real text has these characters. They are replaced, so that they cannot stand for bytes.
        json.extend(chunk.valid().chars().map(|c| if is_mark(c) { char::REPLACEMENT_CHARACTER } else { c }));
        json.extend(chunk.invalid().iter().copied().map(mark));
    }
    json
}

fn mark(byte: u8) -> char {
    char::from_u32(FIRST_MARK + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The bytes of a text that [`valid_json`] marked.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(u32::from(c).wrapping_sub(FIRST_MARK)) {
            Ok(byte) if is_mark(c) => bytes.push(byte),
            _ => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}

/// The texts of one file in Unicode, in the same order.
pub(super) fn decode(mut texts: Vec<String>) -> Vec<String> {
    for text in &mut texts {
        if let Some(utf8) = utf8_of(text) {
            *text = utf8;
        }
    }
    decode_those(&mut texts, |text| text.contains(is_mark).then(|| bytes(text)), |_| true);
    // FFmpeg reads an ID3 text as Latin-1 if its frame says so, and many programs wrote that into every
    // frame. If one text of a file makes no sense as Latin-1, the texts that are too short to judge have the
    // same code page.
    if texts.iter().any(|text| latin1(text).is_some() && is_nonsense(text)) {
        decode_those(&mut texts, |text| latin1(text).filter(|_| !has_mixed_word(text)), is_of_another_script);
    }
    // Titles contain no control codes, but Windows-1252 has quotation marks and dashes in their place.
    decode_those(&mut texts, |text| latin1(text).filter(|_| has_control_codes(text)), |_| true);
    texts
}

/// Decodes the texts for which `bytes` returns bytes, all together: a longer text makes a better guess.
fn decode_those(
    texts: &mut [String],
    bytes: impl Fn(&str) -> Option<Vec<u8>>,
    is_right: impl Fn(&str) -> bool,
) {
    let found = texts.iter().enumerate().filter_map(|(place, text)| Some((place, bytes(text)?)));
    let (places, mut pieces): (Vec<usize>, Vec<Vec<u8>>) = found.unzip();
    for piece in &mut pieces {
        piece.retain(|byte| *byte != SEPARATOR);
    }
    let decoded = decode_legacy_text(&pieces.join(&SEPARATOR));
    let decoded: Vec<&str> = decoded.split(char::from(SEPARATOR)).collect();
    if decoded.len() == places.len() && is_right(&decoded.concat()) {
        for (place, text) in places.into_iter().zip(decoded) {
            text.clone_into(&mut texts[place]);
        }
    }
}

fn is_mark(c: char) -> bool {
    MARKS.contains(&c)
}

/// The text as UTF-8, if its bytes are UTF-8 except for a few that were damaged or cut off at the end. FFmpeg
/// also reads UTF-8 as Latin-1 where an ID3 frame says so.
fn utf8_of(text: &str) -> Option<String> {
    let bytes = if text.contains(is_mark) { bytes(text) } else { latin1(text)? };
    let utf8: String = bytes.utf8_chunks().map(|chunk| chunk.valid()).collect();
    let broken = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
    let whole = utf8.chars().filter(|c| !c.is_ascii()).count();
    let is_cut_off = std::str::from_utf8(&bytes).is_err_and(|error| error.error_len().is_none());
    let is_utf8 = whole > 0 && (broken * 4 <= whole || broken == 1 && is_cut_off);
    // A trade mark or a quotation mark after a capital letter looks like one character of UTF-8 by chance.
    let is_chance = whole == 1 && text.contains(['®', '°', '»']) && !text.contains(['Â', 'Ã']);
    (is_utf8 && !is_chance).then_some(utf8)
}

/// The bytes of a text that was read as Latin-1.
fn latin1(text: &str) -> Option<Vec<u8>> {
    if text.is_ascii() { None } else { text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect() }
}

fn has_control_codes(text: &str) -> bool {
    text.contains(|c| ('\u{80}'..='\u{9f}').contains(&c))
}

/// Parts of alphabets that a text may list on purpose. Hardly any Russian or Greek word consists of these
/// bytes only.
const ALPHABETS: [&str; 3] = ["ÄÖÜßÅÆØäöüåæø", "ÁÉÍÓÚÝáéíóúý", "ÞÐÆÖþðæö"];

/// Whether the text cannot be Latin-1: a word of at least three different letters has no letter from A to Z.
fn is_nonsense(text: &str) -> bool {
    let is_strange = |word: &str| {
        let mut letters: Vec<char> = word.chars().filter(|c| !c.is_ascii()).collect();
        letters.sort_unstable();
        letters.dedup();
        letters.len() >= 3 && word.contains(is_accented) && !has_latin_letter(word)
    };
    let is_of = |alphabet: &&str| text.chars().filter(|c| is_accented(*c)).all(|c| alphabet.contains(c));
    words(text).any(is_strange) && !ALPHABETS.iter().any(is_of)
}

/// Whether a letter from A to Z is next to one of the Latin-1 Supplement, as in the languages of Western
/// Europe.
fn has_mixed_word(text: &str) -> bool {
    words(text).any(|word| word.contains(is_accented) && has_latin_letter(word))
}

fn has_latin_letter(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_alphabetic())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c <= '\u{a0}');
    words.map(|word| word.trim_matches(['¡', '¿', '«', '»']))
}

/// Whether it is a letter of the Latin-1 Supplement.
fn is_accented(c: char) -> bool {
    c >= 'À'
}

/// Whether all non-ASCII letters are outside the Latin alphabet.
fn is_of_another_script(text: &str) -> bool {
    let is_latin = |c: char| c < '\u{370}' || ('\u{1e00}'..='\u{1eff}').contains(&c);
    let mut letters = text.chars().filter(|c| !c.is_ascii() && c.is_alphabetic()).peekable();
    letters.peek().is_some() && !letters.any(is_latin) && !text.contains(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(texts: &[&str]) -> Vec<String> {
        decode(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    /// These bytes as FFmpeg reads them from an ID3 frame that claims to be Latin-1.
    fn as_latin1(bytes: &[u8]) -> String {
        bytes.iter().copied().map(char::from).collect()
    }

    /// A text in some code pages, byte by byte.
    const CODE_PAGES: [(&str, &[u8]); 6] = [
        ("Кино – Группа крови", b"\xca\xe8\xed\xee \x96 \xc3\xf0\xf3\xef\xef\xe0 \xea\xf0\xee\xe2\xe8"),
        ("Группа крови", b"\xe7\xd2\xd5\xd0\xd0\xc1 \xcb\xd2\xcf\xd7\xc9"),
        ("Καλημέρα κόσμε", b"\xca\xe1\xeb\xe7\xec\xdd\xf1\xe1 \xea\xfc\xf3\xec\xe5"),
        ("שלום עולם", b"\xf9\xec\xe5\xed \xf2\xe5\xec\xed"),
        ("月亮代表我的心", b"\xd4\xc2\xc1\xc1\xb4\xfa\xb1\xed\xce\xd2\xb5\xc4\xd0\xc4"),
        ("こんにちは世界", b"\x82\xb1\x82\xf1\x82\xc9\x82\xbf\x82\xcd\x90\xa2\x8a\x45"),
    ];

    #[test]
    fn a_code_page_is_read_as_bytes_and_where_it_was_taken_for_latin1() {
        for (text, bytes) in CODE_PAGES {
            assert_eq!(decoded(&[&valid_json(bytes)]), [text]);
            assert_eq!(decoded(&[&as_latin1(bytes)]), [text]);
        }
    }

    #[test]
    fn short_titles_are_guessed_with_their_files_other_texts() {
        let [title, artist, album] =
            [&b"\xcc\xfb"[..], b"\xca\xe8\xed\xee", b"\xc3\xf0\xf3\xef\xef\xe0 \xea\xf0\xee\xe2\xe8"];
        let marked = [title, artist, album].map(valid_json);
        let marked: Vec<&str> = marked.iter().map(String::as_str).collect();
        assert_eq!(decoded(&marked), ["Мы", "Кино", "Группа крови"]);
        let latin = [title, artist, album].map(as_latin1);
        let latin: Vec<&str> = latin.iter().map(String::as_str).collect();
        assert_eq!(decoded(&latin), ["Мы", "Кино", "Группа крови"]);
        assert_eq!(decoded(&[latin[1], "Café"]), ["Кино", "Café"]);
    }

    const LATIN_WORDS: &[&str] = &[
        "Größe",
        "Café",
        "Ångström",
        "ÇA VA",
        "Été",
        "Été 67",
        "ÉTÉ",
        "Où",
        "À",
        "À la carte",
        "Çà et là",
        "Øå",
        "Ö",
        "ÄÖÜ",
        "ÄÖÜß äöü",
        "åäö",
        "ÆØÅ",
        "Æðey",
        "Þýðing",
        "Ógæfa",
        "Œuvre",
        "Île",
        "«Été»",
        "¿Qué?",
        "¡Olé!",
        "¿Él?",
        "ñandú",
        "São João",
        "coração",
        "Über",
        "Ærø",
        "Sigur Rós",
        "Ágætis byrjun",
        "Motörhead",
        "Blue Öyster Cult",
        "50°",
        "°C",
        "Nº 5",
        "3×4",
        "½",
        "© 2020 Ärzte",
        "déjà-vu",
        "L'été",
        "Ça",
        "Mañana",
        "Ýmir",
        "NESCAFÉ®",
        "ÄÖÜß",
        "áéíóú",
        "ÞÐÆÖ",
        // Not real words, but bytes that look like Russian and Turkish.
        "Õö",
        "Íóý",
        "Ÿ",
        "it’s",
    ];

    #[test]
    fn latin_words_survive() {
        for text in LATIN_WORDS {
            assert_eq!(decoded(&[text]), [*text]);
            assert_eq!(decoded(&["Ada", text, "Rock"])[1], *text);
        }
    }

    #[test]
    fn windows_punctuation_is_no_control_code() {
        assert_eq!(decoded(&[&as_latin1(b"It\x92s \x96 caf\xe9")]), ["It’s – café"]);
    }

    #[test]
    fn utf8_is_known_though_it_was_taken_for_latin1_or_cut_off() {
        assert_eq!(decoded(&[&as_latin1("Größe ist Привет".as_bytes())]), ["Größe ist Привет"]);
        assert_eq!(decoded(&[&valid_json(b"Gr\xc3\xb6\xc3\x9fe \xc3")]), ["Größe "]);
        let damaged = [&b"\xff"[..], "Привет, мир".as_bytes()].concat();
        assert_eq!(decoded(&[&valid_json(&damaged)]), ["Привет, мир"]);
    }

    #[test]
    fn no_text_is_changed_by_its_way_through_json() {
        for text in ["Привет 🎵", "\u{f8ff}\u{10ff7f}", "\\ \" \u{fffd}"] {
            let json = valid_json(serde_json::to_string(text).unwrap().as_bytes());
            assert_eq!(decoded(&[&serde_json::from_str::<String>(&json).unwrap()]), [text]);
        }
        assert_eq!(bytes("\u{10ff41}\u{10ffcf}"), b"\xf4\x8f\xbd\x81\xcf");
        assert_eq!(valid_json("a\u{10ff80}\u{10ffff}".as_bytes()), "a\u{fffd}\u{fffd}");
        // A backslash is the second byte of the first character, and ffprobe writes it twice.
        let json = valid_json(b"{\"a\":\"\x83\\\\\x83\x74\x83\x67\"}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(decoded(&[value["a"].as_str().unwrap()]), ["ソフト"]);
    }
}

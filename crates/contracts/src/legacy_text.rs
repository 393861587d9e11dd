//! Text of unknown encoding, from clients and files older than UTF-8.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    EUC_KR, Encoding, ISO_8859_2, KOI8_U, SHIFT_JIS, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1254,
    WINDOWS_1257,
};

/// The most likely text of these bytes: UTF-8 if valid, otherwise the most likely code page.
///
/// Never fails: bytes without a meaning in that code page become U+FFFD. A longer text gives a better guess.
#[must_use]
pub fn decode_legacy_text(bytes: &[u8]) -> String {
    if let Ok(text) = str::from_utf8(bytes) {
        return text.to_owned();
    }
    let (text, _) = likely_encoding(bytes).decode_without_bom_handling(bytes);
    text.into_owned()
}

/// chardetng is made for pages. A name of a few letters can mislead it; then the shape of the words decides.
fn likely_encoding(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    if guess == EUC_KR && !is_common_korean(bytes) {
        return detector.guess(Some(b"cn"), Utf8Detection::Deny);
    }
    if guess.is_single_byte() && is_plain_japanese(bytes) {
        return SHIFT_JIS;
    }
    if MISTAKEN_FOR_1251.contains(&guess) && is_plain_russian(bytes) { WINDOWS_1251 } else { guess }
}

/// In these encodings, short Russian text reads as accented letters only, or with its case exchanged.
const MISTAKEN_FOR_1251: [&Encoding; 6] =
    [WINDOWS_1250, WINDOWS_1252, WINDOWS_1254, WINDOWS_1257, ISO_8859_2, KOI8_U];

/// The syllables that make up most of Korean text. Chinese text read as EUC-KR uses all 2350 instead.
const COMMON_SYLLABLES: &str = "가각간갈감강개거건것게겠경계고공과관광교구국군그글금기길김까나난날남내너년노녹는니다단달당대데도동드든들등\
    디라람래러레려로록료류를름리린마만말매면명모목무문물미민바박반발방배버번법변보복본부분불비사산상새생서선성세소속수\
    술스시식신실아안알양어언업에여연영예오온와요용우운울원위유은을음의이인일임입있자작장재저전정제조주준중지진집차참채처\
    천청체초최추출치카크타터테토통트파판평포표품프피하학한할함합해행현형호화회";

/// Whether at least every third syllable is a common one.
fn is_common_korean(bytes: &[u8]) -> bool {
    let (text, _) = EUC_KR.decode_without_bom_handling(bytes);
    let foreign = text.chars().filter(|c| !c.is_ascii()).count();
    text.chars().filter(|c| COMMON_SYLLABLES.contains(*c)).count() * 3 >= foreign
}

/// Whether everything beyond ASCII is kana or a common kanji, two of them side by side at least once.
///
/// A single one may be a curly quotation mark and the letter after it, as in "It’s".
fn is_plain_japanese(bytes: &[u8]) -> bool {
    let (mut rest, mut run, mut longest) = (bytes, 0, 0);
    while let [first, tail @ ..] = rest {
        rest = tail;
        if first.is_ascii() {
            run = 0;
            continue;
        }
        // The rows of kana and of the 2965 common kanji; beyond are the rare ones, and half-width katakana.
        let ([second, tail @ ..], 0x81..=0x84 | 0x88..=0x98) = (rest, first) else { return false };
        if SHIFT_JIS.decode_without_bom_handling_and_without_replacement(&[*first, *second]).is_none() {
            return false;
        }
        rest = tail;
        run += 1;
        longest = longest.max(run);
    }
    longest >= 2
}

/// Whether every word beyond ASCII is Russian in lower case or with a capital, and one of them has three
/// letters.
fn is_plain_russian(bytes: &[u8]) -> bool {
    let (text, _) = WINDOWS_1251.decode_without_bom_handling(bytes);
    let is_small = |c: char| matches!(c, 'а'..='я' | 'ё');
    let is_russian = |word: &str| {
        let mut letters = word.chars();
        letters.next().is_some_and(|c| is_small(c) || matches!(c, 'А'..='Я' | 'Ё')) && letters.all(is_small)
    };
    let words = || text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_ascii());
    words().any(|word| word.chars().count() >= 3) && words().all(is_russian)
}

#[cfg(test)]
mod tests {
    use encoding_rs::{BIG5, EUC_JP, GBK, IBM866, KOI8_R};

    use super::*;

    fn assert_is_read(encoding: &'static Encoding, texts: &[&str]) {
        for text in texts {
            let (bytes, _, is_lossy) = encoding.encode(text);
            assert!(!is_lossy, "{text} cannot be written in {}", encoding.name());
            assert_eq!(decode_legacy_text(&bytes), *text, "{}", encoding.name());
        }
    }

    #[test]
    fn valid_utf_8_is_left_as_it_is() {
        for text in ["", "talk.mp4", "Größe 😀.mp4", "ÃŸ", "\u{feff}a", "a\0b"] {
            assert_eq!(decode_legacy_text(text.as_bytes()), text);
        }
    }

    #[test]
    fn short_names_of_old_code_pages_are_read() {
        let western = ["Größe.mp4", "ü.mp4", "Café", "ÇA VA.mp4", "Ångström", "It’s.mp4", "Don’t – go.mp4"];
        assert_is_read(WINDOWS_1252, &western);
        assert_is_read(WINDOWS_1250, &["Łódź.mp4", "Zażółć gęślą jaźń.mp4", "Český.mp4"]);
        assert_is_read(
            WINDOWS_1251,
            &["Привет.avi", "видео.mp4", "Мама.avi", "Урок 1.mp4", "Ёлка", "ТЕСТ.mp4"],
        );
        assert_is_read(KOI8_R, &["Привет.avi", "Видео.mp4"]);
        assert_is_read(IBM866, &["Привет.avi", "Видео.mp4"]);
        assert_is_read(GBK, &["测试.mp4", "你好.mp4", "我的视频.mp4", "会议记录 2023.mp4", "音乐"]);
        assert_is_read(BIG5, &["影片.mp4", "會議記錄.mp4", "台灣.mp4"]);
        assert_is_read(SHIFT_JIS, &["日本語.mp4", "東京", "テスト動画.mp4", "さくら.mp4", "運動会2019.mp4"]);
        assert_is_read(EUC_JP, &["日本語.mp4", "テスト.mp4"]);
        assert_is_read(EUC_KR, &["한국어.mp4", "테스트.mp4", "동영상.mp4", "김치찌개.mp4", "강의"]);
    }

    #[test]
    fn bytes_that_are_no_text_become_some_text() {
        for byte in 0x80..=0xff_u8 {
            for bytes in [&[byte][..], &[b'a', byte], &[byte, 0], &[byte, 0xff, byte]] {
                assert!(!decode_legacy_text(bytes).is_empty());
            }
        }
    }
}

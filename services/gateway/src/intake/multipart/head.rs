//! The head of a part, as clients write it: quotation marks and line breaks in names as `%22`, `%0D` and
//! `%0A` (WHATWG HTML, "multipart form data"), or with backslashes, or as they are; text as UTF-8 or in a
//! code page.

use contracts::decode_legacy_text;
use percent_encoding::percent_decode;

use super::MultipartError;

/// The text that separates the parts of a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Boundary(String);

impl Boundary {
    /// The boundary that a `Content-Type` names; `None` if the type is not that of a form, or the boundary is
    /// invalid (RFC 2046, section 5.1.1).
    pub(crate) fn of(content_type: &[u8]) -> Option<Self> {
        const MAX_BYTES: usize = 70;
        let kind = content_type.split(|byte| *byte == b';').next()?;
        if !kind.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data") {
            return None;
        }
        let boundary = String::from_utf8(parameter(content_type, "boundary").ok()??).ok()?;
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=? ".contains(c);
        let is_boundary = (1..=MAX_BYTES).contains(&boundary.len())
            && boundary.chars().all(is_allowed)
            && !boundary.ends_with(' ');
        is_boundary.then_some(Self(boundary))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The content of a part's head.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The field's name.
    pub(crate) name: String,
    /// The file's name, as it was before the client encoded it for the head; `None` if the part is not a
    /// file.
    pub(crate) file_name: Option<String>,
    /// The file's media type, if it looks like one.
    pub(crate) content_type: Option<String>,
}

impl Part {
    pub(super) fn parse(head: &[u8]) -> Result<Self, MultipartError> {
        let disposition = field(head, "content-disposition").unwrap_or_default();
        let name = parameter(disposition, "name")?.unwrap_or_default();
        let extended = parameter(disposition, "filename*")?.and_then(|value| extended_text(&value));
        let file_name = match extended {
            Some(name) => Some(name),
            None => parameter(disposition, "filename")?.map(|name| form_text(&name)),
        };
        let content_type = field(head, "content-type").and_then(|value| str::from_utf8(value).ok());
        // RFC 6838, section 4.2: two names of 127 characters.
        let is_media_type = |text: &&str| {
            text.len() <= 255 && text.contains('/') && text.chars().all(|c| matches!(c, ' '..='~'))
        };
        let content_type = content_type.filter(is_media_type).map(str::to_owned);
        Ok(Self { name: form_text(&name), file_name, content_type })
    }
}

/// The value of a head's field.
fn field<'a>(head: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let starts = field_starts(head);
    let ends = starts.iter().skip(1).copied().chain([head.len()]);
    let mut fields = starts.iter().zip(ends).map(|(start, end)| &head[*start..end]);
    fields.find_map(|field| {
        let name = field_name(field)?;
        name.eq_ignore_ascii_case(wanted.as_bytes()).then(|| field[name.len() + 1..].trim_ascii())
    })
}

/// The positions where fields begin. A line that begins no field continues the field before it: names may
/// contain line breaks.
fn field_starts(head: &[u8]) -> Vec<usize> {
    let (mut starts, mut start, mut is_quoting) = (Vec::new(), 0, false);
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let name = field_name(line).unwrap_or_default();
        // Within quotation marks only a `content-` field certainly begins one: a name may contain a colon
        // too, or end in a backslash.
        let is_field = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"));
        if is_field || !is_quoting && !name.is_empty() {
            starts.push(start);
            is_quoting = false;
        }
        is_quoting ^= closing_marks(line).count() % 2 == 1;
        start += line.len();
    }
    starts
}

/// The text before a line's colon, if it can be a field's name.
fn field_name(line: &[u8]) -> Option<&[u8]> {
    let name = &line[..line.iter().position(|byte| *byte == b':')?];
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    name.iter().all(is_allowed).then_some(name)
}

/// The value of a parameter, as in `form-data; name="file"; filename="a.mp4"`.
fn parameter(field: &[u8], wanted: &str) -> Result<Option<Vec<u8>>, MultipartError> {
    let mut rest = field;
    while let Some(semicolon) = rest.iter().position(|byte| *byte == b';') {
        rest = &rest[semicolon + 1..];
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'=' | b';')) else { break };
        if rest[end] == b';' {
            continue;
        }
        let name = rest[..end].trim_ascii();
        rest = rest[end + 1..].trim_ascii_start();
        let value = match rest {
            [b'"', text @ ..] => {
                let end = closing_quote(text).ok_or(OPEN_QUOTE)?;
                rest = &text[end + 1..];
                unescaped(&text[..end])
            }
            text => {
                let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
                rest = &text[end..];
                text[..end].trim_ascii().to_vec()
            }
        };
        if name.eq_ignore_ascii_case(wanted.as_bytes()) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

const OPEN_QUOTE: MultipartError = MultipartError::Malformed(
    "A quotation mark in the head of a part is not closed. Line breaks in names are sent as %0D%0A.",
);

/// Where a quoted text ends: at a quotation mark with nothing or a semicolon after it, since old clients do
/// not escape quotation marks in a name.
///
/// If every such mark has a backslash before it, the text ends at the last quotation mark: browsers do not
/// escape with backslashes, and in Shift-JIS a backslash can be the second byte of a character.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let ends_a_value = |place: &usize| matches!(text[place + 1..].trim_ascii_start(), [] | [b';', ..]);
    closing_marks(text).find(ends_a_value).or_else(|| text.iter().rposition(|byte| *byte == b'"'))
}

/// The quotation marks that have no backslash before them.
fn closing_marks(text: &[u8]) -> impl Iterator<Item = usize> {
    let mut is_escaped = false;
    text.iter().enumerate().filter_map(move |(place, byte)| {
        let closes = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        closes.then_some(place)
    })
}

/// Removes the backslashes before quotation marks and backslashes. Other backslashes belong to a path, or are
/// half of a character.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut rest = text.iter().copied().peekable();
    let mut unescaped = Vec::with_capacity(text.len());
    while let Some(byte) = rest.next() {
        let escaped = if byte == b'\\' { rest.next_if(|next| matches!(next, b'"' | b'\\')) } else { None };
        unescaped.push(escaped.unwrap_or(byte));
    }
    unescaped
}

/// A name as it was before the client encoded it. Other percent signs belong to the name.
fn form_text(value: &[u8]) -> String {
    decode_legacy_text(value).replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

/// The text of an extended value, as in `UTF-8'en'%C3%9Cbung.mp4` (RFC 8187).
fn extended_text(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (charset, _, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes: Vec<u8> = percent_decode(encoded).collect();
    let is_latin_1 = charset.eq_ignore_ascii_case(b"iso-8859-1");
    Some(if is_latin_1 { bytes.into_iter().map(char::from).collect() } else { decode_legacy_text(&bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(disposition: &[u8]) -> Part {
        let head =
            [b"\r\nContent-Disposition: form-data; ", disposition, b"\r\nContent-Type: video/mp4"].concat();
        Part::parse(&head).unwrap()
    }

    fn file_name(disposition: &[u8]) -> String {
        let part = part(&[b"name=\"file\"; ", disposition].concat());
        assert_eq!((&*part.name, part.content_type.as_deref()), ("file", Some("video/mp4")));
        part.file_name.unwrap()
    }

    #[test]
    fn a_head_names_the_field_the_file_and_its_type() {
        let file = part(b"name=\"file\"; filename=\"a.mp4\"");
        assert_eq!((&*file.name, file.file_name.as_deref()), ("file", Some("a.mp4")));
        assert_eq!(file.content_type.as_deref(), Some("video/mp4"));
        assert_eq!(part(b"NAME = file ;FileName=a b.mp4").file_name.as_deref(), Some("a b.mp4"));
        assert_eq!(part(b"name=title").file_name, None);
        assert_eq!(part(b"name=file; filename=\"\"").file_name.as_deref(), Some(""));
        assert_eq!(part(b"name=\"a; filename=b\"").file_name, None);
        let odd = Part::parse(b"\r\nX: 1\r\ncontent-type: \xff/\r\nCONTENT-DISPOSITION:form-data;name=a;;x")
            .unwrap();
        assert_eq!(odd, Part { name: "a".to_owned(), ..Part::default() });
        assert_eq!(Part::parse(b"").unwrap(), Part::default());
    }

    #[test]
    fn quotation_marks_are_read_as_browsers_and_old_clients_send_them() {
        assert_eq!(file_name(b"filename=\"a%22b%22.mp4\""), "a\"b\".mp4");
        assert_eq!(file_name(b"filename=\"a\\\"b\\\".mp4\""), "a\"b\".mp4");
        assert_eq!(file_name(b"filename=\"a\\\\b.mp4\""), "a\\b.mp4");
        assert_eq!(file_name(b"filename=\"C:\\videos\\talk.mp4\""), "C:\\videos\\talk.mp4");
        assert_eq!(file_name(b"filename=\"folder\\\""), "folder\\");
        assert_eq!(file_name(b"filename=\"a \"b\" c.mp4\" ; x=\"y\""), "a \"b\" c.mp4");
        assert_eq!(file_name(b"filename=\"a;b=c.mp4\""), "a;b=c.mp4");
    }

    #[test]
    fn no_other_percent_sign_is_unescaped() {
        assert_eq!(file_name(b"filename=\"100%25.mp4\""), "100%25.mp4");
        assert_eq!(file_name(b"filename=\"%C3%9C %41 %2522 %0d.mp4\""), "%C3%9C %41 %2522 %0d.mp4");
    }

    #[test]
    fn line_breaks_in_names_are_read_escaped_or_as_they_are() {
        assert_eq!(file_name(b"filename=\"a%0D%0Ab.mp4\""), "a\r\nb.mp4");
        for name in ["a\nb.mp4", "a\r\nb.mp4", "a\rb.mp4", "a\nb: c.mp4", "a\r\n\tb.mp4"] {
            assert_eq!(file_name(format!("filename=\"{name}\"").as_bytes()), name);
        }
        // The empty line within the name has ended the head.
        let error =
            Part::parse(b"\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a").unwrap_err();
        assert!(matches!(error, MultipartError::Malformed(_)), "{error}");
    }

    #[test]
    fn names_in_a_code_page_become_text() {
        assert_eq!(file_name(b"filename=\"Gr\xf6\xdfe.mp4\""), "Größe.mp4");
        assert_eq!(file_name(b"filename=\"\xb2\xe2\xca\xd4.mp4\""), "测试.mp4");
        // The second byte of these characters is a backslash.
        assert_eq!(file_name(b"filename=\"\x83\x5c\x83\x74\x83\x67\x95\x5c.mp4\""), "ソフト表.mp4");
        assert_eq!(file_name(b"filename=\"\x93\xfa\x96\x7b\x83\x5c\""), "日本ソ");
        assert_eq!(file_name("filename=\"Größe 😀.mp4\"".as_bytes()), "Größe 😀.mp4");
    }

    #[test]
    fn an_extended_name_goes_before_the_plain_one() {
        assert_eq!(file_name(b"filename=\"_.mp4\"; filename*=UTF-8''%C3%9Cbung%20%22.mp4"), "Übung \".mp4");
        assert_eq!(file_name(b"filename*=utf-8'de'%e6%97%a5.mp4; filename=a"), "日.mp4");
        assert_eq!(file_name(b"filename*=ISO-8859-1''%A3.mp4"), "£.mp4");
        assert_eq!(file_name(b"filename=\"a.mp4\"; filename*=nonsense"), "a.mp4");
    }

    #[test]
    fn a_boundary_has_1_to_70_characters_that_are_allowed() {
        let boundary = |content_type: &str| Boundary::of(content_type.as_bytes()).map(|boundary| boundary.0);
        for (content_type, expected) in [
            ("multipart/form-data; boundary=----x", "----x"),
            ("Multipart/Form-Data;charset=utf-8;BOUNDARY=\"a b:c\"; x=y", "a b:c"),
            ("multipart/form-data; boundary==_Part_1.2/3?", "=_Part_1.2/3?"),
            (&format!("multipart/form-data; boundary={}", "a".repeat(70)), &*"a".repeat(70)),
        ] {
            assert_eq!(boundary(content_type).as_deref(), Some(expected), "{content_type}");
        }
        for content_type in [
            "",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"\"",
            "multipart/form-data; boundary=\"a",
            "multipart/form-data; boundary=\"a \"",
            "multipart/form-data; boundary=ä",
            "multipart/form-data; boundary=\"a\\\"b\"",
            "multipart/mixed; boundary=a",
            "text/plain; boundary=a",
            &format!("multipart/form-data; boundary={}", "a".repeat(71)),
        ] {
            assert_eq!(boundary(content_type), None, "{content_type}");
        }
    }
}

//! Writes the ID3v2.4 tag in front of an MP3's frames (<https://id3.org/id3v2.4.0-frames> and
//! <https://id3.org/id3v2-chapters-1.0>).

use id3::frame::{self, Comment, Lyrics, Picture, PictureType, TableOfContents};
use id3::{Encoder, Frame, Tag, TagLike as _};

use super::Description;
use super::names::Name;

/// The longest tag, picture included. Players read all of it before they start.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Frames with one text each. FFmpeg reads a performer as a conductor and vice versa, but there is no better
/// frame.
const TEXTS: [(Name, &str); 13] = [
    (Name::Title, "TIT2"),
    (Name::Artist, "TPE1"),
    (Name::Album, "TALB"),
    (Name::AlbumArtist, "TPE2"),
    (Name::Composer, "TCOM"),
    (Name::Performer, "TPE3"),
    (Name::Date, "TDRC"),
    (Name::Genre, "TCON"),
    (Name::Track, "TRCK"),
    (Name::Disc, "TPOS"),
    (Name::Publisher, "TPUB"),
    (Name::Copyright, "TCOP"),
    (Name::Language, "TLAN"),
];

/// The language of comments and lyrics. It is mandatory, and some players show only English ones.
const LANGUAGE: &str = "eng";

/// A table of contents counts its entries in one byte.
const MAX_ENTRIES: usize = 250;

/// An upper limit for a picture frame's own bytes.
const FRAME_BYTES: usize = 1024;

/// "Unknown": readers use the times instead.
const NO_OFFSET: u32 = u32::MAX;

impl Description {
    /// The tag, with this JPEG as its front cover. Empty if there is nothing to say.
    pub(crate) fn id3(&self, cover: Option<&[u8]>) -> Vec<u8> {
        let mut tag = Tag::new();
        for (name, id) in TEXTS {
            if let Some(text) = self.text(name) {
                tag.add_frame(Frame::text(
                    id,
                    if name == Name::Date { timestamp(text) } else { text.to_owned() },
                ));
            }
        }
        let (lang, description) = (LANGUAGE.to_owned(), String::new());
        if let Some(text) = self.text(Name::Comment).map(str::to_owned) {
            tag.add_frame(Comment { lang: lang.clone(), description: description.clone(), text });
        }
        if let Some(text) = self.text(Name::Lyrics).map(str::to_owned) {
            tag.add_frame(Lyrics { lang, description, text });
        }
        self.add_chapter_frames(&mut tag);
        let without_cover = encoded(&tag);
        let Some(data) = cover.filter(|jpeg| without_cover.len() + jpeg.len() + FRAME_BYTES < MAX_BYTES)
        else {
            return without_cover;
        };
        tag.add_frame(Picture {
            mime_type: "image/jpeg".to_owned(),
            picture_type: PictureType::CoverFront,
            description: String::new(),
            data: data.to_vec(),
        });
        encoded(&tag)
    }

    /// Adds the chapters and their table of contents. Some players show no chapters without the table. Many
    /// chapters are divided among several tables below a top one.
    fn add_chapter_frames(&self, tag: &mut Tag) {
        let mut elements = Vec::new();
        for (start_time, end_time, title) in self.chapters_in_milliseconds() {
            let element_id = format!("chp{}", elements.len());
            elements.push(element_id.clone());
            let title = title.map(|title| Frame::text("TIT2", title));
            tag.add_frame(frame::Chapter {
                element_id,
                start_time,
                end_time,
                start_offset: NO_OFFSET,
                end_offset: NO_OFFSET,
                frames: title.into_iter().collect(),
            });
        }
        if elements.len() > MAX_ENTRIES {
            let parts: Vec<_> = elements
                .chunks(MAX_ENTRIES)
                .enumerate()
                .map(|(number, part)| {
                    tag.add_frame(table(format!("toc{number}"), part.to_vec(), false));
                    format!("toc{number}")
                })
                .collect();
            elements = parts;
        }
        if !elements.is_empty() {
            tag.add_frame(table("toc".to_owned(), elements, true));
        }
    }
}

fn table(element_id: String, elements: Vec<String>, top_level: bool) -> TableOfContents {
    TableOfContents { element_id, top_level, ordered: true, elements, frames: Vec::new() }
}

fn encoded(tag: &Tag) -> Vec<u8> {
    let mut bytes = Vec::new();
    if tag.frames().next().is_some() && Encoder::new().encode(tag, &mut bytes).is_err() {
        // A frame cannot be written. The audio is kept without its titles.
        bytes.clear();
    }
    bytes
}

/// A date in ID3's form. Web videos have dates without hyphens.
fn timestamp(date: &str) -> String {
    match date.as_bytes() {
        [_, _, _, _, _, _, _, _] if date.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])
        }
        _ => date.to_owned(),
    }
}

//! The part of a source's description that is kept: a closed list of names. Everything else is dropped, so
//! that no place, device or person gets into an audio file under an unexpected name.

mod chapters;
mod code_pages;
mod ffmetadata;
mod id3;
mod names;
mod pictures;
mod texts;
#[cfg(test)]
mod written;

use std::collections::BTreeMap;

use contracts::{ConversionOptions, Metadata};

pub(crate) use self::chapters::Chapter;
pub(crate) use self::code_pages::valid_json;
use self::names::{Name, Rank};
pub(crate) use self::pictures::{PictureStream, SQUARE_PIXELS, cover_of};

/// Titles, names and chapters for the audio file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Description {
    texts: BTreeMap<Name, String>,
    chapters: Vec<Chapter>,
}

/// A tag whose name is kept.
#[derive(Debug)]
struct Candidate {
    name: Name,
    /// Whether files of this kind normally have their titles elsewhere.
    is_second_choice: bool,
    rank: Rank,
    text: String,
}

impl Description {
    /// The kept tags of a file and of its chosen audio stream, and its chapters on the file's clock.
    ///
    /// The texts may contain bytes of old code pages, as [`valid_json`] marked them.
    pub(crate) fn of(
        format_name: &str,
        format_tags: &[(String, String)],
        stream_tags: &[(String, String)],
        chapters: Vec<Chapter>,
    ) -> Self {
        // Ogg stores titles in its streams. Elsewhere a stream's own title is a text such as "Stereo".
        let streams_have_titles = format_name == "ogg";
        let of_format = candidates(format_tags, streams_have_titles);
        let mut of_stream = candidates(stream_tags, !streams_have_titles);
        if !streams_have_titles {
            of_stream.retain(|candidate| !matches!(candidate.name, Name::Title | Name::Comment));
        }
        let candidates: Vec<Candidate> = of_format.into_iter().chain(of_stream).collect();
        let (candidates, chapters) = decoded(candidates, chapters);
        Self { texts: best(candidates), chapters: chapters::cleaned(chapters) }
    }

    /// The description with the upload's texts in place of the source's. The source's texts are dropped if
    /// the options say so.
    pub(crate) fn with_options(self, options: &ConversionOptions) -> Self {
        let mut description = match options.metadata {
            Metadata::Keep => self,
            Metadata::Strip => Self::default(),
        };
        let given =
            [(Name::Title, &options.title), (Name::Artist, &options.artist), (Name::Album, &options.album)];
        for (name, text) in given {
            if let Some(text) = text {
                description.texts.insert(name, text.as_str().to_owned());
            }
        }
        description
    }

    fn text(&self, name: Name) -> Option<&str> {
        self.texts.get(&name).map(String::as_str)
    }
}

fn candidates(tags: &[(String, String)], is_second_choice: bool) -> Vec<Candidate> {
    let candidate = |(key, text): &(String, String)| {
        let (name, rank) = names::recognise(key)?;
        Some(Candidate { name, is_second_choice, rank, text: text.clone() })
    };
    tags.iter().filter_map(candidate).collect()
}

/// All texts of one file have the same code page, and a longer text makes a better guess.
fn decoded(candidates: Vec<Candidate>, chapters: Vec<Chapter>) -> (Vec<Candidate>, Vec<Chapter>) {
    let of_tags = candidates.iter().map(|candidate| candidate.text.clone());
    let of_chapters = chapters.iter().filter_map(|chapter| chapter.title.clone());
    let mut texts = code_pages::decode(of_tags.chain(of_chapters).collect()).into_iter();
    let candidates = candidates.into_iter().zip(&mut texts);
    let candidates = candidates.map(|(candidate, text)| Candidate { text, ..candidate }).collect();
    let chapters = chapters.into_iter();
    let chapters =
        chapters.map(|chapter| Chapter { title: chapter.title.and_then(|_| texts.next()), ..chapter });
    (candidates, chapters.collect())
}

/// The best candidate for each name.
fn best(mut candidates: Vec<Candidate>) -> BTreeMap<Name, String> {
    candidates.sort_by_key(|candidate| (candidate.is_second_choice, candidate.rank));
    let mut found = BTreeMap::new();
    for Candidate { name, text, .. } in candidates {
        if let Some(text) = texts::cleaned(&text, name.max_bytes()) {
            found.entry(name).or_insert(text);
        }
    }
    for (number, total) in [(Name::Track, Name::TrackTotal), (Name::Disc, Name::DiscTotal)] {
        let Some(total) = found.remove(&total) else { continue };
        if let Some(number) = found.get_mut(&number).filter(|number| !number.contains('/')) {
            *number = format!("{number}/{total}");
        }
    }
    if found.get(&Name::Language).is_some_and(|language| names::says_nothing(language)) {
        found.remove(&Name::Language);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(tags: &[(&str, &str)]) -> Vec<(String, String)> {
        tags.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
    }

    fn of(format: &str, format_tags: &[(&str, &str)], stream_tags: &[(&str, &str)]) -> Description {
        Description::of(format, &tags(format_tags), &tags(stream_tags), Vec::new())
    }

    fn texts(description: &Description) -> Vec<(Name, &str)> {
        description.texts.iter().map(|(name, text)| (*name, text.as_str())).collect()
    }

    #[test]
    fn titles_come_from_the_stream_in_ogg_and_from_the_file_elsewhere() {
        let stream = [("title", "Stereo"), ("ARTIST", "Ada"), ("language", "deu"), ("comment", "Commentary")];
        let ogg = of("ogg", &[("title", "File"), ("album", "Album")], &stream);
        assert_eq!(
            texts(&ogg),
            [
                (Name::Title, "Stereo"),
                (Name::Artist, "Ada"),
                (Name::Album, "Album"),
                (Name::Language, "deu"),
                (Name::Comment, "Commentary")
            ]
        );
        let matroska = of("matroska,webm", &[("artist", "File")], &stream);
        assert_eq!(texts(&matroska), [(Name::Artist, "File"), (Name::Language, "deu")]);
    }

    #[test]
    fn the_best_spelling_wins_in_any_order() {
        for keys in [["title-eng", "title"], ["title", "title-eng"]] {
            let two = of("mov", &keys.map(|key| (key, if key == "title" { "A" } else { "B" })), &[]);
            assert_eq!(texts(&two), [(Name::Title, "A")]);
        }
        let three =
            of("mp4", &[("YEAR", "1999"), ("description", "D"), ("comment-eng", "C"), ("date", "2000")], &[]);
        assert_eq!(texts(&three), [(Name::Date, "2000"), (Name::Comment, "C")]);
    }

    #[test]
    fn a_number_and_its_total_become_one_text() {
        let split =
            of("flac", &[("TRACKTOTAL", "12"), ("track", "3"), ("disc", "1/2"), ("TOTALDISCS", "4")], &[]);
        assert_eq!(texts(&split), [(Name::Track, "3/12"), (Name::Disc, "1/2")]);
        assert_eq!(texts(&of("flac", &[("TRACKTOTAL", "12")], &[])), []);
    }

    #[test]
    fn a_place_or_nothing_gives_way_to_another_text() {
        let file = of(
            "mov",
            &[("comment", "+48.1234+016.2345/"), ("description", "D"), ("title", " ")],
            &[("language", "und")],
        );
        assert_eq!(texts(&file), [(Name::Comment, "D")]);
    }

    #[test]
    fn a_files_texts_are_decoded_together_with_its_chapters() {
        let marked = |bytes: &[u8]| valid_json(bytes);
        let format =
            [("title".to_owned(), marked(b"\xca\xe8\xed\xee")), ("album".to_owned(), "Ok".to_owned())];
        let title = Some(marked(b"\xc3\xf0\xf3\xef\xef\xe0 \xea\xf0\xee\xe2\xe8"));
        let chapters = vec![
            Chapter { start_seconds: 5.0, end_seconds: 6.0, title: None },
            Chapter { start_seconds: 0.0, end_seconds: 5.0, title },
        ];
        let description = Description::of("wav", &format, &[], chapters);
        assert_eq!(texts(&description), [(Name::Title, "Кино"), (Name::Album, "Ok")]);
        let titles: Vec<_> = description.chapters.iter().map(|chapter| chapter.title.as_deref()).collect();
        assert_eq!(titles, [Some("Группа крови"), None]);
    }

    #[test]
    fn an_uploads_texts_replace_the_sources() {
        let source = || of("mp4", &[("title", "A"), ("genre", "Rock")], &[]);
        let options = |fields: &[(&str, &str)]| ConversionOptions::parse(fields.iter().copied()).unwrap();
        let kept = source().with_options(&options(&[("title", "Mine"), ("artist", "Me")]));
        assert_eq!(texts(&kept), [(Name::Title, "Mine"), (Name::Artist, "Me"), (Name::Genre, "Rock")]);
        let stripped = source().with_options(&options(&[("metadata", "strip"), ("album", "Mine")]));
        assert_eq!(texts(&stripped), [(Name::Album, "Mine")]);
    }
}

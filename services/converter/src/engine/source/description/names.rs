//! The tag names that are kept, in all spellings that ffprobe shows.

/// The meaning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Title,
    Artist,
    Album,
    AlbumArtist,
    Composer,
    Performer,
    Date,
    Genre,
    Track,
    /// The number of tracks. It is later written after the track's number.
    TrackTotal,
    Disc,
    /// The number of discs, likewise.
    DiscTotal,
    Publisher,
    Copyright,
    Language,
    Comment,
    Lyrics,
}

/// The rank of a tag's spelling. Of several texts for one name, the lowest rank wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// The spelling's place in the list.
    place: usize,
    /// Whether it is for one language, such as `title-eng`.
    has_language: bool,
}

/// Spellings in lower case without spaces, hyphens and underscores, the best ones first: those of ID3 in
/// FFmpeg's translation, Vorbis comments, MP4 and MOV, Matroska, RIFF, APE and ASF. `wmtrack` is missing on
/// purpose: it counts from 0.
const SPELLINGS: [(Name, &[&str]); 17] = [
    (Name::Title, &["title"]),
    (Name::Artist, &["artist", "wmauthor", "author"]),
    (Name::Album, &["album", "wmalbumtitle", "albumtitle"]),
    (Name::AlbumArtist, &["albumartist", "wmalbumartist"]),
    (Name::Composer, &["composer", "wmcomposer", "imus"]),
    (Name::Performer, &["performer", "leadperformer", "conductor", "wmconductor"]),
    (Name::Date, &["date", "datereleased", "daterelease", "releasedate", "year", "wmyear", "daterecorded"]),
    (Name::Genre, &["genre", "wmgenre"]),
    (Name::Track, &["track", "tracknumber", "wmtracknumber", "partnumber", "itrk"]),
    (Name::TrackTotal, &["tracktotal", "totaltracks", "totalparts"]),
    (Name::Disc, &["disc", "discnumber", "disk", "disknumber", "wmpartofset"]),
    (Name::DiscTotal, &["disctotal", "totaldiscs", "disktotal"]),
    (Name::Publisher, &["publisher", "wmpublisher", "label", "organization"]),
    (Name::Copyright, &["copyright", "wmcopyright"]),
    (Name::Language, &["language", "wmlanguage"]),
    (Name::Comment, &["comment", "description", "synopsis", "summary", "information"]),
    (Name::Lyrics, &["lyrics", "unsyncedlyrics", "unsynchronisedlyrics", "unsynchronizedlyrics", "wmlyrics"]),
];

/// The prefix of MOV's names.
const QUICKTIME: &str = "com.apple.quicktime.";

/// The name for a tag's key. `None`: the tag is not kept.
pub(super) fn recognise(key: &str) -> Option<(Name, Rank)> {
    let key = key.to_ascii_lowercase();
    let key = key.strip_prefix(QUICKTIME).unwrap_or(&key);
    if let Some((name, place)) = spelled(key) {
        return Some((name, Rank { place, has_language: false }));
    }
    // As in `comment-eng`, and in `lyrics-Description-eng` of ID3.
    let (key, _) = key.rsplit_once('-').filter(|(_, language)| is_language(language))?;
    let (name, place) = spelled(key.split_once('-').map_or(key, |(key, _)| key))?;
    Some((name, Rank { place, has_language: true }))
}

fn spelled(key: &str) -> Option<(Name, usize)> {
    // Rejects a tag below another one, such as Matroska's `TITLE/SORT_WITH`, but accepts `WM/AlbumTitle`.
    let spelling: String = key.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).collect();
    let spelling = spelling.replacen("wm/", "wm", 1);
    SPELLINGS.iter().find_map(|(name, spellings)| {
        let place = spellings.iter().position(|known| *known == spelling)?;
        Some((*name, place))
    })
}

/// Whether it is a code of ISO 639.
fn is_language(text: &str) -> bool {
    matches!(text.len(), 2 | 3) && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Whether it is in the place of a language but names none.
pub(super) fn says_nothing(language: &str) -> bool {
    ["und", "unk", "xxx", "zxx", "mis"].iter().any(|code| language.eq_ignore_ascii_case(code))
}

impl Name {
    /// The longest text in bytes. Lyrics and notes are long; all others are shown on one line.
    pub(super) fn max_bytes(self) -> usize {
        if self == Self::Lyrics { 64 * 1024 } else { super::texts::MAX_BYTES }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &str) -> Option<Name> {
        recognise(key).map(|(name, _)| name)
    }

    #[test]
    fn a_name_is_known_in_every_spelling() {
        for (key, expected) in [
            ("TITLE", Name::Title),
            ("title-eng", Name::Title),
            ("com.apple.quicktime.title", Name::Title),
            ("Album Artist", Name::AlbumArtist),
            ("album_artist", Name::AlbumArtist),
            ("ALBUMARTIST", Name::AlbumArtist),
            ("album-artist", Name::AlbumArtist),
            ("WM/AlbumTitle", Name::Album),
            ("DATE_RELEASED", Name::Date),
            ("YEAR", Name::Date),
            ("TRACKNUMBER", Name::Track),
            ("lyrics-XXX", Name::Lyrics),
            ("lyrics-Description-eng", Name::Lyrics),
            ("UNSYNCEDLYRICS", Name::Lyrics),
            ("comment-de", Name::Comment),
        ] {
            assert_eq!(name(key), Some(expected), "{key}");
        }
    }

    #[test]
    fn tags_that_do_not_describe_the_work_have_no_name() {
        for key in [
            "location",
            "location-eng",
            "com.apple.quicktime.location.ISO6709",
            "com.apple.quicktime.location.name",
            "com.apple.quicktime.make",
            "com.apple.quicktime.model",
            "com.apple.quicktime.software",
            "com.apple.quicktime.creationdate",
            "com.apple.quicktime.title.x",
            "com.android.manufacturer",
            "creation_time",
            "encoder",
            "encoded_by",
            "handler_name",
            "vendor_id",
            "REPLAYGAIN_TRACK_GAIN",
            "R128_TRACK_GAIN",
            "iTunSMPB",
            "iTunNORM",
            "TLEN",
            "DURATION",
            "DURATION-eng",
            "_STATISTICS_TAGS",
            "CUESHEET",
            "artist-sort",
            "TITLE/SORT_WITH",
            "WM/Track",
            "WM/AuthorURL",
            "ID3v1 Comment",
            "",
            "-eng",
        ] {
            assert_eq!(name(key), None, "{key}");
        }
    }
}

//! Tests that real programs read the written descriptions correctly.

use std::path::Path;
use std::process::Command;

use contracts::AudioFormat;
use id3::TagLike as _;
use serde_json::Value;
use tempfile::TempDir;

use super::names::Name;
use super::{Chapter, Description, SQUARE_PIXELS};

/// Texts that FFmpeg's format or another format could misread.
const NASTY: [&str; 8] = [
    "#=;\\",
    "ends with a backslash\\",
    "\\",
    "one\ntwo\\\n\n;three\n#four",
    "🎵 Größe = Привет; 月亮",
    "[CHAPTER]",
    ";FFMETADATA1\ntitle=x",
    "a 'quote' and \"another\" \\n \\\\",
];

const NAMES: [Name; 15] = [
    Name::Title,
    Name::Artist,
    Name::Album,
    Name::AlbumArtist,
    Name::Composer,
    Name::Performer,
    Name::Date,
    Name::Genre,
    Name::Track,
    Name::Disc,
    Name::Publisher,
    Name::Copyright,
    Name::Language,
    Name::Comment,
    Name::Lyrics,
];

/// A description with this text under each name that may have any text, and two chapters with gaps before and
/// between them.
fn described(text: &str) -> Description {
    let texts = NAMES.map(|name| {
        let text = match name {
            Name::Date => "2020-05-06",
            Name::Track => "3/12",
            Name::Disc => "1/2",
            Name::Language => "deu",
            _ => text,
        };
        (name, text.to_owned())
    });
    let chapter =
        |start_seconds, end_seconds| Chapter { start_seconds, end_seconds, title: Some(text.to_owned()) };
    Description { texts: texts.into(), chapters: vec![chapter(0.123, 1.0), chapter(1.456, 2.0)] }
}

struct Studio(TempDir);

impl Studio {
    fn new() -> Self {
        let studio = Self(TempDir::new().unwrap());
        studio.ffmpeg("-f lavfi -i sine=d=2 x.wav");
        studio.ffmpeg("-i x.wav -id3v2_version 0 -write_xing 0 -map_metadata -1 -fflags +bitexact x.mp3");
        studio
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn ffmpeg(&self, arguments: &str) {
        let arguments = ["-nostdin", "-v", "error", "-y"].into_iter().chain(arguments.split(' '));
        let status = Command::new("ffmpeg").args(arguments).current_dir(self.0.path()).status().unwrap();
        assert!(status.success());
    }

    /// Writes the description into a file of this format and reads it again.
    fn read(&self, description: &Description, format: AudioFormat) -> Description {
        let (options, name) = match format {
            AudioFormat::Mp3 => {
                let frames = std::fs::read(self.path("x.mp3")).unwrap();
                std::fs::write(self.path("y.mp3"), [description.id3(None), frames].concat()).unwrap();
                return probed(&self.path("y.mp3"));
            }
            AudioFormat::M4a => ("-map_metadata:s:a:0 1:s:0 -c:a aac -f ipod", "y.m4a"),
            AudioFormat::Opus => ("-c:a libopus", "y.opus"),
            AudioFormat::Flac => ("-c:a flac", "y.flac"),
            AudioFormat::Wav => ("-c:a pcm_s16le", "y.wav"),
        };
        std::fs::write(self.path("meta"), description.ffmetadata(format)).unwrap();
        self.ffmpeg(&format!(
            "-i x.wav -f ffmetadata -i meta -map 0:a -map_metadata 1 -map_chapters 1 {options} {name}"
        ));
        probed(&self.path(name))
    }
}

fn ffprobe(file: &Path) -> Value {
    let entries = "format=format_name:format_tags:stream_tags:chapters:chapter_tags";
    let answer = Command::new("ffprobe")
        .args(["-v", "error", "-show_chapters", "-show_entries", entries, "-of", "json=c=1:sv=ignore"])
        .arg(file)
        .output()
        .unwrap();
    assert!(answer.stderr.is_empty(), "{}", String::from_utf8_lossy(&answer.stderr));
    serde_json::from_str(&super::valid_json(&answer.stdout)).unwrap()
}

fn probed(file: &Path) -> Description {
    let answer = ffprobe(file);
    let tags = |tags: &Value| -> Vec<(String, String)> {
        let tags = tags.as_object().into_iter().flatten();
        tags.map(|(key, text)| (key.clone(), text.as_str().unwrap().to_owned())).collect()
    };
    let seconds = |time: &Value| time.as_str().unwrap().parse().unwrap();
    let chapters = answer["chapters"].as_array().unwrap().iter().map(|chapter| Chapter {
        start_seconds: seconds(&chapter["start_time"]),
        end_seconds: seconds(&chapter["end_time"]),
        title: chapter["tags"]["title"].as_str().map(str::to_owned),
    });
    Description::of(
        answer["format"]["format_name"].as_str().unwrap(),
        &tags(&answer["format"]["tags"]),
        &tags(&answer["streams"][0]["tags"]),
        chapters.collect(),
    )
}

#[test]
fn every_text_comes_out_of_every_format_as_it_went_in() {
    let studio = Studio::new();
    let has_no_place = |format, name| match format {
        AudioFormat::M4a => matches!(name, Name::Performer | Name::Publisher),
        AudioFormat::Wav => matches!(
            name,
            Name::AlbumArtist
                | Name::Composer
                | Name::Performer
                | Name::Disc
                | Name::Publisher
                | Name::Lyrics
        ),
        AudioFormat::Mp3 | AudioFormat::Opus | AudioFormat::Flac => false,
    };
    for text in NASTY {
        let description = described(text);
        for format in AudioFormat::ALL {
            let mut expected = description.texts.clone();
            expected.retain(|name, _| !has_no_place(format, *name));
            assert_eq!(studio.read(&description, format).texts, expected, "{format:?}");
        }
    }
    for format in AudioFormat::ALL {
        assert_eq!(studio.read(&Description::default(), format), Description::default(), "{format:?}");
    }
}

#[test]
fn chapters_come_out_of_every_format_that_has_any() {
    let studio = Studio::new();
    for text in NASTY {
        let description = described(text);
        for format in [AudioFormat::Mp3, AudioFormat::M4a, AudioFormat::Opus, AudioFormat::Flac] {
            let read = studio.read(&description, format);
            let starts = |description: &Description| -> Vec<_> {
                let chapters = description.chapters_in_milliseconds();
                chapters.map(|(start, _, title)| (start, title.map(str::to_owned))).collect()
            };
            let mut description = description.clone();
            if format == AudioFormat::M4a {
                // FFmpeg moves the first chapter of an M4A to 0.
                description.chapters[0].start_seconds = 0.0;
            }
            assert_eq!(starts(&read), starts(&description), "{format:?}");
        }
    }
}

#[test]
fn a_chapter_of_a_long_sound_is_exact_to_the_millisecond() {
    let chapter =
        Chapter { start_seconds: 37_384.007, end_seconds: 40_000.0, title: Some("One=1".to_owned()) };
    let description = Description { chapters: vec![chapter], ..Description::default() };
    let comments = ";FFMETADATA1\nCHAPTER000=10:23:04.007\nCHAPTER000NAME=One\\=1\n";
    assert_eq!(description.ffmetadata(AudioFormat::Flac), comments);
    assert_eq!(description.ffmetadata(AudioFormat::Opus), comments);
    let section =
        "[STREAM]\nlanguage=und\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=37384007\nEND=40000000\ntitle=One\\=1\n";
    assert_eq!(description.ffmetadata(AudioFormat::M4a), format!(";FFMETADATA1\n{section}"));
    assert_eq!(description.ffmetadata(AudioFormat::Wav), ";FFMETADATA1\n");
}

#[test]
fn a_tag_is_an_id3v24_with_a_cover_and_a_table_of_contents() {
    let studio = Studio::new();
    studio.ffmpeg("-f lavfi -i color=red:s=64x48 -frames:v 1 red.jpg");
    let jpeg = std::fs::read(studio.path("red.jpg")).unwrap();
    let mut description = described("A");
    description.chapters = (0..600u16)
        .map(|number| Chapter {
            start_seconds: f64::from(number),
            end_seconds: f64::from(number + 1),
            title: None,
        })
        .collect();
    let bytes = description.id3(Some(&jpeg));
    assert!(bytes.starts_with(b"ID3\x04\0\0"));
    let tag = id3::Tag::read_from2(std::io::Cursor::new(&bytes)).unwrap();
    assert_eq!(tag.chapters().count(), 600);
    let tables: Vec<_> = tag.tables_of_contents().collect();
    let listed: usize =
        tables.iter().filter(|table| !table.top_level).map(|table| table.elements.len()).sum();
    assert_eq!((tables.len(), listed), (4, 600));
    let frames = std::fs::read(studio.path("x.mp3")).unwrap();
    std::fs::write(studio.path("y.mp3"), [bytes, frames].concat()).unwrap();
    let answer = ffprobe(&studio.path("y.mp3"));
    assert_eq!(answer["streams"][1]["tags"]["comment"], "Cover (front)");
    studio.ffmpeg("-i y.mp3 -map 0:v -c copy -f mjpeg again.jpg");
    assert_eq!(std::fs::read(studio.path("again.jpg")).unwrap(), jpeg);
    assert_eq!(answer["format"]["tags"]["comment"], "A");
}

#[test]
fn a_tag_that_says_nothing_is_no_tag_and_none_is_too_long() {
    assert!(Description::default().id3(None).is_empty());
    let mut description = described(&"x".repeat(4096));
    description.chapters = vec![description.chapters[0].clone(); 2000];
    let bytes = description.id3(Some(&vec![0; 8 * 1024 * 1024]));
    assert!(bytes.len() > 1000 * 4096 && bytes.len() < 8 * 1024 * 1024, "{}", bytes.len());
    let tag = id3::Tag::read_from2(std::io::Cursor::new(&bytes)).unwrap();
    assert_eq!(tag.chapters().count(), 1000);
}

#[test]
fn a_date_without_hyphens_is_one_of_id3() {
    let mut description = Description::default();
    description.texts.insert(Name::Date, "20200506".to_owned());
    let tag = id3::Tag::read_from2(std::io::Cursor::new(description.id3(None))).unwrap();
    assert_eq!(tag.get("TDRC").unwrap().content().text().unwrap(), "2020-05-06");
}

#[test]
fn a_cover_has_square_pixels() {
    let studio = Studio::new();
    for (size, pixels, expected) in [
        ("720x576", "64/45", "720,405"),
        ("720x576", "16/15", "720,540"),
        ("720x480", "8/9", "640,480"),
        ("720x576", "0/1", "720,576"),
        ("64x48", "1/1", "64,48"),
        ("1600x900", "1/1", "1000,563"),
        ("1440x1080", "4/3", "1000,563"),
        ("900x1600", "1/1", "563,1000"),
        ("16x16", "1/1000", "1,16"),
    ] {
        studio.ffmpeg(&format!(
            "-f lavfi -i color=red:s={size},setsar={pixels} -frames:v 1 -vf {SQUARE_PIXELS} -f mjpeg cover.jpg"
        ));
        let entries =
            ["-v", "error", "-show_entries", "stream=width,height,sample_aspect_ratio", "-of", "csv=p=0"];
        let shown = Command::new("ffprobe").args(entries).arg(studio.path("cover.jpg")).output().unwrap();
        assert_eq!(
            String::from_utf8(shown.stdout).unwrap().trim(),
            format!("{expected},1:1"),
            "{size} {pixels}"
        );
    }
}

/// The title is in a WAV, which declares no encoding, and in an ID3v2.3 frame that claims to be Latin-1.
#[test]
fn a_title_of_a_code_page_is_read_through_ffprobe() {
    let studio = Studio::new();
    let titles: [(&str, &[u8]); 3] = [
        ("Кино – Группа крови", b"\xca\xe8\xed\xee \x96 \xc3\xf0\xf3\xef\xef\xe0 \xea\xf0\xee\xe2\xe8"),
        ("ソフト \"テスト\"", b"\x83\x5c\x83\x74\x83\x67 \"\x83\x65\x83\x58\x83\x67\""),
        ("Größe", b"Gr\xf6\xdfe"),
    ];
    for (title, bytes) in titles {
        let length = |extra: usize| u32::try_from(bytes.len() + extra).unwrap();
        let mut wave = std::fs::read(studio.path("x.wav")).unwrap();
        let padding = &[0, 0][bytes.len() % 2..];
        let info = [b"INFOINAM", &length(1).to_le_bytes()[..], bytes, padding].concat();
        let size = u32::try_from(info.len()).unwrap().to_le_bytes();
        wave.extend([b"LIST", &size[..], &info].concat());
        let riff = u32::try_from(wave.len() - 8).unwrap().to_le_bytes();
        wave[4..8].copy_from_slice(&riff);
        std::fs::write(studio.path("z.wav"), wave).unwrap();
        assert_eq!(probed(&studio.path("z.wav")).text(Name::Title), Some(title));

        let frame = [b"TIT2", &length(1).to_be_bytes()[..], b"\0\0\0", bytes].concat();
        let size = u8::try_from(frame.len()).unwrap();
        let frames = std::fs::read(studio.path("x.mp3")).unwrap();
        let mp3 = [b"ID3\x03\0\0\0\0\0", &[size][..], &frame, &frames].concat();
        std::fs::write(studio.path("z.mp3"), mp3).unwrap();
        assert_eq!(probed(&studio.path("z.mp3")).text(Name::Title), Some(title));
    }
}

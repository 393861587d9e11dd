//! Writes titles and chapters as FFmpeg reads them (<https://ffmpeg.org/ffmpeg-formats.html>, "Metadata").

use std::fmt::Write as _;

use contracts::AudioFormat;

use super::Description;
use super::names::Name;

/// FFmpeg's names, which it translates into the format's own. M4A has no place for a performer and a
/// publisher. WAV lacks these too, and also an album's artist, a composer, a disc and lyrics.
const KEYS: [(Name, &str); 15] = [
    (Name::Title, "title"),
    (Name::Artist, "artist"),
    (Name::Album, "album"),
    (Name::AlbumArtist, "album_artist"),
    (Name::Composer, "composer"),
    (Name::Performer, "performer"),
    (Name::Date, "date"),
    (Name::Genre, "genre"),
    (Name::Track, "track"),
    (Name::Disc, "disc"),
    (Name::Publisher, "publisher"),
    (Name::Copyright, "copyright"),
    (Name::Language, "language"),
    (Name::Comment, "comment"),
    (Name::Lyrics, "lyrics"),
];

impl Description {
    /// The description in the format of `-f ffmetadata`, for a file of this format. The text for M4A contains
    /// a stream with the language: `-map_metadata:s:a:0 1:s:0` writes it where M4A stores it.
    pub(crate) fn ffmetadata(&self, format: AudioFormat) -> String {
        let mut file = ";FFMETADATA1\n".to_owned();
        for (name, key) in KEYS {
            if let Some(text) = self.text(name) {
                add(&mut file, key, text);
            }
        }
        match format {
            AudioFormat::M4a => {
                file.push_str("[STREAM]\n");
                add(&mut file, "language", self.text(Name::Language).unwrap_or("und"));
                self.add_chapter_sections(&mut file);
            }
            AudioFormat::Opus | AudioFormat::Flac => self.add_chapter_comments(&mut file),
            // MP3 has its own tag, and no player looks for chapters in WAV.
            AudioFormat::Mp3 | AudioFormat::Wav => {}
        }
        file
    }

    fn add_chapter_sections(&self, file: &mut String) {
        for (start, end, title) in self.chapters_in_milliseconds() {
            let _ = write!(file, "[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\n");
            add(file, "title", title.unwrap_or_default());
        }
    }

    /// Chapters as Vorbis comments (<https://wiki.xiph.org/Chapter_Extension>). FFmpeg's own are up to a
    /// second late in Opus, and it writes none in FLAC.
    fn add_chapter_comments(&self, file: &mut String) {
        for (number, (start, _, title)) in self.chapters_in_milliseconds().enumerate() {
            let (seconds, milliseconds) = (start / 1000, start % 1000);
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            let _ =
                writeln!(file, "CHAPTER{number:03}={hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}");
            if let Some(title) = title {
                add(file, &format!("CHAPTER{number:03}NAME"), title);
            }
        }
    }
}

/// Adds a line. A backslash precedes every character that has a meaning for FFmpeg.
fn add(file: &mut String, key: &str, text: &str) {
    file.push_str(key);
    file.push('=');
    for c in text.chars() {
        if matches!(c, '\\' | '=' | ';' | '#' | '\n') {
            file.push('\\');
        }
        file.push(c);
    }
    if text.ends_with('\\') {
        // If the text contains a backslash, FFmpeg takes the line break for part of the text. A NUL ends the
        // text.
        file.push('\0');
    }
    file.push('\n');
}

//! The description of a file: titles, chapters, a picture.

use std::path::Path;
use std::time::Duration;

use contracts::ConversionOptions;
use converter::engine::EngineConfig;
use test_kit::edits::Edit;
use test_kit::sources::SOURCES;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Mp3, config, nothing_reported};
use crate::media::{FASTSTART, Workshop, options, shown};

/// A video of six seconds with titles, a place, three chapters and an embedded picture.
fn described(workshop: &Workshop) -> Vec<u8> {
    let chapters = ";FFMETADATA1\ntitle=A lecture\nartist=Ada\nlocation=+48.2+016.3/\n\
        [CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=One\n\
        [CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=4000\ntitle=Two\n\
        [CHAPTER]\nTIMEBASE=1/1000\nSTART=4000\nEND=6000\ntitle=Three\n";
    std::fs::write(workshop.path("chapters.txt"), chapters).unwrap();
    workshop.ffmpeg(&["-f", "lavfi", "-i", "color=red:s=1600x900", "-frames:v", "1", "red.jpg"]);
    workshop.video("plain.mp4", "6", &FASTSTART);
    workshop.ffmpeg(&[
        "-i",
        "plain.mp4",
        "-i",
        "red.jpg",
        "-i",
        "chapters.txt",
        "-map",
        "0",
        "-map",
        "1",
        "-map_metadata",
        "2",
        "-map_chapters",
        "2",
        "-c",
        "copy",
        "-disposition:v:1",
        "attached_pic",
        "described.mp4",
    ]);
    std::fs::read(workshop.path("described.mp4")).unwrap()
}

/// A bench whose engine encodes even this short video in parallel.
fn parallel() -> Bench {
    Bench::with(&EngineConfig { parallel_from: Duration::from_secs(1), ..config() })
}

async fn made(bench: &Bench, video: &[u8], fields: &[(&str, &str)]) -> Mp3 {
    bench.convert_bytes(video, options(fields)).await.unwrap()
}

fn chapters(file: &Path) -> String {
    shown(file, "chapter=start_time,end_time:chapter_tags=title")
}

fn titles(file: &Path) -> String {
    shown(file, "format_tags=title,artist,album,location:stream_tags=title,artist,album,location")
}

const CHAPTERS: &str =
    "chapter,0.000000,2.000000,One\nchapter,2.000000,4.000000,Two\nchapter,4.000000,6.000000,Three\n";

#[tokio::test]
async fn titles_and_chapters_are_kept_and_places_are_not() {
    let workshop = Workshop::new();
    let video = described(&workshop);
    assert!(titles(&workshop.path("described.mp4")).contains("48.2"));
    for bench in [Bench::new(), parallel()] {
        for format in ["mp3", "m4a"] {
            let file = made(&bench, &video, &[("format", format)]).await;
            assert_eq!(chapters(&file.converted.path), CHAPTERS, "{format}");
            let titles = titles(&file.converted.path);
            assert!(titles.contains("A lecture") && titles.contains("Ada"), "{format}: {titles}");
            let bytes = std::fs::read(&file.converted.path).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"+48.2+"), "{format}");
            if format == "mp3" {
                assert!(bytes.starts_with(b"ID3\x04"), "it is no ID3v2.4");
            }
        }
    }
    let bench = Bench::new();
    let opus = made(&bench, &video, &[("format", "opus")]).await;
    assert!(titles(&opus.converted.path).contains("A lecture"));
}

#[tokio::test]
async fn chapters_follow_a_part() {
    let workshop = Workshop::new();
    let video = described(&workshop);
    for bench in [Bench::new(), parallel()] {
        let part = made(&bench, &video, &[("start", "1"), ("end", "4.5")]).await;
        part.lasts(3.5);
        let expected =
            "chapter,0.000000,1.000000,One\nchapter,1.000000,3.000000,Two\nchapter,3.000000,3.500000,Three\n";
        assert_eq!(chapters(&part.converted.path), expected);
        assert!(part.converted.has_cover);
        assert_eq!(picture(&part.converted.path), "1000,563");
    }
}

/// The chapters' beginnings, in seconds, and titles.
const MARKS: [(f64, &str); 4] = [(0.0, "One"), (2.5, "Two"), (4.999, "Three"), (6.0, "Four")];

/// The file with these chapters.
fn with_marks(workshop: &Workshop, file: &[u8]) -> Vec<u8> {
    let ends = MARKS[1..].iter().map(|(start, _)| *start).chain([8.0]);
    let chapters = MARKS.iter().zip(ends).map(|((start, title), end)| {
        let ms = |seconds: f64| (seconds * 1000.0).round();
        format!("[CHAPTER]\nTIMEBASE=1/1000\nSTART={}\nEND={}\ntitle={title}\n", ms(*start), ms(end))
    });
    std::fs::write(workshop.path("marks.txt"), format!(";FFMETADATA1\n{}", chapters.collect::<String>()))
        .unwrap();
    std::fs::write(workshop.path("unmarked.mkv"), file).unwrap();
    let marks = ["-i", "unmarked.mkv", "-i", "marks.txt", "-map", "0", "-map_chapters", "1", "-c", "copy"];
    workshop.ffmpeg(&[&marks[..], &["marked.mkv"]].concat());
    std::fs::read(workshop.path("marked.mkv")).unwrap()
}

#[tokio::test]
async fn chapters_are_in_step_in_every_format_whatever_the_sound_does() {
    let workshop = Workshop::new();
    let source = SOURCES.into_iter().find(|source| source.name == "aac.mkv").unwrap();
    let bench = Bench::new();
    for edit in [Edit::None, Edit::Gap(2.0, 3.6), Edit::LateSound(1.0)] {
        let folder = tempfile::tempdir().unwrap();
        let video = with_marks(&workshop, &edit.apply(source, 8, 1, folder.path()).await.unwrap());
        for format in ["mp3", "m4a", "opus", "flac"] {
            let file = made(&bench, &video, &[("format", format)]).await;
            let begins_at = file.converted.begins_at_seconds;
            let late = if let Edit::LateSound(late) = edit { late } else { 0.0 };
            assert!((begins_at - late).abs() < 0.06, "{edit} as {format} begins at {begins_at}");
            let found = chapters(&file.converted.path);
            let found: Vec<Vec<&str>> = found.lines().map(|line| line.split(',').collect()).collect();
            assert_eq!(found.len(), MARKS.len(), "{edit} as {format}: {found:?}");
            for ((mark, title), chapter) in MARKS.iter().zip(&found) {
                let [_, start, end, name] = chapter[..] else { panic!("{chapter:?}") };
                let [start, end] = [start, end].map(|time| time.parse::<f64>().unwrap());
                let expected = (mark - begins_at).max(0.0);
                assert_eq!(name, *title, "{edit} as {format}: {found:?}");
                assert!((start - expected).abs() < 0.002, "{edit} as {format}: {expected} {found:?}");
                assert!(end <= file.seconds() + 0.06, "{edit} as {format}: {found:?}, {} s", file.seconds());
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_declares_more_than_it_has_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let source = SOURCES.into_iter().find(|source| source.name == "aac.flv").unwrap();
    for (edit, declared) in [(Edit::None, None), (Edit::DeclaredLength(2.0), Some(8.0))] {
        let scratch = bench.scratch(&edit.apply(source, 4, 1, folder.path()).await.unwrap());
        let (report, never) = (nothing_reported(), CancellationToken::new());
        let converted = bench.engine.convert(&scratch, &ConversionOptions::default(), &report, &never).await;
        let seconds = converted.unwrap().audio.duration_seconds;
        assert!((seconds - 4.0).abs() < 0.06, "{edit}: {seconds} s");
        let facts = report.borrow().source.clone().unwrap();
        assert!(facts.duration_seconds.is_some_and(|found| (found - 4.0).abs() < 0.06), "{edit}: {facts:?}");
        let told = facts.declared_seconds.map(f64::round);
        assert_eq!(told, declared, "{edit}: {facts:?}");
    }
}

#[tokio::test]
async fn titles_of_an_upload_replace_the_videos() {
    let workshop = Workshop::new();
    let video = described(&workshop);
    let given = [("title", "Über \"A\"; $(id)"), ("album", "-y")];
    for bench in [Bench::new(), parallel()] {
        let file = made(&bench, &video, &given).await;
        let tags = shown(&file.converted.path, "format_tags=title,artist,album");
        assert!(
            tags.contains("Über") && tags.contains("$(id)") && tags.contains("Ada") && tags.contains("-y"),
            "{tags}"
        );
        assert!(!tags.contains("lecture"), "{tags}");
    }
    let bench = Bench::new();
    let stripped = made(&bench, &video, &[("metadata", "strip"), ("title", "Mine")]).await;
    let tags = titles(&stripped.converted.path);
    assert!(tags.contains("Mine") && !tags.contains("Ada"), "{tags}");
    assert_eq!(chapters(&stripped.converted.path), "");
    assert!(!stripped.converted.has_cover);
}

/// Width and height of a file's picture.
fn picture(file: &Path) -> String {
    shown(file, "stream=width,height")
        .lines()
        .find_map(|line| {
            let size = line.strip_prefix("stream,")?;
            size.starts_with(|c: char| c.is_ascii_digit()).then(|| size.to_owned())
        })
        .unwrap_or_default()
}

/// Red, green and blue in the middle of a file's picture.
fn colour(file: &Path) -> Vec<u8> {
    let decoded = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(file)
        .args(["-map", "0:v", "-vf", "scale=1:1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .unwrap();
    decoded.stdout
}

#[tokio::test]
async fn the_embedded_picture_is_the_cover() {
    let workshop = Workshop::new();
    let video = described(&workshop);
    for bench in [Bench::new(), parallel()] {
        for format in ["mp3", "m4a", "flac"] {
            let file = made(&bench, &video, &[("format", format)]).await;
            file.lasts(6.0);
            assert!(file.converted.has_cover);
            assert_eq!(picture(&file.converted.path), "1000,563", "{format}");
            let colour = colour(&file.converted.path);
            assert!(colour[0] > 200 && colour[1] < 50, "{format}: {colour:?}");
        }
    }
    let bench = Bench::new();
    for fields in [&[("cover", "none")][..], &[("format", "opus")], &[("format", "wav")]] {
        let file = made(&bench, &video, fields).await;
        assert!(!file.converted.has_cover && picture(&file.converted.path).is_empty(), "{fields:?}");
    }
}

#[tokio::test]
async fn a_frame_of_the_video_is_the_cover() {
    let workshop = Workshop::new();
    // Green for three seconds, then blue.
    let colours = "color=0x00ff00:s=64x48:d=3[g];color=0x0000ff:s=64x48:d=3[b];[g][b]concat";
    workshop.ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "sine=d=6",
        "-filter_complex",
        colours,
        "-c:v",
        "libx264",
        "-c:a",
        "aac",
        "-shortest",
        "colours.mp4",
    ]);
    let video = std::fs::read(workshop.path("colours.mp4")).unwrap();
    for bench in [Bench::new(), parallel()] {
        for (time, channel) in [("1.5", 1), ("00:00:04", 2)] {
            let file = made(&bench, &video, &[("cover", time)]).await;
            let colour = colour(&file.converted.path);
            assert!(colour[channel] > 200 && colour[3 - channel] < 60, "{time}: {colour:?}");
            file.lasts(6.0);
        }
        // A missing picture must not fail the conversion.
        let none = made(&bench, &video, &[("cover", "60")]).await;
        assert!(!none.converted.has_cover);
        none.lasts(6.0);
    }
    let sound = std::fs::read(workshop.tone("tone.flac", "2", &[])).unwrap();
    assert!(!made(&Bench::new(), &sound, &[("cover", "1")]).await.converted.has_cover);
    let default = ConversionOptions::default();
    assert!(!Bench::new().convert_bytes(&video, default).await.unwrap().converted.has_cover);
}

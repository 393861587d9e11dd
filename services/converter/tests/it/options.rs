//! What an upload may ask for, and what the MP3 carries along.

use std::process::Command;

use contracts::ConversionOptions;

use crate::bench::Bench;
use crate::media::{FASTSTART, Workshop};

const NOISE: &str = "anoisesrc=d=4:a=0.3:r=44100";

fn option(name: &str, value: &str) -> ConversionOptions {
    ConversionOptions::parse([(name, value)]).unwrap()
}

#[tokio::test]
async fn a_better_quality_makes_a_larger_file() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let noise = std::fs::read(workshop.sound("noise.flac", NOISE, "4", &[])).unwrap();
    let mut rates = Vec::new();
    for quality in ["V9", "V5", "V2", "V0"] {
        let mp3 = bench.convert_bytes(&noise, option("quality", quality)).await.unwrap();
        rates.push(mp3.converted.audio.bitrate_bps());
    }
    assert!(rates.is_sorted_by(|lower, higher| lower < higher), "{rates:?}");
    let default = bench.convert_bytes(&noise, ConversionOptions::default()).await.unwrap();
    assert_eq!(default.converted.audio.bitrate_bps(), rates[2]);
}

#[tokio::test]
async fn a_bit_rate_is_kept_whatever_the_source_has() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for source_rate in [8_000, 22_050, 44_100, 96_000] {
        let name = format!("{source_rate}.wav");
        let noise = format!("anoisesrc=d=4:a=0.3:r={source_rate}");
        let noise = std::fs::read(workshop.sound(&name, &noise, "4", &[])).unwrap();
        for bitrate in ["32", "128", "320"] {
            let mp3 = bench.convert_bytes(&noise, option("bitrate", bitrate)).await.unwrap();
            let expected = bitrate.parse::<u32>().unwrap() * 1000;
            // The first and the last frame are trimmed for the length, and not for the bytes.
            let actual = mp3.converted.audio.bitrate_bps();
            assert!(
                actual.abs_diff(expected) < expected / 20,
                "{bitrate} kbit/s of {source_rate} Hz: {actual}"
            );
        }
    }
}

#[tokio::test]
async fn titles_are_kept_and_places_are_not() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let tags =
        ["-metadata", "title=A lecture", "-metadata", "artist=Ada", "-metadata", "location=+48.2+016.3/"];
    let video = workshop.video("tagged.mov", "1", &[&FASTSTART[..], &tags].concat());
    let has_place = |bytes: &[u8]| bytes.windows(9).any(|window| window == b"+48.2+016");
    assert!(has_place(&std::fs::read(&video).unwrap()));

    let mp3 = bench.convert(&video).await;
    let shown = Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv=p=0", "-show_entries", "format_tags"])
        .arg(&mp3.converted.path)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("A lecture") && shown.contains("Ada"), "{shown}");
    assert!(!shown.contains("48.2") && !shown.contains("qt  "), "{shown}");
}

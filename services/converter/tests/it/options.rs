//! The options of an upload.

use std::path::Path;
use std::time::Duration;

use contracts::{AudioFormat, ConversionOptions, FailureCode};
use converter::engine::EngineConfig;

use crate::bench::{Bench, config};
use crate::media::{FASTSTART, Workshop, options, pcm, shown};

const NOISE: &str = "anoisesrc=d=4:a=0.3:r=44100";

fn option(name: &str, value: &str) -> ConversionOptions {
    options(&[(name, value)])
}

#[tokio::test]
async fn a_better_quality_makes_a_larger_file() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let noise = std::fs::read(workshop.sound("noise.flac", NOISE, "4", &[])).unwrap();
    let mut rates = Vec::new();
    for quality in ["V9", "V5", "V2", "V0"] {
        let mp3 = bench.convert_bytes(&noise, option("quality", quality)).await.unwrap();
        rates.push(mp3.converted.audio.bitrate_bps);
    }
    assert!(rates.is_sorted_by(|lower, higher| lower < higher), "{rates:?}");
    let default = bench.convert_bytes(&noise, ConversionOptions::default()).await.unwrap();
    assert_eq!(default.converted.audio.bitrate_bps, rates[2]);
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
            // The first and the last frame are cut to count the length, but their bytes count whole.
            let actual = mp3.converted.audio.bitrate_bps;
            assert!(
                actual.abs_diff(expected) < expected / 20,
                "{bitrate} kbit/s of {source_rate} Hz: {actual}"
            );
        }
    }
}

#[tokio::test]
async fn each_format_is_what_it_says() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let video = std::fs::read(workshop.video("video.mkv", "3", &["-c:v", "mpeg4", "-c:a", "ac3"])).unwrap();
    for (format, container, codec) in [
        ("mp3", "mp3", "mp3"),
        ("m4a", "mov,mp4,m4a,3gp,3g2,mj2", "aac"),
        ("opus", "ogg", "opus"),
        ("flac", "flac", "flac"),
        ("wav", "wav", "pcm_s16le"),
    ] {
        let made = bench.convert_bytes(&video, option("format", format)).await.unwrap();
        made.lasts(3.0);
        let found = shown(&made.converted.path, "format=format_name:stream=codec_name,channels");
        assert_eq!(
            found,
            format!("stream,{codec},2\nformat,\"{container}\"\n")
                .replace(r#""mp3""#, "mp3")
                .replace(r#""ogg""#, "ogg")
                .replace(r#""flac""#, "flac")
                .replace(r#""wav""#, "wav")
        );
        assert!(!made.converted.is_copy, "{format}");
    }
}

#[tokio::test]
async fn sound_that_is_as_it_was_asked_for_is_copied() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for (video, codec, fields) in [
        ("aac.mp4", &["-c:a", "aac"][..], &[("format", "m4a")][..]),
        ("aac.ts", &["-c:a", "aac"], &[("format", "m4a")]),
        ("mp3.avi", &["-c:a", "libmp3lame"], &[]),
        ("mp3.mkv", &["-c:a", "libmp3lame", "-b:a", "128k"], &[("bitrate", "128")]),
        ("opus.webm", &["-c:a", "libopus", "-c:v", "libvpx"], &[("format", "opus")]),
        ("flac.mkv", &["-c:a", "flac"], &[("format", "flac")]),
    ] {
        let video = workshop.video(video, "3", codec);
        let bytes = std::fs::read(&video).unwrap();
        let copy = bench.convert_bytes(&bytes, options(fields)).await.unwrap();
        assert!(copy.converted.is_copy, "{}", video.display());
        copy.lasts(3.0);
        // A transport stream has a header before each frame, which MP4 does not need.
        if video.extension().is_some_and(|ending| ending != "ts") {
            let (copied, original) = (packets(&copy.converted.path), packets(&video));
            // The silent frame that LAME begins with may be missing.
            assert!(original.ends_with(&copied), "{}: {copied:?} {original:?}", video.display());
            assert!(original.len() - copied.len() <= 1, "{}", video.display());
        }

        let part = [fields, &[("start", "1")]].concat();
        let part = bench.convert_bytes(&bytes, options(&part)).await.unwrap();
        assert!(!part.converted.is_copy, "{}", video.display());
        part.lasts(2.0);
    }
    let mp3 = std::fs::read(workshop.path("mp3.mkv")).unwrap();
    for other in [option("quality", "V2"), option("bitrate", "64"), option("channels", "1")] {
        assert!(!bench.convert_bytes(&mp3, other).await.unwrap().converted.is_copy);
    }
}

/// A checksum of the data of every audio packet.
fn packets(file: &std::path::Path) -> Vec<String> {
    let arguments = ["-v", "error", "-select_streams", "a", "-show_packets", "-show_data_hash", "md5"];
    let ffprobe = std::process::Command::new("ffprobe")
        .args(arguments)
        .args(["-show_entries", "packet=data_hash", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .unwrap();
    let lines = String::from_utf8(ffprobe.stdout).unwrap();
    lines.lines().filter_map(|line| Some(line[line.find("MD5:")?..].to_owned())).collect()
}

#[tokio::test]
async fn a_copy_that_does_not_come_out_well_is_encoded_instead() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let video = workshop.video("mp3.avi", "5", &["-c:a", "libmp3lame", "-b:a", "128k"]);
    let mut bytes = std::fs::read(&video).unwrap();
    // The header of a frame in the middle, which an AVI file passes on unchanged.
    let frames: Vec<usize> = (0..bytes.len() - 3)
        .filter(|at| {
            bytes[*at..].starts_with(&[0xff, 0xfb, 0x90]) || bytes[*at..].starts_with(&[0xff, 0xfb, 0x92])
        })
        .collect();
    let middle = frames[frames.len() / 2];
    bytes[middle..middle + 4].fill(0);
    let made = bench.convert_bytes(&bytes, ConversionOptions::default()).await.unwrap();
    assert!(!made.converted.is_copy);
    made.lasts(5.0);
}

#[tokio::test]
async fn a_part_is_exact_to_the_sample() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let wave = workshop.sound("noise.wav", "anoisesrc=d=4:a=0.3:r=44100:s=1", "4", &["-c:a", "pcm_s16le"]);
    let (bytes, whole) = (std::fs::read(&wave).unwrap(), pcm(&wave));
    for (fields, samples) in [
        (&[("start", "1.25"), ("end", "00:00:02.5")][..], 55_125..110_250),
        (&[("start", "3.501")], 154_394..176_400),
        (&[("end", "0.1")], 0..4_410),
        (&[("end", "99")], 0..176_400),
    ] {
        let lossless =
            bench.convert_bytes(&bytes, options(&[fields, &[("format", "wav")]].concat())).await.unwrap();
        assert!(pcm(&lossless.converted.path) == whole[samples.clone()], "{fields:?}");
        let mp3 = bench.convert_bytes(&bytes, options(fields)).await.unwrap();
        assert_eq!(mp3.converted.audio.mpeg.unwrap().samples, samples.len() as u64, "{fields:?}");
    }
    for (fields, code) in [
        (&[("start", "4")][..], FailureCode::EmptySelection),
        (&[("start", "9:00"), ("end", "10:00")], FailureCode::EmptySelection),
    ] {
        let error = bench.convert_bytes(&bytes, options(fields)).await.map(drop).unwrap_err();
        assert_eq!(error.code(), Some(code), "{fields:?}");
    }
}

#[tokio::test]
async fn a_part_counts_from_the_beginning_of_the_video() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    // The picture begins at 0, the audio two seconds later.
    let picture = workshop.silent("picture.mkv", "6");
    let tone = workshop.tone("tone.wav", "4", &[]);
    let (picture, tone) = (picture.to_str().unwrap(), tone.to_str().unwrap());
    workshop.ffmpeg(&["-i", picture, "-itsoffset", "2", "-i", tone, "-c", "copy", "late.mkv"]);
    let late = std::fs::read(workshop.path("late.mkv")).unwrap();
    for (fields, seconds) in
        [(&[("start", "3")][..], 3.0), (&[("end", "3")], 1.0), (&[("start", "1"), ("end", "2.5")], 0.5)]
    {
        bench.convert_bytes(&late, options(fields)).await.unwrap().lasts(seconds);
    }
    let error = bench.convert_bytes(&late, option("end", "1.5")).await.map(drop).unwrap_err();
    assert_eq!(error.code(), Some(FailureCode::EmptySelection));
}

#[tokio::test]
async fn a_track_is_chosen_by_its_place_or_its_language() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let tones = ["-f", "lavfi", "-i", "sine=f=400:d=2", "-f", "lavfi", "-i", "sine=f=1200:d=2"];
    let languages = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"];
    workshop.ffmpeg(
        &[&tones[..], &["-map", "0", "-map", "1"], &languages, &["-c:a", "flac", "two.mkv"]].concat(),
    );
    let two = std::fs::read(workshop.path("two.mkv")).unwrap();
    for (track, frequency) in
        [("0", 400), ("1", 1200), ("eng", 400), ("en-US", 400), ("DEU", 1200), ("ger", 1200), ("de", 1200)]
    {
        let mp3 = bench.convert_bytes(&two, option("track", track)).await.unwrap();
        assert_eq!(pitch(&mp3.converted.path, 2), frequency, "{track}");
    }
    for track in ["2", "fra"] {
        let error = bench.convert_bytes(&two, option("track", track)).await.map(drop).unwrap_err();
        assert_eq!(error.code(), Some(FailureCode::NoSuchTrack), "{track}");
    }
}

#[tokio::test]
async fn a_commentary_is_passed_over_unless_its_index_is_asked_for() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let tones = ["-f", "lavfi", "-i", "sine=f=400:d=2", "-f", "lavfi", "-i", "sine=f=1200:d=2"];
    for (name, mark) in [
        ("disposition.mkv", ["-disposition:a:0", "default+comment"]),
        ("disposition.mkv", ["-disposition:a:0", "default+visual_impaired"]),
        ("title.mkv", ["-metadata:s:a:0", "title=Director's commentary"]),
        ("name.mp4", ["-metadata:s:a:0", "handler_name=Audio Description"]),
    ] {
        workshop.ffmpeg(&[&tones[..], &["-map", "0", "-map", "1"], &mark, &["-c:a", "aac", name]].concat());
        let file = std::fs::read(workshop.path(name)).unwrap();
        for (choice, frequency) in [(None, 1200), (Some("0"), 400)] {
            let wanted = choice.map_or_else(ConversionOptions::default, |track| option("track", track));
            let mp3 = bench.convert_bytes(&file, wanted).await.unwrap();
            assert_eq!(pitch(&mp3.converted.path, 2), frequency, "{mark:?} {choice:?}");
        }
    }
}

/// The frequency of a tone of this many seconds, rounded to hundreds of Hz.
fn pitch(path: &Path, seconds: usize) -> usize {
    let crossings = pcm(path).windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    (crossings / seconds + 50) / 100 * 100
}

#[tokio::test]
async fn sample_rate_and_channels_are_what_was_asked_for() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let video = std::fs::read(workshop.video("video.mp4", "2", &FASTSTART)).unwrap();
    for format in AudioFormat::ALL.map(AudioFormat::as_str) {
        let fields = [("format", format), ("sample_rate", "16000"), ("channels", "1")];
        let made = bench.convert_bytes(&video, options(&fields)).await.unwrap();
        made.lasts(2.0);
        let found = shown(&made.converted.path, "stream=sample_rate,channels");
        // Opus decoders always report 48 kHz.
        let rate = if format == "opus" { "48000" } else { "16000" };
        assert_eq!(found, format!("stream,{rate},1\n"), "{format}");
    }
}

#[tokio::test]
async fn a_sound_is_brought_to_the_loudness_that_was_asked_for() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    // Its peaks are 14 dB above its loudness.
    let noise = "anoisesrc=d=8:a=0.3:c=pink:r=44100:s=1";
    let noise = std::fs::read(workshop.sound("noise.wav", noise, "8", &[])).unwrap();
    let tone = std::fs::read(workshop.sound("tone.wav", "sine=f=1000:d=8", "8", &[])).unwrap();
    for (sound, target, is_limited) in [(&tone, -23.0, false), (&tone, -10.0, false), (&noise, -11.0, true)] {
        for format in ["flac", "mp3"] {
            let fields = [("normalize", &*target.to_string()), ("format", format)];
            let made = bench.convert_bytes(sound, options(&fields)).await.unwrap();
            made.lasts(8.0);
            let loudness = made.converted.loudness.unwrap();
            assert_eq!((loudness.target_lufs, loudness.is_limited), (target, is_limited), "{format}");
            let (integrated, peak) = loudness_of(&made.converted.path);
            assert!(
                (integrated - target).abs() < if is_limited { 1.0 } else { 0.3 },
                "{format}: {integrated} LUFS, {loudness:?}"
            );
            // LAME itself raises peaks, which the converter cannot prevent.
            assert!(peak < if format == "mp3" { 0.5 } else { -0.9 }, "{format}: {peak} dBTP");
        }
    }
    let silence = std::fs::read(workshop.sound("silence.wav", "anullsrc=d=2", "2", &[])).unwrap();
    let made = bench.convert_bytes(&silence, option("normalize", "true")).await.unwrap();
    assert_eq!(made.converted.loudness.unwrap().measured_lufs, None);
}

/// Integrated loudness in LUFS and true peak in dBTP.
fn loudness_of(file: &std::path::Path) -> (f64, f64) {
    let measured = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-nostats", "-i"])
        .arg(file)
        .args(["-map", "0:a", "-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-"])
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&measured.stderr).into_owned();
    let summary = log.rsplit_once("Summary:").unwrap().1;
    let value = |name: &str| {
        let line = summary.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap()
    };
    (value("I:"), value("Peak:"))
}

#[tokio::test]
async fn one_encoder_keeps_the_reservoir() {
    let config = EngineConfig { parallel_from: Duration::from_secs(1), ..config() };
    let (bench, workshop) = (Bench::with(&config), Workshop::new());
    let noise = std::fs::read(workshop.sound("noise.flac", NOISE, "4", &[])).unwrap();
    let fields = [("bitrate", "128"), ("encoder", "sequential")];
    let sequential = bench.convert_bytes(&noise, options(&fields)).await.unwrap();
    let parallel = bench.convert_bytes(&noise, option("bitrate", "128")).await.unwrap();
    assert!(uses_reservoir(&sequential.converted.path));
    assert!(!uses_reservoir(&parallel.converted.path));
}

/// Whether the data of any frame begin in an earlier one (`main_data_begin`, ISO/IEC 11172-3, 2.4.1.7).
fn uses_reservoir(mp3: &std::path::Path) -> bool {
    let mp3 = std::fs::read(mp3).unwrap();
    crate::frames::frames_of(&mp3).iter().any(|frame| frame[4] != 0 || frame[5] & 0x80 != 0)
}

#[tokio::test]
async fn a_waveform_shows_how_loud_it_is_and_when() {
    let config = EngineConfig { parallel_from: Duration::from_secs(2), ..config() };
    let (bench, workshop) = (Bench::with(&config), Workshop::new());
    // Silence, then a tone at half of full scale.
    let sound = "aevalsrc='0.5*gte(t,2)*sin(2*PI*440*t)':s=44100:d=4";
    let sound = std::fs::read(workshop.sound("sound.m4a", sound, "4", &["-b:a", "192k"])).unwrap();
    // One encoder, several, a copy, and another format's encoder.
    for fields in [&[("encoder", "sequential")][..], &[], &[("format", "m4a")], &[("format", "opus")]] {
        let made = bench.convert_bytes(&sound, options(fields)).await.unwrap();
        let waveform: serde_json::Value = serde_json::from_slice(&made.converted.peaks).unwrap();
        let data: Vec<i64> =
            waveform["data"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
        let pairs: Vec<(i64, i64)> = data.as_chunks().0.iter().map(|[low, high]| (*low, *high)).collect();
        let length = waveform["length"].as_u64().unwrap();
        assert_eq!(pairs.len() as u64, length);
        let seconds = length * waveform["samples_per_pixel"].as_u64().unwrap();
        assert!(
            seconds.abs_diff(4 * waveform["sample_rate"].as_u64().unwrap()) < 3000,
            "{fields:?}: {waveform}"
        );
        let (silence, tone) = pairs.split_at(pairs.len() / 2);
        assert!(silence[..silence.len() - 8].iter().all(|pair| *pair == (0, 0)), "{fields:?}: {silence:?}");
        let is_half = |(low, high): &(i64, i64)| low.abs_diff(-64) < 4 && high.abs_diff(64) < 4;
        assert!(tone[8..tone.len() - 8].iter().all(is_half), "{fields:?}: {tone:?}");
    }
}

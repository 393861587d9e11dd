//! Compares the output of several encoders that take turns with the output of one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use contracts::{ConversionOptions, FailureCode};
use converter::engine::{ConversionError, EngineConfig};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Mp3, config, has_process_in, nothing_reported};
use crate::frames::{frames_of, info_of};
use crate::media::{FASTSTART, Workshop, beginning, options};

/// Alternately loud and quiet, with beats, over a wider range than that of LAME's threshold of hearing.
fn music(workshop: &Workshop, name: &str, rate: u32, channels: u8, seconds: &str) -> PathBuf {
    let beat = "0.4*(random(0)-0.5)*exp(-9*mod(t*2.3,1))";
    // The volume falls faster than that threshold, and some segments begin during the fall.
    let fade = "pow(10,-max(0,mod(t,5)-2))";
    let tone =
        |hertz: u32| format!("{fade}*(0.3*sin(2*PI*{hertz}*t)*(1+sin(0.7*t))/2+{beat})").replace(',', "\\,");
    let voices = [440, 554].map(tone);
    let voices = voices[..usize::from(channels)].join("|");
    let name = format!("{name}-{rate}-{channels}.wav");
    workshop.sound(&name, &format!("aevalsrc={voices}:s={rate}"), seconds, &["-c:a", "pcm_f32le"])
}

fn parallel(encoders: u16) -> Bench {
    let encoder_slots = encoders.try_into().ok();
    Bench::with(&EngineConfig { encoder_slots, parallel_from: Duration::ZERO, ..config() })
}

fn option(name: &str, value: &str) -> ConversionOptions {
    ConversionOptions::parse([(name, value)]).unwrap()
}

async fn converted(bench: &Bench, sound: &Path, options: ConversionOptions) -> Mp3 {
    bench.convert_bytes(&std::fs::read(sound).unwrap(), options).await.unwrap()
}

/// The output of one FFmpeg without the bit reservoir.
fn in_one_pass(workshop: &Workshop, sound: &Path, settings: &[&str]) -> Vec<u8> {
    let sound = ["-i", sound.to_str().unwrap(), "-map", "0:a:0"];
    let output = ["-reservoir", "0", "-id3v2_version", "0", "-f", "mp3", "one-pass.mp3"];
    workshop.ffmpeg(&[&sound[..], settings, &output].concat());
    std::fs::read(workshop.path("one-pass.mp3")).unwrap()
}

/// The samples that FFmpeg decodes, with two interleaved channels. FFmpeg must not complain.
fn samples(file: &Path) -> Vec<f32> {
    let decoded = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "warning", "-i", file.to_str().unwrap(), "-f", "f32le", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&decoded.stderr), "", "{}", file.display());
    decoded.stdout.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[tokio::test]
async fn joined_frames_are_those_of_one_pass() {
    let (bench, workshop) = (parallel(3), Workshop::new());
    for rate in [22_050, 44_100, 48_000] {
        for channels in [1, 2] {
            let sound = music(&workshop, "music", rate, channels, "31.7");
            for quality in ["V0", "V2", "V4"] {
                let mp3 = converted(&bench, &sound, option("quality", quality)).await;
                let joined = std::fs::read(&mp3.converted.path).unwrap();
                let whole = in_one_pass(&workshop, &sound, &["-q:a", &quality[1..]]);
                let (joined, whole) = (frames_of(&joined), frames_of(&whole));
                // The first frame is the info frame.
                let different = (1..whole.len()).filter(|n| joined.get(*n) != whole.get(*n)).count();
                assert_eq!(
                    (joined.len(), different),
                    (whole.len(), 0),
                    "{quality} of {channels} channels at {rate} Hz"
                );
            }
        }
    }
}

#[tokio::test]
async fn repacked_frames_sound_the_same_and_are_as_small_as_with_the_reservoir() {
    let (bench, workshop) = (parallel(3), Workshop::new());
    for (rate, channels, quality) in
        [(44_100, 2, "V2"), (48_000, 1, "V0"), (22_050, 2, "V2"), (16_000, 1, "V9"), (8_000, 2, "V4")]
    {
        let case = format!("{quality} of {channels} channels at {rate} Hz");
        let sound = music(&workshop, "music", rate, channels, "31.7");
        let made = async |encoder| {
            let mp3 = converted(&bench, &sound, options(&[("quality", quality), ("encoder", encoder)])).await;
            let bytes = std::fs::read(&mp3.converted.path).unwrap();
            (samples(&mp3.converted.path), frames_of(&bytes).concat().len(), mp3)
        };
        let (parallel, repacked, sequential) =
            (made("parallel").await, made("repacked").await, made("sequential").await);
        assert!(parallel.0 == repacked.0, "{case}: the sound is another");
        assert!(repacked.1 * 100 < sequential.1 * 102, "{case}: {} bytes, {}", repacked.1, sequential.1);
        assert!(repacked.1 < parallel.1, "{case}: {} bytes, {}", repacked.1, parallel.1);
        let mpg123 =
            Command::new("mpg123").args(["-q", "-t"]).arg(&repacked.2.converted.path).output().unwrap();
        assert!(mpg123.status.success() && mpg123.stderr.is_empty(), "{case}: {mpg123:?}");
    }
}

/// The mean square difference, in dB.
#[expect(clippy::cast_precision_loss, reason = "a minute has not so many samples")]
fn error_db(actual: &[f32], expected: &[f32]) -> f64 {
    let squares = actual.iter().zip(expected).map(|(actual, expected)| f64::from(actual - expected).powi(2));
    10.0 * (squares.sum::<f64>() / expected.len() as f64).log10()
}

#[tokio::test]
async fn a_constant_bit_rate_is_as_good_as_in_one_pass_and_at_the_joins_as_elsewhere() {
    let (bench, workshop) = (parallel(3), Workshop::new());
    // An MP3 of 22.05 kHz has at most 160 kbit/s.
    let cases =
        [(44_100, 2, &["128", "192", "320"][..]), (48_000, 1, &["128", "192", "320"]), (22_050, 2, &["128"])];
    for (rate, channels, bitrates) in cases {
        let sound = music(&workshop, "music", rate, channels, "31.7");
        let source = samples(&sound);
        let second_samples = (rate * u32::from(channels)) as usize;
        for bitrate in bitrates {
            let mp3 = converted(&bench, &sound, option("bitrate", bitrate)).await;
            in_one_pass(&workshop, &sound, &["-b:a", &format!("{bitrate}k")]);
            let (joined, whole) = (samples(&mp3.converted.path), samples(&workshop.path("one-pass.mp3")));
            let case = format!("{bitrate} kbit/s of {channels} channels at {rate} Hz");
            assert_eq!((joined.len(), whole.len()), (source.len(), source.len()), "{case}");
            let difference = (error_db(&joined, &source) - error_db(&whole, &source)).abs();
            assert!(difference < 0.1, "{case}: {difference} dB");
            // Checks every second, joins included: none may be worse than in one pass.
            for (second, source) in source.chunks(second_samples).enumerate() {
                let range = second * second_samples..second * second_samples + source.len();
                let (joined, whole) =
                    (error_db(&joined[range.clone()], source), error_db(&whole[range], source));
                assert!(joined < whole + 0.5, "{case}, second {second}: {joined} dB, {whole} dB");
            }
        }
    }
}

#[tokio::test]
async fn the_length_is_exact_to_the_sample() {
    let (bench, workshop) = (parallel(2), Workshop::new());
    for (rate, channels) in [(44_100, 2), (48_000, 1), (22_050, 2), (8_000, 1)] {
        let frame = if rate < 32_000 { 576 } else { 1152 };
        // Lengths around the end of a frame, and around the end of the last segment's input.
        for extra in [0, 1, 47, 575, 1151] {
            let length = 400 * frame + extra;
            let trim = format!("anoisesrc=a=0.2:r={rate}:d=60,atrim=end_sample={length}");
            let codec = ["-ac", &channels.to_string(), "-c:a", "pcm_s16le"];
            let sound = workshop.sound(&format!("{rate}-{extra}.wav"), &trim, "60", &codec);
            let mp3 = converted(&bench, &sound, ConversionOptions::default()).await;
            let decoded = samples(&mp3.converted.path).len() as u64;
            assert_eq!(decoded, length * channels, "{rate} Hz, {extra} samples more");
            assert_eq!(mp3.converted.audio.mpeg.unwrap().samples, length, "{rate} Hz, {extra} samples more");
        }
    }
}

#[tokio::test]
async fn the_info_frame_is_true() {
    let (bench, workshop) = (parallel(2), Workshop::new());
    let sound = music(&workshop, "music", 44_100, 2, "31.7");
    for (option, name) in [(option("quality", "V2"), "Xing"), (option("bitrate", "192"), "Info")] {
        let mp3 = converted(&bench, &sound, option).await;
        let bytes = std::fs::read(&mp3.converted.path).unwrap();
        let (frames, info) = (frames_of(&bytes), info_of(&bytes));
        assert_eq!(info.name, name);
        assert_eq!(info.frames, frames.len() - 1);
        assert_eq!(info.bytes, frames.concat().len());
        // Each entry is the frame at that hundredth of the time, to a 256th of the bytes.
        for (hundredth, entry) in info.seek_table.iter().enumerate() {
            let at = frames[..=(frames.len() - 1) * hundredth / 100].concat().len();
            let entry = usize::from(*entry);
            assert_eq!(entry, at * 256 / info.bytes, "at {hundredth} %");
        }
        assert_eq!(info.music_bytes, info.bytes);
    }
}

#[tokio::test]
#[expect(clippy::cast_precision_loss, reason = "a second has not so many samples")]
async fn seeking_lands_where_it_should() {
    let (bench, workshop) = (parallel(2), Workshop::new());
    // The pitch shows the position: it rises by 100 Hz a second.
    let sweep = "aevalsrc='0.5*sin(2*PI*(200*t+50*t*t))':s=44100";
    let sound = workshop.sound("sweep.wav", sweep, "40", &["-c:a", "pcm_s16le"]);
    let mp3 = converted(&bench, &sound, ConversionOptions::default()).await;
    for second in [7_u32, 21, 38] {
        workshop.ffmpeg(&[
            "-ss",
            &second.to_string(),
            "-i",
            mp3.converted.path.to_str().unwrap(),
            "-t",
            "1",
            "found.flac",
        ]);
        let found = samples(&workshop.path("found.flac"));
        let rises = found.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        let hertz = rises as f64 / (found.len() as f64 / 44_100.0);
        let heard_at = (hertz - 200.0) / 100.0 - 0.5;
        assert!((heard_at - f64::from(second)).abs() < 0.05, "{heard_at} s instead of {second} s");
    }
}

#[tokio::test]
async fn other_programs_read_it_without_a_warning() {
    let (bench, workshop) = (parallel(2), Workshop::new());
    let video = std::fs::read(workshop.video("video.mp4", "9", &FASTSTART)).unwrap();
    for fields in [
        &[][..],
        &[("bitrate", "192")],
        &[("quality", "V0"), ("channels", "1"), ("sample_rate", "48000")],
        &[("bitrate", "64"), ("sample_rate", "22050")],
        &[("start", "2"), ("end", "8"), ("cover", "3"), ("title", "A part")],
    ] {
        let made = bench.convert_bytes(&video, options(fields)).await.unwrap();
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program).args(arguments).arg(&made.converted.path).output().unwrap()
        };
        // Decodes the file to its end and reports every problem.
        let mpg123 = run("mpg123", &["-q", "-t"]);
        assert!(mpg123.status.success() && mpg123.stderr.is_empty(), "{fields:?}: {mpg123:?}");
        let mp3val = String::from_utf8(run("mp3val", &[]).stdout).unwrap();
        // A video without a title makes an MP3 without a tag.
        let warnings =
            mp3val.lines().filter(|line| line.contains("WARNING") && !line.contains("No supported tags"));
        assert!(mp3val.contains("MPEG frames") && warnings.count() == 0, "{fields:?}: {mp3val}");
    }
}

#[tokio::test]
async fn damage_and_silence_are_told_apart_as_on_the_plain_course() {
    let (bench, workshop) = (parallel(2), Workshop::new());
    for (name, codecs) in [
        ("index-first.mp4", &FASTSTART[..]),
        ("matroska.mkv", &["-c:v", "libx264", "-c:a", "ac3"]),
        ("pcm.avi", &["-c:v", "mpeg4", "-c:a", "pcm_s16le"]),
    ] {
        let video = workshop.video(name, "12", codecs);
        converted(&bench, &video, ConversionOptions::default()).await.lasts(12.0);
        for percent in [1, 30, 90] {
            let failure = bench.failure(&beginning(&video, percent)).await;
            assert_eq!(failure, FailureCode::Damaged, "{percent} % of {name}");
        }
    }
    let silent = std::fs::read(workshop.silent("silent.mp4", "3")).unwrap();
    assert_eq!(bench.failure(&silent).await, FailureCode::NoAudioTrack);
    assert_eq!(bench.failure(b"no video at all").await, FailureCode::NotAMediaFile);
}

#[tokio::test]
async fn late_sound_second_tracks_many_channels_and_blinks_of_sound_are_whole() {
    let (bench, workshop) = (parallel(2), Workshop::new());
    let video = workshop.video("video.mp4", "6", &FASTSTART);
    let video = video.to_str().unwrap();
    for late in ["late.mp4", "late.mkv"] {
        let shifted = ["-i", video, "-itsoffset", "3", "-i", video];
        workshop.ffmpeg(&[&shifted[..], &["-map", "0:v", "-map", "1:a", "-c", "copy", late]].concat());
        bench.convert(&workshop.path(late)).await.lasts(6.0);
    }
    let tracks = ["-disposition:a:0", "0", "-disposition:a:1", "default", "second.mkv"];
    let both = ["-i", video, "-map", "0:a", "-map", "0:a", "-c", "copy"];
    workshop.ffmpeg(&[&both[..], &tracks].concat());
    bench.convert(&workshop.path("second.mkv")).await.lasts(6.0);
    let noise = "anoisesrc=d=9:a=0.2:r=96000,aformat=channel_layouts=5.1";
    let mp3 = bench.convert(&workshop.sound("5.1.mkv", noise, "9", &["-c:a", "flac"])).await;
    mp3.lasts(9.0);
    assert_eq!(mp3.converted.audio.mpeg.unwrap().sample_rate_hz, 48_000);
    let blink = bench.convert(&workshop.video("blink.mp4", "0.2", &FASTSTART)).await;
    assert!((0.1..0.4).contains(&blink.seconds()), "{}", blink.seconds());
}

#[tokio::test]
async fn tags_are_those_of_the_plain_course() {
    let workshop = Workshop::new();
    let tags = ["-metadata", "title=Ein Vortrag über Ada", "-metadata", "location=+48.2+016.3/"];
    let video = workshop.video("tagged.mov", "3", &[&FASTSTART[..], &tags].concat());
    let tag = |mp3: &Mp3| {
        let bytes = std::fs::read(&mp3.converted.path).unwrap();
        let length = bytes.len() - frames_of(&bytes).concat().len();
        bytes[..length].to_vec()
    };
    let benches = [Bench::new(), parallel(2)];
    let (plain, joined) = (benches[0].convert(&video).await, benches[1].convert(&video).await);
    assert!(tag(&plain).len() > 30);
    assert_eq!(tag(&joined), tag(&plain));
}

#[tokio::test]
async fn a_parallel_conversion_that_fails_or_is_cancelled_leaves_nothing_at_work() {
    let (bench, workshop) = (parallel(2), Workshop::new());
    let minute = workshop.video("minute.mp4", "60", &FASTSTART);
    let long = std::fs::read(workshop.repeated(&minute, 30, "long.mp4")).unwrap();

    let scratch = bench.scratch(&long);
    std::os::unix::fs::symlink("/dev/full", scratch.directory().join("joined.mp3")).unwrap();
    let (report, never) = (nothing_reported(), CancellationToken::new());
    let error = bench.engine.convert(&scratch, &ConversionOptions::default(), &report, &never).await;
    assert!(matches!(error, Err(ConversionError::Join(_))), "{error:?}");
    assert!(!has_process_in(scratch.directory()));

    let scratch = bench.scratch(&long);
    let (report, cancel) = (nothing_reported(), CancellationToken::new());
    let mut reports = report.subscribe();
    let cancel_on_progress = async {
        reports.wait_for(|report| report.progress.ratio > 0.0).await.unwrap();
        assert!(has_process_in(scratch.directory()));
        cancel.cancel();
    };
    let options = ConversionOptions::default();
    let converting = bench.engine.convert(&scratch, &options, &report, &cancel);
    let (converted, ()) = tokio::join!(converting, cancel_on_progress);
    assert!(matches!(converted, Err(ConversionError::Cancelled)), "{converted:?}");
    assert!(!has_process_in(scratch.directory()));
}

//! Audio that does not fit its picture, and unusual kinds of audio.

use std::path::Path;

use contracts::{AudioFormat, FailureCode};

use crate::bench::Bench;
use crate::media::{FASTSTART, Workshop, frequency_at, options, pcm};

#[tokio::test]
async fn sound_and_picture_need_not_be_equally_long() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let picture = workshop.silent("picture.mp4", "6");
    let tone = workshop.tone("tone.m4a", "2", &[]);
    let long_tone = workshop.tone("long-tone.m4a", "9", &[]);
    for name in ["joined.mp4", "joined.mkv", "joined.mov", "joined.flv"] {
        for (tone, seconds) in [(&tone, 2.0), (&long_tone, 9.0)] {
            let (picture, tone) = (picture.to_str().unwrap(), tone.to_str().unwrap());
            let video = if name.ends_with("flv") { "flv1" } else { "copy" };
            workshop.ffmpeg(&["-i", picture, "-i", tone, "-c:a", "copy", "-c:v", video, name]);
            bench.convert(&workshop.path(name)).await.lasts(seconds);
        }
    }
}

#[tokio::test]
async fn a_track_that_says_nothing_of_its_length_may_be_shorter_than_its_picture() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let picture = workshop.silent("picture.mp4", "6");
    let tone = workshop.tone("tone.opus", "2", &[]);
    let (picture, tone) = (picture.to_str().unwrap(), tone.to_str().unwrap());
    workshop.ffmpeg(&["-i", picture, "-i", tone, "-c", "copy", "tagged.mkv"]);
    // Recorders other than FFmpeg do not write this tag.
    let mut bytes = std::fs::read(workshop.path("tagged.mkv")).unwrap();
    let tags: Vec<usize> = (0..bytes.len() - 8).filter(|at| bytes[*at..].starts_with(b"DURATION")).collect();
    assert_eq!(tags.len(), 2);
    for at in tags {
        bytes[at] = b'X';
    }
    let mp3 = bench.convert_bytes(&bytes, contracts::ConversionOptions::default()).await.unwrap();
    mp3.lasts(2.0);
}

#[tokio::test]
async fn sound_that_begins_late_or_is_cut_by_an_edit_list_is_whole() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let video = workshop.video("video.mp4", "6", &FASTSTART);
    let video = video.to_str().unwrap();
    for late in ["late.mp4", "late.mkv"] {
        workshop.ffmpeg(&[
            "-i",
            video,
            "-itsoffset",
            "3",
            "-i",
            video,
            "-map",
            "0:v",
            "-map",
            "1:a",
            "-c",
            "copy",
            late,
        ]);
        bench.convert(&workshop.path(late)).await.lasts(6.0);
    }
    workshop.ffmpeg(&["-ss", "2.3", "-i", video, "-c", "copy", "cut.mp4"]);
    bench.convert(&workshop.path("cut.mp4")).await.lasts(3.7);
}

#[tokio::test]
async fn a_gap_in_the_sound_becomes_silence() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for name in ["gap.mkv", "gap.mp4"] {
        let without = ["-af", "aselect='not(between(t,3,6))'", "-c:v", "mpeg4", "-c:a", "aac"];
        bench.convert(&workshop.video(name, "9", &without)).await.lasts(9.0);
    }
}

#[tokio::test]
async fn of_several_tracks_the_default_one_is_taken() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let picture = workshop.silent("picture.mp4", "6");
    let (short, long) = (workshop.tone("short.m4a", "2", &[]), workshop.tone("long.m4a", "5", &[]));
    let inputs = [picture, short, long].map(|path| path.to_str().unwrap().to_owned());
    let [picture, short, long] = inputs.each_ref().map(String::as_str);
    let join = ["-i", picture, "-i", short, "-i", long, "-map", "0", "-map", "1", "-map", "2", "-c", "copy"];
    for (name, dispositions, seconds) in [
        ("first.mkv", ["-disposition:a:0", "default", "-disposition:a:1", "0"], 2.0),
        ("second.mkv", ["-disposition:a:0", "0", "-disposition:a:1", "default"], 5.0),
        ("none.mkv", ["-disposition:a:0", "0", "-disposition:a:1", "0"], 2.0),
    ] {
        workshop.ffmpeg(&[&join[..], &dispositions, &[name]].concat());
        let mp3 = bench.convert(&workshop.path(name)).await;
        mp3.lasts(seconds);
        assert_eq!(mp3.converted.source.audio_tracks.len(), 2, "{name}");
    }
}

#[tokio::test]
async fn a_track_that_is_not_decoded_gives_way_to_one_that_is() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let telephone =
        workshop.tone("telephone.wav", "2", &["-c:a", "g723_1", "-ar", "8000", "-ac", "1", "-b:a", "6300"]);
    assert_eq!(bench.failure(&std::fs::read(&telephone).unwrap()).await, FailureCode::UnsupportedFormat);
    let known = workshop.tone("known.m4a", "5", &[]);
    let inputs = ["-i", telephone.to_str().unwrap(), "-i", known.to_str().unwrap()];
    workshop.ffmpeg(&[&inputs[..], &["-map", "0", "-map", "1", "-c", "copy", "both.mkv"]].concat());
    bench.convert(&workshop.path("both.mkv")).await.lasts(5.0);
}

#[tokio::test]
async fn every_number_of_channels_becomes_mono_or_stereo() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for (layout, channels) in [("mono", 1), ("stereo", 2), ("5.1", 6), ("7.1", 8)] {
        let name = format!("{layout}.mkv");
        let noise = format!("anoisesrc=d=2:a=0.2,aformat=channel_layouts={layout}");
        let mp3 = bench.convert(&workshop.sound(&name, &noise, "2", &["-c:a", "flac"])).await;
        mp3.lasts(2.0);
        assert_eq!(mp3.converted.source.audio_tracks[0].channels, channels);
    }
}

#[tokio::test]
async fn every_sample_rate_becomes_one_that_mp3_has() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for (rate, expected) in [
        (8_000, 8_000),
        (11_025, 11_025),
        (22_050, 22_050),
        (37_800, 32_000),
        (48_000, 48_000),
        (96_000, 48_000),
    ] {
        let noise = format!("anoisesrc=d=2:a=0.2:r={rate}");
        let mp3 = bench.convert(&workshop.sound(&format!("{rate}.wav"), &noise, "2", &[])).await;
        mp3.lasts(2.0);
        assert_eq!(mp3.converted.audio.mpeg.unwrap().sample_rate_hz, expected, "{rate}");
    }
}

#[tokio::test]
async fn a_blink_of_sound_is_converted() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let mp3 = bench.convert(&workshop.video("short.mp4", "0.2", &FASTSTART)).await;
    assert!((0.1..0.4).contains(&mp3.seconds()), "{}", mp3.seconds());
}

/// Changes a file's first AAC track to a kind that FFmpeg cannot decode (audio object type 42, xHE-AAC).
fn unknown_aac(file: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(file).unwrap();
    // The configuration of stereo at 44.1 kHz, after the name of its box or element.
    let names = [&b"esds"[..], b"A_AAC"];
    let name = (0..bytes.len()).find(|at| names.iter().any(|name| bytes[*at..].starts_with(name))).unwrap();
    let at = (name..bytes.len()).find(|at| bytes[*at..].starts_with(&[0x12, 0x10])).unwrap();
    bytes[at..at + 3].copy_from_slice(&[0xf9, 0x48, 0x40]);
    bytes
}

#[tokio::test]
async fn a_track_whose_decoder_refuses_it_gives_way_to_another() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let (refused, known) = (workshop.tone("refused.m4a", "2", &[]), workshop.tone("known.m4a", "5", &[]));
    assert_eq!(bench.failure(&unknown_aac(&refused)).await, FailureCode::UnsupportedFormat);
    let inputs = ["-i", refused.to_str().unwrap(), "-i", known.to_str().unwrap(), "-map", "0", "-map", "1"];
    for name in ["both.mp4", "both.mov", "both.mkv"] {
        workshop.ffmpeg(&[&inputs[..], &["-c", "copy", "-metadata", "title=Both", name]].concat());
        let both = unknown_aac(&workshop.path(name));
        for format in AudioFormat::ALL.map(AudioFormat::as_str) {
            let made = bench.convert_bytes(&both, options(&[("format", format)])).await.unwrap();
            made.lasts(5.0);
            assert_eq!(made.converted.tracks, [1], "{name} as {format}");
            assert_eq!(made.converted.source.audio_tracks.len(), 2);
        }
        let first = bench.convert_bytes(&both, options(&[("track", "0")])).await.map(drop).unwrap_err();
        assert_eq!(first.code(), Some(FailureCode::UnsupportedFormat), "{name}");
    }
}

#[tokio::test]
async fn recordings_of_web_radios_are_one_sound() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for (codec, ending, rates) in [
        ("libopus", "opus", ["48000", "48000"]),
        ("flac", "oga", ["44100", "48000"]),
        ("libvorbis", "ogg", ["44100", "22050"]),
        ("libspeex", "spx", ["16000", "16000"]),
    ] {
        let links: Vec<Vec<u8>> = ["1", "2"]
            .iter()
            .zip(["440", "880"])
            .zip(rates)
            .map(|((channels, pitch), rate)| {
                let (tone, name) = (format!("sine=f={pitch}"), format!("{channels}.{ending}"));
                // A Speex decoder uses one number of channels for all links.
                let channels = if ending == "spx" { "1" } else { channels };
                let codec = ["-ac", channels, "-ar", rate, "-c:a", codec, "-f", "ogg"];
                std::fs::read(workshop.sound(&name, &tone, "4", &codec)).unwrap()
            })
            .collect();
        for (what, recording) in [
            ("two", [&links[0][..], &links[1]].concat()),
            ("three", [&links[1][..], &links[0], &links[1]].concat()),
            ("the same twice", links[1].repeat(2)),
        ] {
            let (seconds, last_second) = if what == "three" { (12.0, 10) } else { (8.0, 6) };
            for format in AudioFormat::ALL.map(AudioFormat::as_str) {
                let made = bench.convert_bytes(&recording, options(&[("format", format)])).await;
                let made = made.unwrap_or_else(|error| panic!("{what} of {codec} as {format}: {error}"));
                let actual = made.seconds();
                assert!((actual - seconds).abs() < 0.25, "{what} of {codec} as {format}: {actual} s");
                let first = if what == "two" { 440 } else { 880 };
                for (at, expected) in [(1, first), (last_second, 880)] {
                    let found = frequency_at(&made.converted.path, at);
                    assert!(
                        found.abs_diff(expected) < 25,
                        "{what} of {codec} as {format} at {at} s: {found} Hz"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn empty_chunks_of_an_avi_file_are_silence() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for codec in ["libmp3lame", "mp2", "ac3", "aac"] {
        let without = ["-af", "aselect='not(between(t,2,7))'", "-c:v", "mpeg4", "-c:a", codec];
        let video = std::fs::read(workshop.video("gap.avi", "9", &without)).unwrap();
        for format in AudioFormat::ALL.map(AudioFormat::as_str) {
            let made = bench.convert_bytes(&video, options(&[("format", format)])).await.unwrap();
            made.lasts(9.0);
            let part = [("format", format), ("start", "7.2"), ("end", "8.2")];
            let part = bench.convert_bytes(&video, options(&part)).await.unwrap();
            part.lasts(1.0);
            assert!(
                frequency_at(&part.converted.path, 0) > 300,
                "{codec} as {format}: there is sound behind the gap"
            );
        }
    }
}

/// FFmpeg and others find no MP3 in a file of one frame.
#[tokio::test]
async fn a_sound_of_a_frame_or_two_can_be_played_as_mp3() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for frames in ["1", "2", "3", "4"] {
        for container in ["avi", "mkv"] {
            let name = format!("{frames}.{container}");
            let tone = workshop.tone("tone.mp3", "2", &[]);
            let tone = tone.to_str().unwrap();
            workshop.ffmpeg(&["-i", tone, "-c", "copy", "-frames:a", frames, &name]);
            let made = bench.convert(&workshop.path(&name)).await;
            let samples = pcm(&made.converted.path).len();
            assert!(samples > 0, "{name}: nothing of {} s can be played", made.seconds());
        }
    }
}

#[tokio::test]
async fn a_few_samples_are_a_sound_in_every_format_that_can_hold_them() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for samples in [1_u32, 20, 300, 1500] {
        let name = format!("{samples}.wav");
        let cut = format!("atrim=end_sample={samples}");
        workshop.ffmpeg(&["-f", "lavfi", "-i", "sine=r=44100:d=1", "-af", &cut, &name]);
        let bytes = std::fs::read(workshop.path(&name)).unwrap();
        for format in AudioFormat::ALL {
            let what = format!("{samples} samples as {}", format.as_str());
            match bench.convert_bytes(&bytes, options(&[("format", format.as_str())])).await {
                Ok(made) => {
                    let expected = f64::from(samples) / 44_100.0;
                    assert!((made.seconds() - expected).abs() < 0.0002, "{what}: {} s", made.seconds());
                }
                Err(error) => {
                    assert_eq!(error.code(), Some(FailureCode::UnsuitableFormat), "{what}: {error}");
                    assert!(format == AudioFormat::Opus && samples < 300, "{what}");
                }
            }
        }
    }
}

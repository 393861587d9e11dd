//! Sound that does not fit its picture, and sound of unusual kinds.

use contracts::FailureCode;

use crate::bench::Bench;
use crate::media::{FASTSTART, Workshop};

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

//! Reads FFmpeg's own list of a file's tracks, which is written for people. It is the only source if ffprobe
//! gives up, which it does as soon as a decoder refuses its track.

use super::answer::{Answer, Format, ProbedChapter, Stream};
use crate::engine::sound::Layout;
use crate::engine::source::tracks::Disposition;

/// Reads the list. The decoder of the track with the index `refused` is known to refuse it.
pub(crate) fn read(log: &str, refused: u32) -> Option<Answer> {
    let mut lines = log.lines().filter_map(|line| line.strip_prefix("[info] ")).map(str::trim_start);
    // `Input #0, matroska,webm, from 'file:source':`
    let input = lines.find_map(|line| line.strip_prefix("Input #0, "))?;
    let (name, _) = input.split_once(", from ")?;
    // FFmpeg prints no score; a recognised name counts as certain.
    let format = Format { name: name.to_owned(), probe_score: 100, ..Format::default() };
    let mut answer = Answer { format, ..Answer::default() };
    for line in lines {
        if let Some(line) = line.strip_prefix("Duration: ") {
            // `00:00:04.02, start: 0.000000, bitrate: 273 kb/s`
            let mut parts = line.split(", ");
            answer.format.duration = parts.next().and_then(in_seconds);
            answer.format.start_time = parts.find_map(|part| part.strip_prefix("start: ")).map(str::to_owned);
        } else if let Some(line) = line.strip_prefix("Chapter #0:") {
            answer.chapters.extend(chapter(line));
        } else if let Some(line) = line.strip_prefix("Stream #0:") {
            answer.streams.extend(stream(line, refused));
        } else if let Some((name, text)) = line.split_once(": ") {
            let tags = match (answer.streams.last_mut(), answer.chapters.last_mut()) {
                (Some(stream), _) => &mut stream.tags,
                (None, Some(chapter)) => &mut chapter.tags,
                (None, None) => &mut answer.format.tags,
            };
            tags.insert(name.trim_end().to_owned(), text.to_owned());
        }
    }
    Some(answer)
}

/// `HH:MM:SS.ss`
fn in_seconds(clock: &str) -> Option<String> {
    super::answer::clock_time(clock).map(|seconds| seconds.to_string())
}

/// `0: start 0.000000, end 2.000000`
fn chapter(line: &str) -> Option<ProbedChapter> {
    let (_, times) = line.split_once(": start ")?;
    let (start, end) = times.split_once(", end ")?;
    Some(ProbedChapter { start_time: start.to_owned(), end_time: end.to_owned(), ..ProbedChapter::default() })
}

/// `1[0x2](deu): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, stereo, fltp, 127 kb/s (default)`
fn stream(line: &str, refused: u32) -> Option<Stream> {
    let (place, description) = line.split_once(": ")?;
    let index = place.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()?;
    let (kind, description) = description.split_once(": ")?;
    let mut parts = description.split(", ");
    let names = parts.next()?;
    let mut stream = Stream {
        index,
        codec_type: kind.to_ascii_lowercase(),
        codec_name: names.split(' ').next().filter(|name| *name != "none").map(str::to_owned),
        is_refused: index == refused,
        disposition: disposition(description),
        ..Stream::default()
    };
    if let Some((_, language)) = place.split_once('(') {
        stream.tags.insert("language".to_owned(), language.trim_end_matches(')').to_owned());
    }
    if let Some((_, tag)) = names.rsplit_once(" (").filter(|(_, tag)| tag.contains(" / 0x")) {
        tag.split(' ').next().unwrap_or_default().clone_into(&mut stream.codec_tag_string);
    }
    if kind == "Audio" {
        stream.sample_rate = parts.next().and_then(|part| part.strip_suffix(" Hz")).map(str::to_owned);
        let layout = parts.next().unwrap_or_default();
        stream.channels = channels(layout);
        stream.channel_layout = Some(layout.to_owned());
        stream.sample_fmt = parts.next().and_then(|part| part.split(' ').next()).map(str::to_owned);
    }
    Some(stream)
}

/// `stereo`, `5.1(side)`, or `9 channels`.
fn channels(layout: &str) -> Option<u32> {
    if let Some(count) = layout.strip_suffix(" channels") {
        return count.parse().ok();
    }
    match Layout::of_name(layout) {
        Some(named) => Some(named.channels()),
        None if layout == "downmix" => Some(2),
        // `22.2`: the number of full channels and of low-frequency channels.
        None => layout.split('(').next()?.split('.').map(|count| count.parse::<u32>().ok()).sum(),
    }
}

fn disposition(description: &str) -> Disposition {
    let has = |name: &str| u8::from(description.contains(&format!(" ({name})")));
    Disposition {
        default: has("default"),
        attached_pic: has("attached pic"),
        dub: has("dub"),
        comment: has("comment"),
        karaoke: has("karaoke"),
        hearing_impaired: has("hearing impaired"),
        visual_impaired: has("visual impaired"),
        clean_effects: has("clean effects"),
        descriptions: has("descriptions"),
        dependent: has("dependent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "[aac @ 0x5] [warning] Audio object type 42 is not implemented. Update your FFmpeg version\n\
        [info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:source':\n\
        [info]   Metadata:\n\
        [info]     title           : A: \u{fc}\n\
        [info]   Duration: 00:01:04.50, start: 0.250000, bitrate: 279 kb/s\n\
        [info]   Chapters:\n\
        [info]     Chapter #0:0: start 0.250000, end 2.000000\n\
        [info]       Metadata:\n\
        [info]         title           : One\n\
        [info]   Stream #0:0[0x1](und): Audio: aac (mp4a / 0x6134706D), 44100 Hz, stereo, fltp, 127 kb/s (default)\n\
        [info]     Metadata:\n\
        [info]       handler_name    : SoundHandler\n\
        [info]   Stream #0:1[0x2](deu): Audio: ac3 (ac-3 / 0x332D6361), 48000 Hz, 5.1(side), fltp, 384 kb/s (visual impaired)\n\
        [info]   Stream #0:2: Video: mjpeg (Baseline), yuvj420p(pc), 64x64, 90k tbr (attached pic)\n\
        [fatal] At least one output file must be specified\n";

    #[test]
    fn a_list_for_people_says_what_ffprobe_would() {
        let answer = read(LOG, 0).unwrap();
        assert_eq!(answer.format.name, "mov,mp4,m4a,3gp,3g2,mj2");
        assert_eq!(answer.format.tags["title"], "A: \u{fc}");
        assert_eq!(answer.format.duration.as_deref(), Some("64.5"));
        assert_eq!(answer.format.start_time.as_deref(), Some("0.250000"));
        assert_eq!((answer.chapters.len(), &*answer.chapters[0].tags["title"]), (1, "One"));
        let [refused, taken, cover] = &answer.streams[..] else { panic!("{:?}", answer.streams) };
        assert!(refused.is_refused && !taken.is_refused && !refused.is_decodable() && taken.is_decodable());
        assert_eq!((taken.index, taken.channels, taken.sample_rate_hz()), (1, Some(6), 48_000));
        assert_eq!((taken.codec(), &*taken.codec_tag_string), ("ac3", "ac-3"));
        assert_eq!((&*taken.tags["language"], taken.disposition.visual_impaired), ("deu", 1));
        assert_eq!((refused.disposition.default, refused.channels), (1, Some(2)));
        assert!(cover.is_cover());
        assert!(read("[fatal] nothing\n", 0).is_none());
    }
}

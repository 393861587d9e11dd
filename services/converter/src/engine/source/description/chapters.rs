//! Chapters, and their times in a selected part.

use super::{Description, texts};

/// A chapter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chapter {
    /// Its beginning.
    pub start_seconds: f64,
    /// Its end.
    pub end_seconds: f64,
    /// Its title.
    pub title: Option<String>,
}

/// The most chapters that Vorbis comments can number with three digits.
const MAX_COUNT: usize = 1000;

const MILLISECOND: f64 = 0.001;

impl Description {
    /// The description with chapters on the finished file's clock, which begins at `begin` on the source's
    /// clock and lasts `seconds`.
    pub(crate) fn on_clock(self, begin: f64, seconds: Option<f64>) -> Self {
        // The small addition corrects floating-point errors: 0.043 seconds are 42.99999999999999
        // milliseconds.
        let end = seconds.map_or(f64::INFINITY, |seconds| (seconds / MILLISECOND + 0.001).floor());
        let on_clock = |at: f64| ((at - begin) / MILLISECOND).round().clamp(0.0, end.max(0.0)) * MILLISECOND;
        let chapters = self.chapters.into_iter().map(|chapter| Chapter {
            start_seconds: on_clock(chapter.start_seconds),
            end_seconds: on_clock(chapter.end_seconds),
            title: chapter.title,
        });
        let chapters = chapters.filter(|chapter| chapter.milliseconds().is_some()).collect();
        Self { chapters, ..self }
    }

    /// The chapters to write: beginning, end and title.
    pub(super) fn chapters_in_milliseconds(&self) -> impl Iterator<Item = (u32, u32, Option<&str>)> {
        let chapters = self.chapters.iter().filter_map(|chapter| {
            let (start, end) = chapter.milliseconds()?;
            Some((start, end, chapter.title.as_deref()))
        });
        chapters.take(MAX_COUNT)
    }
}

impl Chapter {
    /// Beginning and end. `None`: the chapter is empty.
    fn milliseconds(&self) -> Option<(u32, u32)> {
        let start = milliseconds(self.start_seconds);
        let end = milliseconds(self.end_seconds);
        (start < end).then_some((start, end))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float goes to the nearest number that there is, and 50 days are enough"
)]
fn milliseconds(seconds: f64) -> u32 {
    (seconds / MILLISECOND).round() as u32
}

/// The valid chapters in order.
pub(super) fn cleaned(mut chapters: Vec<Chapter>) -> Vec<Chapter> {
    chapters.retain(|chapter| chapter.start_seconds.is_finite() && chapter.end_seconds.is_finite());
    chapters.sort_by(|a, b| a.start_seconds.total_cmp(&b.start_seconds));
    for chapter in &mut chapters {
        chapter.title = chapter.title.take().and_then(|title| texts::cleaned(&title, texts::MAX_BYTES));
    }
    chapters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_clock(chapters: &[(f64, f64)], begin: f64, seconds: Option<f64>) -> Vec<(u32, u32)> {
        let chapters = chapters.iter().map(|(start, end)| Chapter {
            start_seconds: *start,
            end_seconds: *end,
            title: None,
        });
        let description = Description { chapters: cleaned(chapters.collect()), ..Description::default() };
        description.on_clock(begin, seconds).chapters.iter().filter_map(Chapter::milliseconds).collect()
    }

    #[test]
    fn chapters_are_moved_and_cut_at_both_ends() {
        let chapters = [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 8.0)];
        assert_eq!(on_clock(&chapters, 1.0, Some(3.5)), [(0, 1000), (1000, 3000), (3000, 3500)]);
        assert_eq!(on_clock(&chapters, 2.0, Some(2.0)), [(0, 2000)]);
        assert_eq!(on_clock(&chapters, -0.5, None)[0], (500, 2500));
        assert_eq!(on_clock(&chapters, 0.0, Some(0.0)), []);
    }

    #[test]
    fn no_chapter_ends_behind_the_sound() {
        assert_eq!(on_clock(&[(0.0, 2.0), (2.0, 3.0)], 0.0, Some(2.0006)), [(0, 2000)]);
        assert_eq!(on_clock(&[(0.0, 9.0)], 0.0, Some(0.043)), [(0, 43)]);
        assert_eq!(on_clock(&[(0.0, 9.0)], 0.0, Some(2.2995)), [(0, 2299)]);
    }

    #[test]
    fn a_chapter_has_a_length_and_a_time_that_is_a_number() {
        let odd = [(3.0, 1.0), (1.0, 1.0), (f64::NAN, 2.0), (0.0, f64::INFINITY), (2.0, 2.5), (1.5, 2.0)];
        assert_eq!(on_clock(&odd, 0.0, None), [(1500, 2000), (2000, 2500)]);
    }
}

//! The steps of a track's clock between packets. The audio's length is calculated from them.

/// Steps are counted in classes of a tenth of a millisecond, up to one second, so that memory is bounded for
/// any file.
const CLASSES: u16 = 10_000;

/// A clock that goes back by no more than this only jitters. By more, it was set anew.
const LONGEST_JITTER_SECONDS: f64 = 1.0;

#[derive(Debug, Clone, Copy, Default)]
struct Class {
    steps: u32,
    seconds: f64,
}

/// The steps of a track.
pub(super) struct Steps {
    classes: Vec<Class>,
    /// How far the clock advanced, without the times it was set anew, and how often it was set.
    passed_seconds: f64,
    times_set_anew: f64,
}

impl Default for Steps {
    fn default() -> Self {
        let classes = vec![Class::default(); usize::from(CLASSES) + 1];
        Self { classes, passed_seconds: 0.0, times_set_anew: 0.0 }
    }
}

impl Steps {
    pub(super) fn add(&mut self, step: f64) {
        if step >= -LONGEST_JITTER_SECONDS {
            self.passed_seconds += step;
        } else {
            self.times_set_anew += 1.0;
        }
        // A clock that went back does not show a packet's length.
        let class = if step < 0.0 { CLASSES } else { class_of(step) };
        let class = &mut self.classes[usize::from(class)];
        class.steps = class.steps.saturating_add(1);
        class.seconds += step;
    }

    /// The median step.
    pub(super) fn typical(&self) -> f64 {
        let count: u64 = self.classes.iter().map(|class| u64::from(class.steps)).sum();
        let mut seen = 0;
        let median = self.classes.iter().find(|class| {
            seen += u64::from(class.steps);
            seen * 2 >= count && count > 0
        });
        median.map_or(0.0, |class| class.seconds / f64::from(class.steps.max(1)))
    }

    /// The length of all packets together. A packet before a gap, which is a step of at least `longest`,
    /// counts as `typical`, and so does the last packet.
    pub(super) fn sound_seconds(&self, typical: f64, longest: f64) -> f64 {
        let (usual, outliers) = self.classes.split_at(usize::from(class_of(longest)));
        let outliers = outliers.iter().map(|class| f64::from(class.steps)).sum::<f64>() + 1.0;
        let sound = usual.iter().map(|class| class.seconds).sum::<f64>() + outliers * typical;
        // Packets may declare a longer length than they have. The clock then goes back at the next correct
        // packet.
        sound.min(self.passed_seconds.max(0.0) + (self.times_set_anew + 1.0) * typical)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and CLASSES")]
fn class_of(seconds: f64) -> u16 {
    (seconds * f64::from(CLASSES)).round().clamp(0.0, f64::from(CLASSES)) as u16
}

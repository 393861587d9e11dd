//! The measurements, and the table that is printed of them.

use std::time::Duration;

/// Repeated measurements of the same thing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// NaN if nothing was measured.
    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match (self.0.get(middle), self.0.len() % 2) {
            (Some(upper), 0) => f64::midpoint(self.0[middle - 1], *upper),
            (Some(median), _) => *median,
            (None, _) => f64::NAN,
        }
    }

    /// The value below which this share of all values is. NaN if nothing was measured.
    pub(crate) fn at(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a share of a small number"
        )]
        let index = (self.0.len() as f64 * share) as usize;
        self.0.get(index.min(self.0.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    /// The median, with the lowest and the highest in parentheses, formatted with `form`.
    pub(crate) fn show(&self, form: impl Fn(f64) -> String) -> String {
        match self.0.as_slice() {
            [] => "nothing".to_owned(),
            [only] => form(*only),
            [lowest, .., highest] => {
                format!("{} ({} to {})", form(self.median()), form(*lowest), form(*highest))
            }
        }
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        let mut series = Self::default();
        values.into_iter().for_each(|value| series.add(value));
        series
    }
}

/// Our time and the plain tool's, for rounds in which both did the same work.
#[derive(Debug, Default)]
pub(crate) struct Duel(Vec<(Duration, Duration)>);

impl Duel {
    pub(crate) fn add(&mut self, ours: Duration, plain: Duration) {
        eprintln!("  ours {:.3} s, plain {:.3} s", ours.as_secs_f64(), plain.as_secs_f64());
        self.0.push((ours, plain));
    }

    /// The number of rounds.
    pub(crate) fn rounds(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn ours(&self) -> Series {
        self.0.iter().map(|(ours, _)| ours.as_secs_f64()).collect()
    }

    pub(crate) fn plain(&self) -> Series {
        self.0.iter().map(|(_, plain)| plain.as_secs_f64()).collect()
    }

    /// Our time as a multiple of the plain tool's, round by round.
    pub(crate) fn times(&self) -> Series {
        self.0.iter().map(|(ours, plain)| ours.as_secs_f64() / plain.as_secs_f64()).collect()
    }

    /// Our rate as a multiple of the plain tool's, round by round.
    pub(crate) fn rates(&self) -> Series {
        self.0.iter().map(|(ours, plain)| plain.as_secs_f64() / ours.as_secs_f64()).collect()
    }

    /// How many seconds longer we took, round by round.
    pub(crate) fn excess(&self) -> Series {
        self.0.iter().map(|(ours, plain)| ours.as_secs_f64() - plain.as_secs_f64()).collect()
    }
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) plain: String,
    pub(crate) compared: String,
    pub(crate) aim: &'static str,
    /// `None` where no aim is set.
    pub(crate) is_met: Option<bool>,
    /// A remark to print below the table.
    pub(crate) note: Option<String>,
}

pub(crate) fn print_table(rows: &[Row]) {
    println!("| What | Mixdown | Plain tool | Compared | Aim | Met |");
    println!("|---|---|---|---|---|---|");
    for Row { what, ours, plain, compared, aim, is_met, .. } in rows {
        let met = match is_met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        println!("| {what} | {ours} | {plain} | {compared} | {aim} | {met} |");
    }
    println!();
    for Row { what, note, .. } in rows {
        if let Some(note) = note {
            println!("- {what}: {note}");
        }
    }
}

pub(crate) fn seconds(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

pub(crate) fn milliseconds(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1e3)
}

pub(crate) fn times(ratio: f64) -> String {
    format!("{ratio:.2}×")
}

pub(crate) fn mebibytes(mebibytes: f64) -> String {
    format!("{mebibytes:.1} MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_shows_its_median_and_its_range() {
        let show = |values: &[f64]| values.iter().copied().collect::<Series>().show(times);
        assert_eq!(show(&[3.0, 1.0, 2.0]), "2.00× (1.00× to 3.00×)");
        assert_eq!(show(&[1.0, 2.0]), "1.50× (1.00× to 2.00×)");
        assert_eq!(show(&[1.0]), "1.00×");
        let hundred: Series = (1..=100).map(f64::from).collect();
        assert_eq!((hundred.at(0.0), hundred.at(0.99), hundred.at(1.0)), (1.0, 100.0, 100.0));
    }
}

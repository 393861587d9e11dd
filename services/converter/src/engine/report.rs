//! What the engine reports about a running conversion.

use contracts::{Phase, Progress, SourceFacts};

/// A conversion's progress and the facts found so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How far it is.
    pub progress: Progress,
    /// Facts about the source, once they are known.
    pub source: Option<SourceFacts>,
}

impl Default for Report {
    /// The report of a conversion that has just begun.
    fn default() -> Self {
        Self { progress: Progress { phase: Phase::Probing, ratio: 0.0 }, source: None }
    }
}

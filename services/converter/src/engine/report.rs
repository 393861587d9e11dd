//! What the engine tells of a conversion under way.

use contracts::{Phase, Progress, SourceFacts};

/// How far a conversion is, and what it knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How far it is.
    pub progress: Progress,
    /// What it found in the source, once it knows.
    pub source: Option<SourceFacts>,
}

impl Default for Report {
    /// Of a conversion that has only begun.
    fn default() -> Self {
        Self { progress: Progress { phase: Phase::Probing, ratio: 0.0 }, source: None }
    }
}

//! Checks before the first job whether FFmpeg can be confined on this machine.

use anyhow::{Context as _, bail};

use crate::engine::{Engine, ScratchSpace};
use crate::sandbox::Finding;

/// Fails on a machine where a layer does not hold, unless `ALLOW_UNSANDBOXED_FFMPEG` permits it. Returns the
/// layers that hold, as a text for the operator.
pub(crate) async fn check(
    engine: &Engine,
    scratch: &ScratchSpace,
    is_optional: bool,
) -> anyhow::Result<String> {
    let directory = scratch.begin_job()?;
    let findings = engine.check_sandbox(&directory).await.context("could not try FFmpeg's confinement")?;
    let (held, missing) = findings.iter().partition::<Vec<_>, _>(|finding| finding.hole.is_none());
    let names = |findings: &[&Finding]| {
        let names: Vec<_> = findings.iter().map(|finding| finding.layer.name()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    if missing.is_empty() {
        tracing::info!(layers = names(&held), "FFmpeg is confined");
        return Ok(names(&held));
    }
    let holes: Vec<_> = missing.iter().map(|finding| hole(finding)).collect();
    if !is_optional {
        bail!(
            "FFmpeg cannot be confined here, and it reads strangers' files: {}. docs/OPERATIONS.md tells what to do; \
             ALLOW_UNSANDBOXED_FFMPEG=true goes without",
            holes.join("; ")
        );
    }
    tracing::warn!(
        layers = names(&held),
        missing = holes.join("; "),
        "FFmpeg is NOT fully confined, as ALLOW_UNSANDBOXED_FFMPEG says"
    );
    Ok(format!("{}; NOT by {}", names(&held), names(&missing)))
}

fn hole(finding: &Finding) -> String {
    let hole = finding.hole.as_deref().unwrap_or_default();
    format!("{} ({hole}) needs {}", finding.layer.name(), finding.layer.needs())
}

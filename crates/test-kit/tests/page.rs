//! The browser page on a whole Mixdown: `web/tests`, which drive a browser.
//!
//! Needs the four services and the page: `cargo build --release --bins`, `make page`.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use test_kit::mixdown::Plan;
use test_kit::project::{Project, find_program};
use test_kit::shared;
use tokio::process::Command;

/// For some thirty tests in one browser.
const PATIENCE: Duration = Duration::from_mins(30);

#[tokio::test]
async fn people_can_do_everything_in_a_browser() -> Result<()> {
    let project = Project::locate()?;
    let plan = Plan::new().with("STATIC_DIR", &project.page()?.display().to_string());
    let mixdown = plan.start().await?;
    let ran = Command::new(find_program("npm")?)
        .args(["run", "test:browser", "--silent"])
        .current_dir(project.root().join("web"))
        .env("BASE_URL", mixdown.url())
        .env("INBOX_URL", &shared().inbox_url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status();
    let status = tokio::time::timeout(PATIENCE, ran).await.context("the browser tests do not end")??;
    ensure!(status.success(), "npm run test:browser: {status}");
    Ok(())
}

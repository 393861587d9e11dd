//! The browser page on the whole system: starts a Mixdown that serves it, and runs the tests in `web/tests` against that.
//!
//! A test program of its own, which cargo runs when the others are done: a browser wants the machine for itself.
//! Needs the services and the page: `cargo build --release --bins`, `make page`.

use std::time::Duration;

use anyhow::{Context, Result};
use test_kit::mixdown::Plan;
use test_kit::project::Project;
use test_kit::shared;
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_mins(20);

#[tokio::test]
async fn the_page_works_in_a_browser() -> Result<()> {
    let project = Project::locate()?;
    let page = project.page().context("the page is not built: run `make page`")?;
    let mixdown = Plan::new().with("STATIC_DIR", &page.display().to_string()).start().await?;
    let mut tests = Command::new("npm");
    tests
        .args(["run", "test:browser"])
        .current_dir(project.root().join("web"))
        .env("BASE_URL", mixdown.system().public_url())
        .env("INBOX_URL", &shared().inbox_url)
        .kill_on_drop(true);
    let ended = tokio::time::timeout(DEADLINE, tests.status()).await;
    let status = ended.context("the browser tests did not end")?.context("could not start npm")?;
    // A panic, so that the services' logs are shown.
    assert!(status.success(), "the browser tests failed, as they say above");
    Ok(())
}

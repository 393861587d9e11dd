//! The files of the browser page, as the gateway serves them.

use std::fs;

use anyhow::{Context, Result};
use contracts::ProblemCode;
use reqwest::{Client, Method, Response};
use test_kit::mixdown::{Mixdown, Plan, assert_problem, mixdown};
use test_kit::services::Service;

/// A folder as the page's build leaves it.
fn folder() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("assets"))?;
    for (name, content) in [
        ("index.html", "<!doctype html>the page"),
        ("index.html.br", "packed by brotli"),
        ("favicon.svg", "<svg/>"),
        ("assets/app-1a2b3c.js", "alert()"),
        ("assets/app-1a2b3c.js.gz", "packed by gzip"),
    ] {
        fs::write(folder.path().join(name), content)?;
    }
    Ok(folder)
}

async fn get(mixdown: &Mixdown, path: &str, encoding: &str) -> Result<Response> {
    let request = Client::new().get(format!("{}{path}", mixdown.url())).header("accept-encoding", encoding);
    request.send().await.with_context(|| format!("GET {path} got no answer"))
}

#[tokio::test]
async fn the_page_is_served_at_each_of_its_addresses_and_nothing_else_is() -> Result<()> {
    let folder = folder()?;
    let plan = Plan::new().only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.with("STATIC_DIR", &folder.path().display().to_string()).start().await?;
    for path in ["/", "/sign-in", "/sign-up", "/forgot", "/verify", "/reset", "/settings", "/admin"] {
        let answer = get(&mixdown, path, "identity").await?;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/html", "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-cache", "{path}");
        let policy = answer.headers()["content-security-policy"].to_str()?;
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert!(policy.ends_with("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.text().await?, "<!doctype html>the page", "{path}");
    }

    let packed = get(&mixdown, "/", "gzip, br").await?;
    assert_eq!(packed.headers()["content-encoding"], "br");
    assert_eq!(packed.headers()["content-type"], "text/html");
    assert_eq!(packed.headers()["vary"], "accept-encoding");
    assert_eq!(packed.bytes().await?, "packed by brotli");
    let script = get(&mixdown, "/assets/app-1a2b3c.js", "gzip").await?;
    assert_eq!(script.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(script.headers()["content-type"], "text/javascript");
    assert_eq!(script.headers()["x-content-type-options"], "nosniff");
    assert_eq!(script.bytes().await?, "packed by gzip");
    let icon = get(&mixdown, "/favicon.svg", "identity").await?;
    assert_eq!(icon.headers()["content-type"], "image/svg+xml");
    assert_eq!(icon.headers()["cache-control"], "no-cache");

    let user = mixdown.user().await?;
    for path in [
        "/nothing",
        "/assets",
        "/assets/",
        "/assets/gone.js",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/sign-in/x",
    ] {
        let answer = user.get(path).await?;
        // The policy of every other answer, not the page's.
        let policy = &answer.headers()["content-security-policy"];
        assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'", "{path}");
        assert_problem(path, answer, ProblemCode::NotFound).await?;
        let posted = user.request(Method::POST, path).send().await?;
        assert_problem(path, posted, ProblemCode::NotFound).await?;
    }
    let posted = user.request(Method::POST, "/settings").send().await?;
    assert_problem("POST to the page", posted, ProblemCode::MethodNotAllowed).await?;
    assert_eq!(user.jobs().await?, [], "the interface is no longer there");
    Ok(())
}

#[tokio::test]
async fn without_a_page_the_documentation_is_at_the_top() -> Result<()> {
    let answer = get(mixdown(), "/", "identity").await?;
    assert_eq!(answer.url().path(), "/docs/");
    assert_eq!(answer.status(), 200);
    Ok(())
}

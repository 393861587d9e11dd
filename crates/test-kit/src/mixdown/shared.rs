//! The Mixdown that the tests of one program share.

use std::sync::OnceLock;
use std::time::Duration;

use super::{Mixdown, Plan};
use anyhow::Result;
use contracts::ProblemCode;
use reqwest::{Response, StatusCode};

/// The timeout for mails, and for everything else that takes seconds on an idle machine.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The Mixdown that most tests share. Each test creates its own users.
///
/// # Panics
/// It does not start: no test can continue without it.
#[must_use]
#[expect(clippy::expect_used, reason = "no test can go on without it")]
pub fn mixdown() -> &'static Mixdown {
    static SHARED: OnceLock<Mixdown> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        // Processes end with the thread that started them, and a test's thread ends before the other tests
        // do.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime can be made");
            runtime.block_on(async {
                sender.send(Plan::new().start().await).expect("somebody waits for it");
                std::future::pending::<()>().await;
            });
        });
        receiver.recv().expect("the thread lives").expect("the shared Mixdown starts")
    })
}

/// Checks that an answer is the problem with this code, in a body as RFC 9457 defines it.
///
/// # Errors
/// The answer breaks off.
///
/// # Panics
/// The answer is another one.
pub async fn assert_problem(what: &str, answer: Response, code: ProblemCode) -> Result<()> {
    let status = answer.status();
    let content_type = answer.headers().get("content-type").cloned();
    let retry_after = answer.headers().get("retry-after").cloned();
    let text = answer.text().await?;
    assert_eq!(status.as_u16(), code.status(), "{what}: {text}");
    assert!(content_type.is_some_and(|kind| kind == "application/problem+json"), "{what}: {text}");
    let body: serde_json::Value = serde_json::from_str(&text)?;
    assert_eq!(body["code"], code.as_str(), "{what}: {text}");
    assert_eq!(body["status"], code.status(), "{what}: {text}");
    assert!(body["title"].is_string() && body["request_id"].is_string(), "{what}: {text}");
    // The log names the server that is down, but the answer must not. All of the tests' servers have this
    // address.
    assert!(!status.is_server_error() || !text.contains("127.0.0.1"), "{what}: {text}");
    assert_eq!(
        retry_after.is_some(),
        matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS),
        "{what}: Retry-After {retry_after:?}"
    );
    Ok(())
}

//! Rate limits: too many requests are refused with the time to wait.

use anyhow::Result;
use contracts::ProblemCode;
use reqwest::Method;
use test_kit::mixdown::{Form, Plan, assert_problem};
use test_kit::services::Service;

#[tokio::test]
async fn too_many_logins_or_uploads_are_refused_with_the_time_to_wait() -> Result<()> {
    let plan = Plan::new().with("CREDENTIALS_PER_MINUTE", "3").with("UPLOADS_PER_MINUTE", "2");
    let mixdown = plan.only(&[Service::Auth, Service::Gateway]).start().await?;
    // A registration and a login.
    let user = mixdown.user().await?;
    assert_eq!(user.log_in().await?.status(), 200);
    assert_problem("the fourth", user.log_in().await?, ProblemCode::TooManyRequests).await?;

    for _ in 0..2 {
        assert_eq!(user.post(Form::default().file("a.mp4", b"any")).await?.status(), 202);
    }
    let refused = user.post(Form::default().file("a.mp4", b"any")).await?;
    assert_problem("the third upload", refused, ProblemCode::TooManyRequests).await?;
    assert_eq!(user.jobs().await?.len(), 2, "what is not limited works, and what was refused left nothing");
    Ok(())
}

#[tokio::test]
async fn behind_a_proxy_the_address_that_it_saw_counts() -> Result<()> {
    let plan = Plan::new()
        .with("CREDENTIALS_PER_MINUTE", "3")
        .with("CLIENT_IP_SOURCE", "RightmostXForwardedFor")
        .with("TRUSTED_PROXIES", "127.0.0.0/8");
    let mixdown = plan.only(&[Service::Auth, Service::Gateway]).start().await?;
    // A registration and a login without a client address: they count against the proxy's own.
    let user = mixdown.user().await?;
    let log_in_from = async |forwarded_for: &str| {
        let login = user.anonymous(Method::POST, "/login").basic_auth(&user.email, Some(&user.password));
        login.header("x-forwarded-for", forwarded_for).send().await
    };
    for forged in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert_eq!(log_in_from(&format!("{forged}, 198.51.100.7")).await?.status(), 200);
    }
    let refused = log_in_from("192.0.2.4, 198.51.100.7").await?;
    assert_problem("the fourth from one address", refused, ProblemCode::TooManyRequests).await?;
    assert_eq!(log_in_from("192.0.2.4, 198.51.100.8").await?.status(), 200, "others are not concerned");
    Ok(())
}

//! Sessions from a client's view: refresh, logout, cookies, new signing keys.

use anyhow::{Context, Result, ensure};
use contracts::ProblemCode;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use test_kit::mixdown::{Mixdown, PATIENCE, Plan, User, assert_problem, mixdown};
use test_kit::process::Lifetime;
use test_kit::services::Service;
use test_kit::wait_until;

struct Tokens {
    access: String,
    refresh: String,
}

async fn session(user: &User) -> Result<Tokens> {
    let body = json!({ "email": user.email, "password": user.password });
    tokens(user.anonymous(Method::POST, "/login").json(&body).send().await?).await
}

async fn tokens(answer: Response) -> Result<Tokens> {
    ensure!(answer.status() == StatusCode::OK, "answered with {}", answer.status());
    let body: Value = answer.json().await?;
    let text = |name: &str| body[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
    Ok(Tokens { access: text("access_token")?, refresh: text("refresh_token")? })
}

async fn refresh(user: &User, token: &str) -> Result<Response> {
    let body = json!({ "refresh_token": token });
    Ok(user.anonymous(Method::POST, "/token/refresh").json(&body).send().await?)
}

async fn status(user: &User, token: &str) -> Result<StatusCode> {
    Ok(user.anonymous(Method::GET, "/jobs").bearer_auth(token).send().await?.status())
}

#[tokio::test]
async fn logging_out_ends_the_access_token_at_once_and_everywhere_soon() -> Result<()> {
    let user = mixdown().user().await?;
    let (first, second) = (session(&user).await?, session(&user).await?);
    let next = tokens(refresh(&user, &first.refresh).await?).await?;
    assert_eq!(status(&user, &next.access).await?, StatusCode::OK);
    let body = json!({ "refresh_token": next.refresh });
    let logged_out = user.anonymous(Method::POST, "/logout").json(&body).send().await?;
    assert_eq!(logged_out.status(), StatusCode::NO_CONTENT);
    // The session's old access token has ended too.
    for ended in [&first.access, &next.access] {
        assert_eq!(status(&user, ended).await?, StatusCode::UNAUTHORIZED);
    }
    assert_problem("refreshing", refresh(&user, &next.refresh).await?, ProblemCode::InvalidRefreshToken)
        .await?;
    assert_eq!(status(&user, &second.access).await?, StatusCode::OK);

    let all = user.anonymous(Method::DELETE, "/sessions").bearer_auth(&second.access).send().await?;
    assert_eq!(all.status(), StatusCode::NO_CONTENT);
    assert_eq!(status(&user, &second.access).await?, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&user, &user.token).await?, StatusCode::UNAUTHORIZED);
    Ok(())
}

#[tokio::test]
async fn another_gateway_hears_of_an_ended_session_and_keeps_to_it_while_auth_is_away() -> Result<()> {
    let mut mixdown = Plan::new().only(&[Service::Auth, Service::Gateway]).start().await?;
    let user = mixdown.user().await?;
    let ended = session(&user).await?;
    let other = session(&user).await?;
    let body = json!({ "refresh_token": ended.refresh });
    // Directly at auth, as if another gateway had asked.
    let auth = format!("http://127.0.0.1:{}/logout", mixdown.system().ports.auth);
    reqwest::Client::new().post(auth).json(&body).send().await?.error_for_status()?;
    wait_until("the gateway has heard of it", PATIENCE, async || {
        let status = status(&user, &ended.access).await?;
        ensure!(status == StatusCode::UNAUTHORIZED, "{status}");
        Ok(())
    })
    .await;
    mixdown.service(Service::Auth)?.kill_hard().await;
    assert_eq!(status(&user, &ended.access).await?, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&user, &other.access).await?, StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn a_browser_keeps_its_refresh_token_in_a_cookie_that_no_other_site_can_use() -> Result<()> {
    let user = mixdown().user().await?;
    let login = json!({ "email": user.email, "password": user.password, "cookie": true });
    let own = ("sec-fetch-site", "same-origin");
    let foreign = user.anonymous(Method::POST, "/login").json(&login).header("sec-fetch-site", "cross-site");
    assert_problem("a foreign login", foreign.send().await?, ProblemCode::CrossSite).await?;
    let answer = user.anonymous(Method::POST, "/login").json(&login).header(own.0, own.1).send().await?;
    assert_eq!(answer.status(), StatusCode::OK);
    let cookie = answer.headers()["set-cookie"].to_str()?.to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let body: Value = answer.json().await?;
    assert!(body["access_token"].is_string() && body.get("refresh_token").is_none());
    let (cookie, _) = cookie.split_once(';').context("no attributes")?;

    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
    ] {
        for path in ["/token/refresh", "/logout"] {
            let request = user.anonymous(Method::POST, path).header("cookie", cookie).header(name, value);
            assert_problem(&format!("{path} {value}"), request.send().await?, ProblemCode::CrossSite).await?;
        }
    }
    let silent = user.anonymous(Method::POST, "/token/refresh").header("cookie", cookie);
    assert_problem("no origin", silent.send().await?, ProblemCode::CrossSite).await?;

    let with_cookie = |path: &str, cookie: &str| {
        user.anonymous(Method::POST, path).header("cookie", cookie.to_owned()).header(own.0, own.1)
    };
    let refreshed = with_cookie("/token/refresh", cookie).send().await?;
    assert_eq!(refreshed.status(), StatusCode::OK);
    let next = refreshed.headers()["set-cookie"].to_str()?.to_owned();
    let (next, _) = next.split_once(';').context("no attributes")?;
    assert_ne!(next, cookie);
    let again = with_cookie("/token/refresh", next).json(&json!({})).send().await?;
    assert_eq!(again.status(), StatusCode::OK, "an empty object stands for nothing, too");
    let access = again.json::<Value>().await?["access_token"].as_str().context("no token")?.to_owned();
    let logged_out = with_cookie("/logout", next).send().await?;
    assert_eq!(logged_out.status(), StatusCode::NO_CONTENT);
    assert!(logged_out.headers()["set-cookie"].to_str()?.contains("Max-Age=0"));
    assert_eq!(status(&user, &access).await?, StatusCode::UNAUTHORIZED);
    Ok(())
}

async fn rotate(mixdown: &Mixdown) -> Result<()> {
    let log = mixdown.system().home.join("rotation.log");
    let launch = mixdown.system().launch(Service::Auth)?.argument("rotate-keys");
    let mut command = launch.start(&log, Lifetime::WithStarter)?;
    ensure!(command.succeeds().await?, "it failed: {}", std::fs::read_to_string(log)?);
    Ok(())
}

#[tokio::test]
async fn new_signing_keys_end_no_session_and_are_fetched_automatically() -> Result<()> {
    let mixdown = Plan::new().only(&[Service::Auth, Service::Gateway]).start().await?;
    let user = mixdown.user().await?;
    let session = session(&user).await?;
    let kid = |token: &str| token.split('.').next().map(str::to_owned);
    let mut latest = session.access.clone();
    for _ in 0..2 {
        let before = kid(&latest);
        rotate(&mixdown).await?;
        latest = wait_until("the new key signs", PATIENCE, async || {
            let token = user.log_in().await?.error_for_status()?.text().await?;
            ensure!(kid(&token) != before, "the old one does");
            Ok(token)
        })
        .await;
        // The gateway refuses at first if it asked for another unknown key a moment ago.
        wait_until("the gateway takes it", PATIENCE, async || {
            let status = status(&user, &latest).await?;
            ensure!(status == StatusCode::OK, "{status}");
            Ok(())
        })
        .await;
        assert_eq!(
            status(&user, &session.access).await?,
            StatusCode::OK,
            "the first key's tokens still count"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_failed_openid_connect_sign_in_returns_to_the_page() -> Result<()> {
    let user = mixdown().user().await?;
    let providers: Value = user.anonymous(Method::GET, "/oidc/providers").send().await?.json().await?;
    assert_eq!(providers, json!({ "providers": [] }));
    let unknown = user.anonymous(Method::GET, "/oidc/main/start").send().await?;
    assert_problem("no such provider", unknown, ProblemCode::NotFound).await?;
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    for (query, code) in [
        ("?error=access_denied", "oidc_denied"),
        ("?error=%0d%0aSet-Cookie:%20a=b", "oidc_failed"),
        ("?state=a&code=b", "oidc_failed"),
        ("", "oidc_failed"),
    ] {
        let url = format!("{}/oidc/main/callback{query}", mixdown().url());
        let answer = browser.get(url).send().await?;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{query}");
        assert_eq!(answer.headers()["location"], format!("/?oidc_error={code}"), "{query}");
        assert!(
            answer.headers().get_all("set-cookie").iter().all(|cookie| !cookie.as_bytes().starts_with(b"a="))
        );
    }
    Ok(())
}

//! Tokens that must be refused.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::{JwkSet, ProblemCode};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use sha2::Sha256;
use test_kit::mixdown::{Mixdown, PATIENCE, Plan, User, assert_problem, mixdown};
use test_kit::services::Service;
use test_kit::wait_until;

/// Every route that needs a token.
const ROUTES: [(Method, &str); 12] = [
    (Method::POST, "/upload"),
    (Method::GET, "/jobs"),
    (Method::GET, "/jobs/0190a3c4-0000-7000-8000-000000000001"),
    (Method::DELETE, "/jobs/0190a3c4-0000-7000-8000-000000000001"),
    (Method::GET, "/jobs/0190a3c4-0000-7000-8000-000000000001/events"),
    (Method::GET, "/download?fid=665f1c2ab8e4a70012345678"),
    (Method::GET, "/me"),
    (Method::GET, "/sessions"),
    (Method::DELETE, "/sessions"),
    (Method::GET, "/keys"),
    (Method::DELETE, "/keys/0190a3c4-0000-7000-8000-000000000001"),
    (Method::GET, "/admin/users"),
];

async fn assert_refused(user: &User, what: &str, token: &str) -> Result<()> {
    for (method, path) in ROUTES {
        let answer = user.anonymous(method.clone(), path).bearer_auth(token).send().await?;
        assert_problem(&format!("{what}, {method} {path}"), answer, ProblemCode::InvalidToken).await?;
    }
    Ok(())
}

/// The token with a changed header and no signature.
fn with_header(token: &str, change: impl FnOnce(&mut serde_json::Value)) -> Result<String> {
    let mut parts = token.split('.');
    let (header, claims) = parts.next().zip(parts.next()).context("not a token")?;
    let mut header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
    change(&mut header);
    Ok(format!("{}.{claims}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?)))
}

#[tokio::test]
async fn forged_tokens_are_refused_on_every_route() -> Result<()> {
    let user = mixdown().user().await?;
    let stranger = mixdown().user().await?;
    for (method, path) in ROUTES {
        let answer = user.anonymous(method.clone(), path).send().await?;
        assert_problem(&format!("no token, {method} {path}"), answer, ProblemCode::NoToken).await?;
    }
    assert_refused(&user, "garbage", "garbage").await?;
    assert_refused(&user, "dots", "a.b.c").await?;

    let (own_head, signature) = user.token.rsplit_once('.').context("not a token")?;
    let (strangers_head, _) = stranger.token.rsplit_once('.').context("not a token")?;
    assert_refused(&user, "another's claims", &format!("{strangers_head}.{signature}")).await?;
    assert_refused(&user, "no signature", &format!("{own_head}.")).await?;

    let unsigned = with_header(&user.token, |header| header["alg"] = "none".into())?;
    assert_refused(&user, "alg none", &format!("{unsigned}.")).await?;
    assert_refused(&user, "alg none with a signature", &format!("{unsigned}.{signature}")).await?;
    for spelling in ["None", "NONE", "nOnE", "none ", "", "null"] {
        let unsigned = with_header(&user.token, |header| header["alg"] = spelling.into())?;
        for signature in ["", signature] {
            assert_refused(&user, &format!("alg {spelling:?}"), &format!("{unsigned}.{signature}")).await?;
        }
    }
    for wrong in ["HS256", "RS256", "ES256", "PS256", "Ed25519", "EdDSA\0"] {
        let text = with_header(&user.token, |header| header["alg"] = wrong.into())?;
        assert_refused(&user, &format!("alg {wrong}"), &format!("{text}.{signature}")).await?;
    }
    for wrong in ["JWT", "id_token", "AT+JWT ", ""] {
        let text = with_header(&user.token, |header| header["typ"] = wrong.into())?;
        assert_refused(&user, &format!("typ {wrong}"), &format!("{text}.{signature}")).await?;
    }
    for length in [0, 1, 10, 40, user.token.len() - 1, user.token.len() - 40] {
        let cut = &user.token[..length];
        if !cut.is_empty() {
            assert_refused(&user, &format!("cut at {length}"), cut).await?;
        }
    }
    let unknown = with_header(&user.token, |header| header["kid"] = "another".into())?;
    assert_refused(&user, "an unknown key", &format!("{unknown}.{signature}")).await?;

    assert_eq!(user.jobs().await?, [], "the real token does not work any more");
    Ok(())
}

#[tokio::test]
async fn a_token_signed_with_the_public_key_as_a_secret_is_refused() -> Result<()> {
    let user = mixdown().user().await?;
    let url = format!("http://127.0.0.1:{}/.well-known/jwks.json", mixdown().system().ports.auth);
    let keys: JwkSet = reqwest::get(url).await?.error_for_status()?.json().await?;
    let public_key = keys.keys.first().context("there is a key")?;
    let raw = URL_SAFE_NO_PAD.decode(&public_key.x)?;
    let text = with_header(&user.token, |header| header["alg"] = "HS256".into())?;
    for secret in [raw.as_slice(), public_key.x.as_bytes()] {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret)?;
        mac.update(text.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        assert_refused(&user, "HS256", &format!("{text}.{signature}")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_expired_token_is_refused_and_a_new_login_helps() -> Result<()> {
    let plan = Plan::new().with("ACCESS_TOKEN_LIFETIME", "1s").only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let mut user = mixdown.user().await?;
    // After the leeway for clock differences.
    let answer = wait_until("the token has expired", PATIENCE, async || {
        let answer = user.get("/jobs").await?;
        anyhow::ensure!(answer.status() != 200, "it is still accepted");
        Ok(answer)
    })
    .await;
    assert_problem("the list", answer, ProblemCode::ExpiredToken).await?;
    user.token = user.log_in().await?.error_for_status()?.text().await?;
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), user.jobs()).await??, []);
    Ok(())
}

/// Our own claims, signed with an attacker's key. Every header field that may name a key points to it.
#[tokio::test]
async fn keys_that_a_token_brings_along_or_points_to_are_not_used() -> Result<()> {
    let user = mixdown().user().await?;
    let (_, signature) = user.token.rsplit_once('.').context("not a token")?;
    // A server that fetches keys would connect to this address.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/keys", listener.local_addr()?);
    let jwk = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([7; 32]), "kid": "mine" });
    for (name, value) in [
        ("jwk", jwk),
        ("jku", address.clone().into()),
        ("x5u", address.clone().into()),
        ("x5c", serde_json::json!(["MIIB"])),
        ("crit", serde_json::json!(["exp"])),
    ] {
        let text = with_header(&user.token, |header| {
            header[name] = value.clone();
            header["kid"] = "mine".into();
        })?;
        assert_refused(&user, name, &format!("{text}.{signature}")).await?;
    }
    for kid in ["../../etc/passwd", "' OR '1'='1", "x\u{0}", "\r\nX: y", &address, &"k".repeat(5000)] {
        let text = with_header(&user.token, |header| header["kid"] = kid.into())?;
        assert_refused(&user, "kid", &format!("{text}.{signature}")).await?;
    }
    let blank = with_header(&user.token, |header| header["kid"] = "".into())?;
    assert_refused(&user, "a blank kid", &format!("{blank}.{signature}")).await?;
    let missing = with_header(&user.token, |header| {
        header.as_object_mut().map(|header| header.remove("kid"));
    })?;
    assert_refused(&user, "no kid", &format!("{missing}.{signature}")).await?;
    let visit = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(visit.is_err(), "somebody came to fetch a key");
    Ok(())
}

/// How often auth was asked for its public keys.
async fn key_requests(mixdown: &Mixdown) -> Result<u64> {
    let url = format!("http://127.0.0.1:{}/metrics", mixdown.system().ports.admin(Service::Auth));
    let figures = reqwest::get(url).await?.error_for_status()?.text().await?;
    let lines = figures.lines().filter(|line| line.starts_with("mixdown_http_requests_total"));
    let counts = lines.filter(|line| line.contains("jwks.json")).filter_map(|line| line.rsplit_once(' '));
    Ok(counts.map(|(_, count)| count.parse::<u64>()).sum::<Result<u64, _>>()?)
}

#[tokio::test]
async fn made_up_key_names_do_not_become_requests_to_auth() -> Result<()> {
    let mixdown = Plan::new().only(&[Service::Auth, Service::Gateway]).start().await?;
    let user = mixdown.user().await?;
    let (_, signature) = user.token.rsplit_once('.').context("not a token")?;
    let began = Instant::now();
    let before = key_requests(&mixdown).await?;
    for number in 0..100 {
        let text = with_header(&user.token, |header| header["kid"] = format!("made-up-{number}").into())?;
        let answer =
            user.anonymous(Method::GET, "/jobs").bearer_auth(format!("{text}.{signature}")).send().await?;
        assert_problem("a made-up name", answer, ProblemCode::InvalidToken).await?;
    }
    let asked = key_requests(&mixdown).await? - before;
    // One request per five seconds, however long the test took.
    let allowed = 1 + began.elapsed().as_secs() / 5;
    assert!((1..=allowed).contains(&asked), "{asked} requests, {allowed} allowed");
    Ok(())
}

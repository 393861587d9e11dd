//! What clients rely on: which routes are public, which field a refusal names, and a job's links.

use std::time::Duration;

use anyhow::{Context, Result};
use contracts::ProblemCode;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use test_kit::media::Sample;
use test_kit::mixdown::{User, mixdown};

/// Every route that needs no token, and what lets a request in instead.
const PUBLIC: [(&str, &str, &str); 15] = [
    ("GET", "/archives/{link}", "the link"),
    ("GET", "/d/{link}", "the link"),
    ("GET", "/oidc/providers", "nothing: it is public"),
    ("GET", "/oidc/{id}/callback", "the provider's code, counted by address"),
    ("GET", "/oidc/{id}/start", "nothing, counted by address"),
    ("OPTIONS", "/uploads", "nothing: it is public"),
    ("POST", "/login", "the password, counted by address"),
    ("POST", "/logout", "the refresh token, counted by address"),
    ("POST", "/password/forgot", "nothing, counted by address"),
    ("POST", "/password/reset", "the token of a mail, counted by address"),
    ("POST", "/register", "nothing, counted by address"),
    ("POST", "/token/refresh", "the refresh token, counted by address"),
    ("POST", "/verify", "the token of a mail, counted by address"),
    ("POST", "/verify/resend", "nothing, counted by address"),
    // Not in the document.
    ("GET", "/openapi.json", "nothing: it is public"),
];

#[tokio::test]
async fn the_public_routes_are_these_and_no_others() -> Result<()> {
    let user = mixdown().user().await?;
    let document: Value = user.anonymous(Method::GET, "/openapi.json").send().await?.json().await?;
    let mut public = vec![("GET".to_owned(), "/openapi.json".to_owned())];
    for (path, operations) in document["paths"].as_object().context("no paths")? {
        for (method, operation) in operations.as_object().context("no operations")? {
            let wants_token = operation["security"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["token"].is_array()));
            if !wants_token {
                public.push((method.to_uppercase(), path.clone()));
            }
        }
    }
    public.sort();
    let mut expected: Vec<_> = PUBLIC.map(|(method, path, _)| (method.to_owned(), path.to_owned())).into();
    expected.sort();
    assert_eq!(public, expected);

    // Without a token they still answer, perhaps with an error other than `no_token`.
    for (method, path, rule) in PUBLIC {
        let path = path.replace("{id}", "none").replace("{link}", "none");
        let answer = user.anonymous(method.parse()?, &path).send().await?;
        let body: Value = answer.json().await.unwrap_or_default();
        assert_ne!(body["code"], "no_token", "{method} {path} is let in by {rule}");
        assert_ne!(body["code"], "internal", "{method} {path} has no rule in its signature");
    }
    Ok(())
}

/// A refusal's code, and the fields that it names.
async fn refusal(request: RequestBuilder) -> Result<(String, Vec<String>)> {
    let body: Value = request.send().await?.json().await?;
    let errors = body["errors"].as_array().cloned().unwrap_or_default();
    let fields = errors.iter().map(|error| {
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        error["field"].as_str().unwrap_or_default().to_owned()
    });
    Ok((body["code"].as_str().unwrap_or_default().to_owned(), fields.collect()))
}

#[tokio::test]
async fn every_refusal_says_which_field_and_why() -> Result<()> {
    let user = mixdown().user().await?;
    let get = |path: &str| user.request(Method::GET, path);
    let post = |path: &str, body: Value| user.request(Method::POST, path).json(&body);
    let job = "0190a3c4-0000-7000-8000-000000000001";
    let bad_request = ProblemCode::BadRequest.as_str().to_owned();
    let refused = [
        ("limit", get("/jobs?limit=0")),
        ("limit", get("/jobs?limit=101")),
        ("limit", get("/jobs?limit=many")),
        ("status", get("/jobs?status=done")),
        ("page", get("/jobs?page=2")),
        ("limit", get("/jobs?limit=1&limit=2")),
        ("fid", get("/download")),
        ("a", get("/download?fid=1&a=1")),
        ("a", get("/me?a=1")),
        ("a", get(&format!("/jobs/{job}?a=1"))),
        ("a", get(&format!("/jobs/{job}/audio?a=1"))),
        ("a", user.request(Method::POST, "/upload?a=1")),
        ("password", post("/login", json!({ "email": user.email }))),
        ("email", post("/login", json!({ "email": 5, "password": "hunter2hunter2" }))),
        ("email", post("/register", json!({ "password": "hunter2hunter2" }))),
        ("token", post("/verify", json!({}))),
        ("current_password", post("/me/password", json!({ "password": "hunter2hunter2" }))),
        ("mails.failed", user.request(Method::PATCH, "/me").json(&json!({ "mails": { "failed": 1 } }))),
        ("scopes[0]", post("/keys", json!({ "name": "a", "scopes": ["everything"] }))),
        ("expires_in_seconds", post(&format!("/jobs/{job}/link"), json!({ "expires_in_seconds": 1 }))),
        ("seconds", post(&format!("/jobs/{job}/link"), json!({ "seconds": 60 }))),
        ("jobs", post("/archives", json!({ "jobs": [] }))),
    ];
    for (field, request) in refused {
        let shown = format!("{request:?}");
        let (code, fields) = refusal(request).await?;
        assert_eq!((code, fields), (bad_request.clone(), vec![field.to_owned()]), "{shown}");
    }

    // The refusal of an unreadable body has no fields, but a reason.
    let broken = user.request(Method::POST, "/login").header("content-type", "application/json");
    let body: Value = broken.body(r#"{"email": "#).send().await?.json().await?;
    assert_eq!(body["code"], "bad_request");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("line 1")), "{body}");
    let form = user.request(Method::POST, "/login").header("content-type", "text/plain").body("a");
    let body: Value = form.send().await?.json().await?;
    assert_eq!(body["code"], "unsupported_media_type");
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("application/json")), "{body}");
    Ok(())
}

/// Mail programs and providers add parameters of their own.
#[tokio::test]
async fn links_and_pages_ignore_parameters_that_they_do_not_know() -> Result<()> {
    let user = mixdown().user().await?;
    for path in ["/d/none?utm_source=mail", "/archives/none?fbclid=1"] {
        let (code, _) = refusal(user.anonymous(Method::GET, path)).await?;
        assert_eq!(code, "not_found", "{path}");
    }
    let page = user.anonymous(Method::GET, "/?utm_source=mail").send().await?;
    assert!(page.status().is_success() || page.status().is_redirection(), "{}", page.status());
    Ok(())
}

async fn links(user: &User, path: &str) -> Result<Value> {
    let job: Value = user.get(path).await?.error_for_status()?.json().await?;
    Ok(job["links"].clone())
}

#[tokio::test]
async fn a_jobs_links_lead_to_what_belongs_to_it() -> Result<()> {
    let mixdown = mixdown();
    let user = mixdown.user().await?;
    let job = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    let path = format!("/jobs/{}", job.id);
    let base = mixdown.system().public_url();
    let job = user.wait_for_outcome(job.id).await;
    let links = links(&user, &path).await?;
    let expected = json!({
        "self": format!("{base}{path}"),
        "events": format!("{base}{path}/events"),
        "audio": format!("{base}{path}/audio"),
        "peaks": format!("{base}{path}/peaks"),
    });
    assert_eq!(links, expected);
    let list: Value = user.get("/jobs").await?.json().await?;
    assert_eq!(list["jobs"][0]["links"], links);

    let audio = user.get(&format!("{path}/audio")).await?;
    assert_eq!(audio.headers()["content-type"], "audio/mpeg");
    assert_eq!(audio.bytes().await?, user.download(&job).await?);
    let range =
        user.request(Method::GET, &format!("{path}/audio")).header("range", "bytes=0-9").send().await?;
    assert_eq!((range.status().as_u16(), range.bytes().await?.len()), (206, 10));
    let stranger = mixdown.user().await?;
    assert_eq!(stranger.get(&format!("{path}/audio")).await?.status(), 404);
    Ok(())
}

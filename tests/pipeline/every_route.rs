//! Every documented route with every kind of token that must not work on it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Plan, User, mixdown};
use test_kit::services::Service;

/// A route that needs a token, from the gateway's own document.
#[derive(Debug)]
struct Route {
    method: Method,
    path: String,
}

async fn routes(user: &User) -> Result<Vec<Route>> {
    let document: Value = user.anonymous(Method::GET, "/openapi.json").send().await?.json().await?;
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().context("no paths")? {
        for (method, operation) in operations.as_object().context("no operations")? {
            let wants_token = |security: &Value| security["token"].is_array();
            if operation["security"].as_array().is_some_and(|all| all.iter().any(wants_token)) {
                routes.push(Route { method: method.to_uppercase().parse()?, path: path.clone() });
            }
        }
    }
    ensure!(routes.len() > 25, "only {} routes need a token", routes.len());
    Ok(routes)
}

const NOBODYS: &str = "0190a3c4-0000-7000-8000-000000000001";

/// Requests the route for an object of `job`.
async fn ask(user: &User, token: Option<&str>, route: &Route, job: &Value) -> Result<Response> {
    let path = match route.path.as_str() {
        path if path.starts_with("/jobs/") => path.replace("{id}", job["id"].as_str().unwrap_or(NOBODYS)),
        path if path.starts_with("/uploads/") => {
            path.replace("{id}", job["draft"].as_str().unwrap_or("665f1c2ab8e4a70012345678"))
        }
        "/download" => format!("/download?fid={}", job["source"]["fid"].as_str().unwrap_or_default()),
        path if path.starts_with("/admin/queues") => path.replace("{queue}", "video"),
        path => path.replace("{id}", NOBODYS),
    };
    let mut request = user.anonymous(route.method.clone(), &path).header("tus-resumable", "1.0.0");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if matches!(route.method, Method::POST | Method::PATCH) {
        request = match route.path.as_str() {
            "/uploads" => request.header("upload-length", "10"),
            "/uploads/{id}" => request
                .header("content-type", "application/offset+octet-stream")
                .header("upload-offset", "0")
                .body("a"),
            _ => request.json(&json!({})),
        };
    }
    Ok(request.send().await?)
}

async fn code(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    // A stream of events would never end.
    let is_problem =
        answer.headers().get("content-type").is_some_and(|kind| kind == "application/problem+json");
    let body: Value = if is_problem { answer.json().await.unwrap_or_default() } else { Value::Null };
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

/// A user's job and resumable upload.
async fn belongings(user: &User) -> Result<Value> {
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let mut job = serde_json::to_value(user.submit(Form::default().file("a.mp4", &video)).await?)?;
    let draft = user.tus(Method::POST, "/uploads");
    let draft = draft.header("upload-length", "10").send().await?;
    let location = draft.headers().get("location").context("no draft")?.to_str()?.to_owned();
    job["draft"] = json!(location.trim_start_matches("/uploads/"));
    Ok(job)
}

#[tokio::test]
async fn no_route_works_without_a_token_or_with_an_expired_or_changed_one() -> Result<()> {
    let plan = Plan::new().with("ACCESS_TOKEN_LIFETIME", "1s").only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let routes = routes(&user).await?;
    let (head, _) = user.token.rsplit_once('.').context("no token")?;
    let changed = format!("{head}.{}", "A".repeat(86));
    // Two hosts' clocks may differ by five seconds.
    test_kit::wait_until("the token expires", Duration::from_mins(1), async || {
        let (status, _) = code(user.get("/jobs").await?).await;
        ensure!(status == 401, "{status}");
        Ok(())
    })
    .await;
    for route in &routes {
        for (token, expected) in [
            (None, "no_token"),
            (Some(user.token.as_str()), "expired_token"),
            (Some(&changed), "invalid_token"),
        ] {
            let answer = code(ask(&user, token, route, &Value::Null).await?).await;
            // The answer to HEAD has no body.
            let expected = if route.method == Method::HEAD { "" } else { expected };
            assert_eq!(answer, (401, expected.to_owned()), "{route:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_route_shows_what_is_anothers_or_lets_a_key_do_what_it_is_not_for() -> Result<()> {
    let (owner, stranger) = (mixdown().user().await?, mixdown().user().await?);
    let theirs = belongings(&owner).await?;
    let make = stranger.request(Method::POST, "/keys").json(&json!({ "name": "none", "scopes": ["read"] }));
    let reader: Value = make.send().await?.json().await?;
    let make = stranger
        .request(Method::POST, "/keys")
        .json(&json!({ "name": "all but read", "scopes": ["upload", "delete"] }));
    let writer: Value = make.send().await?.json().await?;
    for route in routes(&owner).await? {
        let is_about_one =
            ["/jobs/{id}", "/uploads/{id}", "/download"].iter().any(|one| route.path.starts_with(one));
        if is_about_one {
            let (status, _) = code(ask(&stranger, Some(&stranger.token), &route, &theirs).await?).await;
            assert_eq!(status, 404, "{route:?} of another");
        }
        let is_account =
            ["/me", "/keys", "/sessions", "/admin"].iter().any(|one| route.path.starts_with(one));
        let is_read = matches!(route.method, Method::GET | Method::HEAD)
            || route.path.ends_with("/link")
            || route.path == "/archives";
        let is_upload = route.path.starts_with("/uploads");
        for (key, may) in [(&reader, is_read && !is_upload), (&writer, !is_read || is_upload)] {
            let key = key["key"].as_str().context("no key")?;
            let (status, _) = code(ask(&stranger, Some(key), &route, &theirs).await?).await;
            let is_refused = status == 403;
            assert_eq!(is_refused, is_account || !may, "{route:?} with a key: {status}");
        }
    }
    // The owner's objects all still exist.
    let id = theirs["id"].as_str().context("no id")?;
    assert_eq!(owner.get(&format!("/jobs/{id}")).await?.status(), 200);
    Ok(())
}

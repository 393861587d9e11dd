//! Sign-in with OpenID Connect, as a browser does it.

use anyhow::{Context, Result};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use test_kit::mixdown::Plan;
use test_kit::provider::Provider;
use test_kit::services::Service;

/// The cookies of an answer, as a browser sends them back.
fn cookies(answer: &Response) -> Result<Vec<String>> {
    let set = answer.headers().get_all("set-cookie").iter();
    set.map(|cookie| {
        let (pair, _) = cookie.to_str()?.split_once(';').context("a cookie without attributes")?;
        Ok(pair.to_owned())
    })
    .collect()
}

#[tokio::test]
async fn a_browser_that_signs_in_with_openid_connect_returns_with_a_session() -> Result<()> {
    let provider = Provider::start().await;
    let plan = Plan::new().with("OIDC_PROVIDERS", &provider.setting());
    let mixdown = plan.only(&[Service::Auth, Service::Gateway]).start().await?;
    let callback = format!("{}/oidc/main/callback", mixdown.system().public_url());
    provider.behave(|behaviour| behaviour.redirect_uri.clone_from(&callback));
    let browser = Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let url = mixdown.url();

    let providers: Value = browser.get(format!("{url}/oidc/providers")).send().await?.json().await?;
    assert_eq!(providers, json!({ "providers": [{ "id": "main", "name": "The Provider" }] }));
    let started = browser.get(format!("{url}/oidc/main/start")).send().await?;
    assert_eq!(started.status(), StatusCode::SEE_OTHER);
    let attributes = started.headers()["set-cookie"].to_str()?;
    assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"), "{attributes}");
    let attempt = cookies(&started)?.pop().context("no cookie")?;
    let (state, code) = provider.sign_in(started.headers()["location"].to_str()?);

    let come_back = async |cookie: &str, state: &str| {
        let request =
            browser.get(format!("{url}/oidc/main/callback")).query(&[("state", state), ("code", &code)]);
        request.header("cookie", cookie).send().await
    };
    let others =
        cookies(&browser.get(format!("{url}/oidc/main/start")).send().await?)?.pop().context("none")?;
    for (cookie, state) in [("", state.as_str()), (&others, &state), (&attempt, "another")] {
        let refused = come_back(cookie, state).await?;
        assert_eq!(refused.headers()["location"], "/?oidc_error=oidc_failed", "{cookie} {state}");
    }
    let back = come_back(&attempt, &state).await?;
    assert_eq!((back.status(), &back.headers()["location"]), (StatusCode::SEE_OTHER, &"/".parse()?));
    assert_eq!(back.headers()["referrer-policy"], "no-referrer");
    let set = cookies(&back)?;
    assert!(set.contains(&"mixdown_oidc=".to_owned()), "the attempt is over: {set:?}");
    let session = set.iter().find(|pair| pair.starts_with("mixdown_refresh=")).context("no session")?;

    let refresh = browser.post(format!("{url}/token/refresh")).header("cookie", session);
    let tokens: Value = refresh.header("sec-fetch-site", "same-origin").send().await?.json().await?;
    let token = tokens["access_token"].as_str().context("no token")?;
    let me: Value = browser.get(format!("{url}/me")).bearer_auth(token).send().await?.json().await?;
    assert_eq!((&me["email"], &me["email_verified"]), (&json!("ada@example.org"), &json!(true)));
    Ok(())
}

#[tokio::test]
async fn an_address_that_the_provider_has_not_confirmed_comes_back_with_the_reason() -> Result<()> {
    let provider = Provider::start().await;
    let plan = Plan::new().with("OIDC_PROVIDERS", &provider.setting());
    let mixdown = plan.only(&[Service::Auth, Service::Gateway]).start().await?;
    let callback = format!("{}/oidc/main/callback", mixdown.system().public_url());
    provider.behave(|behaviour| {
        behaviour.redirect_uri.clone_from(&callback);
        behaviour.claims = json!({ "email_verified": false });
    });
    let browser = Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let started = browser.get(format!("{}/oidc/main/start", mixdown.url())).send().await?;
    let attempt = cookies(&started)?.pop().context("no cookie")?;
    let (state, code) = provider.sign_in(started.headers()["location"].to_str()?);
    let request = browser.get(format!("{}/oidc/main/callback", mixdown.url()));
    let request = request.query(&[("state", state), ("code", code)]).header("cookie", attempt);
    assert_eq!(request.send().await?.headers()["location"], "/?oidc_error=address_not_verified");
    Ok(())
}

//! Sign-in with an outside identity provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use crate::accounts::verify;
use crate::world::{Answer, Auth, PASSWORD, TestDatabase};
use test_kit::provider::{CLIENT_ID, Provider, REDIRECT_URI, kid_of};

struct World {
    database: TestDatabase,
    auth: Auth,
    provider: Provider,
}

impl World {
    async fn new() -> Self {
        let (database, provider) = tokio::join!(TestDatabase::migrated(), Provider::start());
        let setting = provider.setting();
        let auth = Auth::start_with(&database, |config| config.oidc_providers = Some(setting.into())).await;
        Self { database, auth, provider }
    }

    async fn start(&self) -> (String, String) {
        let started = self.auth.post("/oidc/main/start", &json!({"redirect_uri": REDIRECT_URI})).await;
        assert_eq!(started.status, 200, "{started:?}");
        let text = |name: &str| started.body[name].as_str().unwrap().to_owned();
        (text("location"), text("attempt"))
    }

    async fn finish(&self, attempt: &str, state: &str, code: &str) -> Answer {
        let body = json!({"redirect_uri": REDIRECT_URI, "attempt": attempt, "state": state, "code": code});
        self.auth.post("/oidc/main/finish", &body).await
    }

    /// A whole sign-in.
    async fn sign_in(&self) -> Answer {
        let (location, attempt) = self.start().await;
        let (state, code) = self.provider.sign_in(&location);
        self.finish(&attempt, &state, &code).await
    }

    async fn accounts(&self) -> i64 {
        self.database.count("SELECT COUNT(*) FROM accounts").await
    }
}

#[tokio::test]
async fn a_new_identity_gets_an_account_without_a_password_and_returns_to_it() {
    let world = World::new().await;
    let providers: Value = world.auth.get("/oidc/providers").await.json().await.unwrap();
    assert_eq!(providers, json!({"providers": [{"id": "main", "name": "The Provider"}]}));
    let first = world.sign_in().await;
    assert_eq!(first.status, 200, "{first:?}");
    let token = first.body["access_token"].as_str().unwrap();
    let claims = verify(token, &world.auth.keys().await).claims;
    assert!(claims.email_verified);
    assert_eq!(claims.email.as_str(), "ada@example.org");
    let me = world.auth.ask("GET", "/me", token, None).await.body;
    assert_eq!(me["has_password"], json!(false));
    world.auth.log_in("ada@example.org", PASSWORD).await.assert_problem(401, "wrong_credentials");
    // The subject at the provider identifies them, even with another address.
    world.provider.behave(|behaviour| behaviour.claims = json!({"email": "lovelace@example.org"}));
    let second = world.sign_in().await;
    let again = verify(second.body["access_token"].as_str().unwrap(), &world.auth.keys().await).claims;
    assert_eq!((again.sub, world.accounts().await), (claims.sub, 1));
    // The recent sign-in stands for the password.
    let erased = world.auth.ask("DELETE", "/me", token, Some(&json!({"password": ""}))).await;
    assert_eq!(erased.status, 202, "{erased:?}");
}

#[tokio::test]
async fn every_algorithm_of_the_list_works() {
    let world = World::new().await;
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        world.provider.behave(|behaviour| behaviour.algorithm = algorithm);
        assert_eq!(world.sign_in().await.status, 200, "{algorithm:?}");
    }
    world.provider.behave(|behaviour| behaviour.claims = json!({"aud": [CLIENT_ID, "b"], "azp": CLIENT_ID}));
    assert_eq!(world.sign_in().await.status, 200);
    world.provider.behave(|behaviour| behaviour.claims = json!({"email_verified": "true", "sub": "another"}));
    assert_eq!(world.sign_in().await.status, 200);
    assert_eq!(world.accounts().await, 1);
}

#[tokio::test]
async fn an_account_whose_address_was_confirmed_is_linked_and_keeps_its_password() {
    let world = World::new().await;
    world.auth.register("ada@example.org", PASSWORD).await;
    let confirmed = "UPDATE accounts SET verified_at = UTC_TIMESTAMP(6)";
    sqlx::raw_sql(confirmed).execute(&mut world.database.connect().await).await.unwrap();
    assert_eq!(world.sign_in().await.status, 200);
    world.auth.token("ada@example.org", PASSWORD).await;
    assert_eq!(world.accounts().await, 1);
}

#[tokio::test]
async fn an_earlier_registration_of_the_address_loses_all_access() {
    let world = World::new().await;
    world.auth.register("ada@example.org", PASSWORD).await;
    let squatter = world.auth.session("ada@example.org").await;
    let key = json!({"name": "a", "scopes": ["read"]});
    world.auth.ask("POST", "/keys", &squatter.access, Some(&key)).await;
    assert_eq!(world.sign_in().await.status, 200);
    world.auth.log_in("ada@example.org", PASSWORD).await.assert_problem(401, "wrong_credentials");
    world.auth.refresh(&squatter.refresh).await.assert_problem(401, "invalid_refresh_token");
    assert_eq!(world.database.count("SELECT COUNT(*) FROM api_keys").await, 0);
    assert_eq!(world.accounts().await, 1);
}

#[tokio::test]
async fn an_address_that_the_provider_has_not_confirmed_opens_no_account() {
    let world = World::new().await;
    world.auth.register("ada@example.org", PASSWORD).await;
    for claims in [
        json!({"email_verified": false}),
        json!({"email_verified": "false"}),
        json!({"email_verified": null}),
        json!({"email": null}),
        json!({"email": "ada@example.org\r\nBcc: eve@example.org"}),
    ] {
        world.provider.behave(|behaviour| behaviour.claims = claims.clone());
        world.sign_in().await.assert_problem(403, "address_not_verified");
    }
    assert_eq!(world.database.count("SELECT COUNT(*) FROM identities").await, 0);
}

#[tokio::test]
async fn id_tokens_that_are_not_for_us_and_now_are_refused() {
    let world = World::new().await;
    let now = jsonwebtoken::get_current_timestamp();
    for claims in [
        json!({"iss": "https://evil.example"}),
        json!({"aud": "another client"}),
        json!({"aud": [CLIENT_ID, "another client"]}),
        json!({"aud": [CLIENT_ID], "azp": "another client"}),
        json!({"azp": "another client"}),
        json!({"exp": now - 60}),
        json!({"exp": null}),
        json!({"nbf": now + 600}),
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"sub": ""}),
        json!({"sub": "a".repeat(256)}),
        json!({"sub": null}),
    ] {
        world.provider.behave(|behaviour| behaviour.claims = claims.clone());
        let answer = world.sign_in().await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!("oidc_failed")), "{claims}");
    }
    assert_eq!(world.accounts().await, 0);
}

#[tokio::test]
async fn id_tokens_signed_with_another_key_are_refused() {
    let world = World::new().await;
    let (location, attempt) = world.start().await;
    let (returned, code) = world.provider.sign_in(&location);
    let nonce = attempt.split('.').nth(2).unwrap();
    let now = jsonwebtoken::get_current_timestamp();
    let claims = json!({
        "iss": world.provider.issuer(), "aud": CLIENT_ID, "sub": "eve", "nonce": nonce, "iat": now,
        "exp": now + 300, "email": "ada@example.org", "email_verified": true,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = |alg: &str| format!("{}.{}.", part(&json!({"alg": alg, "typ": "JWT"})), part(&claims));
    let stranger = Provider::start().await;
    let with = |algorithm: Algorithm, kid: &str| {
        let mut header = Header::new(algorithm);
        header.kid = Some(kid.to_owned());
        header
    };
    let secret = jsonwebtoken::EncodingKey::from_secret(b"s3cret:with/marks");
    let by_secret =
        jsonwebtoken::encode(&with(Algorithm::HS256, &kid_of(Algorithm::RS256)), &claims, &secret);
    let strangers =
        stranger.sign(&with(Algorithm::RS256, &kid_of(Algorithm::RS256)), Algorithm::RS256, &claims);
    let wrong_key =
        stranger.sign(&with(Algorithm::ES256, &kid_of(Algorithm::RS256)), Algorithm::ES256, &claims);
    let genuine = with(Algorithm::RS256, &kid_of(Algorithm::RS256));
    let genuine = world.provider.sign(&genuine, Algorithm::RS256, &claims);
    let other = jsonwebtoken::Header { kid: None, ..Header::new(Algorithm::RS256) };
    let without_kid = world.provider.sign(&other, Algorithm::RS256, &claims);
    for (what, token) in [
        ("none", unsigned("none")),
        ("NONE", unsigned("NONE")),
        ("nOnE", unsigned("nOnE")),
        ("the client's secret", by_secret.unwrap()),
        ("a stranger's key", strangers),
        ("a key of another kind", wrong_key),
        ("truncated", genuine[..genuine.len() - 4].to_owned()),
        ("without a kid among several", without_kid),
        ("nothing", String::new()),
        ("no token", "a.b.c".to_owned()),
    ] {
        world.provider.behave(|behaviour| behaviour.token = Some(token.clone()));
        let answer = world.finish(&attempt, &returned, &code).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!("oidc_failed")), "{what}");
    }
    assert_eq!(world.accounts().await, 0);
    world.provider.behave(|behaviour| behaviour.token = Some(genuine.clone()));
    assert_eq!(world.finish(&attempt, &returned, &code).await.status, 200, "the genuine one");
}

#[tokio::test]
async fn an_answer_to_another_browser_is_refused() {
    let world = World::new().await;
    let (location, attempt) = world.start().await;
    let (returned, code) = world.provider.sign_in(&location);
    let (_, others) = world.start().await;
    for (attempt, state, code) in [
        (others.as_str(), returned.as_str(), code.as_str()),
        ("", &returned, &code),
        (&attempt.replacen("main", "other", 1), &returned, &code),
        (&attempt, "", &code),
        (&attempt, "another", &code),
        (&attempt, &returned, "another code"),
    ] {
        world.finish(attempt, state, code).await.assert_problem(400, "oidc_failed");
    }
    let mix_up = json!({
        "redirect_uri": REDIRECT_URI, "attempt": attempt, "state": returned, "code": code, "iss": "https://evil.example",
    });
    world.auth.post("/oidc/main/finish", &mix_up).await.assert_problem(400, "oidc_failed");
    world.auth.post("/oidc/other/start", &json!({"redirect_uri": ""})).await.assert_problem(404, "not_found");
    assert_eq!(world.accounts().await, 0);
}

#[tokio::test]
async fn a_provider_that_is_away_or_names_another_issuer_signs_nobody_in() {
    let world = World::new().await;
    world.provider.behave(|behaviour| behaviour.is_broken = true);
    let start = json!({"redirect_uri": REDIRECT_URI});
    world.auth.post("/oidc/main/start", &start).await.assert_problem(400, "oidc_failed");
    world
        .provider
        .behave(|behaviour| behaviour.issuer_in_metadata = Some("https://other.example".to_owned()));
    world.auth.post("/oidc/main/start", &start).await.assert_problem(400, "oidc_failed");
    world.provider.behave(|_| {});
    assert_eq!(world.sign_in().await.status, 200);
    let World { auth, provider, database: _database } = world;
    drop(provider);
    // The metadata for the start are kept for an hour.
    assert_eq!(auth.post("/oidc/main/start", &start).await.status, 200);
}

#[tokio::test]
async fn made_up_key_names_do_not_become_requests_to_the_provider() {
    let world = World::new().await;
    assert_eq!(world.sign_in().await.status, 200);
    let before = world.provider.key_requests();
    for number in 0..10 {
        world.provider.behave(|behaviour| behaviour.kid = Some(format!("made up {number}")));
        world.sign_in().await.assert_problem(400, "oidc_failed");
    }
    assert!(world.provider.key_requests() - before <= 1);
}

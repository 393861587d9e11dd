use std::time::{Duration, Instant};

use contracts::{ACCESS_TOKEN_TYPE, AUDIENCE, AccessClaims, ISSUER, JwkSet};
use jsonwebtoken::{
    Algorithm, DecodingKey, TokenData, Validation, decode, decode_header, get_current_timestamp,
};
use serde_json::json;

use crate::world::{Auth, PASSWORD, TestDatabase};

/// Verifies a token as the gateway does.
pub(crate) fn verify(token: &str, keys: &JwkSet) -> TokenData<AccessClaims> {
    let kid = decode_header(token).unwrap().kid.unwrap();
    let key = keys.keys.iter().find(|key| key.kid == kid).expect("the key is published");
    assert_eq!((key.kty.as_str(), key.crv.as_str(), key.alg.as_str()), ("OKP", "Ed25519", "EdDSA"));
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
    decode(token, &DecodingKey::from_ed_components(&key.x).unwrap(), &validation).unwrap()
}

#[tokio::test]
async fn a_registered_account_gets_a_token_that_the_published_keys_verify() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    let registered = auth.register("Ada@Example.org", PASSWORD).await;
    assert_eq!((registered.status, registered.body), (201, json!({})));

    let answer = auth.log_in("ada@example.ORG", PASSWORD).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.body["expires_in"], json!(900));

    let token = verify(answer.body["access_token"].as_str().unwrap(), &auth.keys().await);
    assert_eq!(token.header.typ.as_deref(), Some(ACCESS_TOKEN_TYPE));
    assert_eq!(token.claims.email.as_str(), "ada@example.org");
    assert_eq!(token.claims.exp, token.claims.iat + 900);
    assert_eq!(token.claims.nbf, token.claims.iat);
    assert!(get_current_timestamp().abs_diff(token.claims.iat) < 60);

    let again = verify(&auth.token("ada@example.org", PASSWORD).await, &auth.keys().await);
    assert_eq!(again.claims.sub, token.claims.sub);
    assert_ne!(again.claims.jti, token.claims.jti);
    auth.end().await.unwrap();
}

#[tokio::test]
async fn passwords_are_compared_character_by_character() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    let longest = "🦀".repeat(128);
    assert_eq!(auth.register("ada@example.org", &longest).await.status, 201);
    auth.token("ada@example.org", &longest).await;
    let shorter = "🦀".repeat(127);
    auth.log_in("ada@example.org", &shorter).await.assert_problem(401, "wrong_credentials");
    let longer = "🦀".repeat(129);
    auth.log_in("ada@example.org", &longer).await.assert_problem(401, "wrong_credentials");
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_get_the_same_answer() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    let wrong_password = auth.log_in("ada@example.org", "incorrect horse").await;
    wrong_password.assert_problem(401, "wrong_credentials");
    assert_eq!(auth.log_in("nobody@example.org", "incorrect horse").await, wrong_password);
    assert_eq!(auth.log_in("not an address", "incorrect horse").await, wrong_password);
    assert_eq!(auth.log_in("ada@example.org", "short").await, wrong_password);
}

#[tokio::test]
async fn an_unknown_address_takes_as_long_as_a_wrong_password() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    let mut fastest = [Duration::MAX; 2];
    // Alternating, so that both see the machine equally busy. Without the dummy hash an unknown address would
    // be answered more than twenty times as fast.
    for _ in 0..10 {
        for (fastest, email) in fastest.iter_mut().zip(["ada@example.org", "nobody@example.org"]) {
            let began = Instant::now();
            auth.log_in(email, "incorrect horse").await.assert_problem(401, "wrong_credentials");
            *fastest = began.elapsed().min(*fastest);
        }
        // Without this, the next try would be delayed.
        database.execute("DELETE FROM login_failures").await;
    }
    let [known, unknown] = fastest;
    assert!(unknown > known / 4, "known {known:?}, unknown {unknown:?}");
}

#[tokio::test]
async fn a_taken_address_gets_the_same_answer_and_keeps_its_password() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    let first = auth.register("ada@example.org", PASSWORD).await;
    assert_eq!(auth.register("ADA@example.org", "another password").await, first);
    auth.token("ada@example.org", PASSWORD).await;
    auth.log_in("ada@example.org", "another password").await.assert_problem(401, "wrong_credentials");
    assert_eq!(database.count("SELECT COUNT(*) FROM accounts").await, 1);
    let metrics = auth.metrics().await;
    for result in ["created", "taken"] {
        assert!(
            metrics.contains(&format!(r#"mixdown_registrations_total{{result="{result}"}}"#)),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn of_many_registrations_of_one_address_at_once_one_creates_an_account() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    let passwords: Vec<String> = (0..24).map(|number| format!("password of number {number}")).collect();
    let registrations = passwords.iter().map(|password| auth.register("ada@example.org", password));
    for answer in futures_util::future::join_all(registrations).await {
        // On a busy machine some requests may be refused for the moment.
        if answer.status != 201 {
            answer.assert_problem(503, "unavailable");
        }
    }
    assert_eq!(database.count("SELECT COUNT(*) FROM accounts").await, 1);
    let mut logins = 0;
    for password in &passwords {
        logins += u32::from(auth.log_in("ada@example.org", password).await.status == 200);
    }
    assert_eq!(logins, 1);
}

#[tokio::test]
async fn two_hundred_logins_at_once_are_answered_each_with_a_token_or_a_request_to_come_again() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    let logins = (0..200).map(|_| auth.log_in("ada@example.org", PASSWORD));
    let answers = futures_util::future::join_all(logins).await;
    for answer in &answers {
        if answer.status != 200 {
            answer.assert_problem(503, "unavailable");
            assert_eq!(answer.headers["retry-after"], "5");
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    auth.token("ada@example.org", PASSWORD).await;
    assert!(auth.metrics().await.contains("mixdown_password_hashing_waiting"));
}

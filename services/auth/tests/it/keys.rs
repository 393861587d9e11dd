use std::time::Duration;

use auth::{DatabaseConfig, RotateCommand, rotate_keys};
use sqlx::AssertSqlSafe;

use crate::accounts::verify;
use crate::world::{Auth, KEY_ENCRYPTION_KEY, PASSWORD, SOON, TestDatabase, config};

const ACTIVE_KEYS: &str = "SELECT COUNT(*) FROM signing_keys WHERE active_slot = 1";

#[tokio::test]
async fn replicas_that_start_at_once_sign_with_one_key() {
    let database = TestDatabase::migrated().await;
    let launched = (0..6).map(|_| Auth::launch(config(&database.url)));
    let replicas = futures_util::future::join_all(launched).await;
    for replica in &replicas {
        replica.until_ready().await;
    }
    assert_eq!(database.count(ACTIVE_KEYS).await, 1);
    assert_eq!(database.count("SELECT COUNT(*) FROM signing_keys").await, 1);
    replicas[0].register("ada@example.org", PASSWORD).await;
    let keys = replicas[0].keys().await;
    for replica in replicas {
        assert_eq!(replica.keys().await, keys);
        verify(&replica.token("ada@example.org", PASSWORD).await, &keys);
        replica.end().await.unwrap();
    }
}

#[tokio::test]
async fn the_key_outlives_the_process_and_is_encrypted_in_the_database() {
    let database = TestDatabase::migrated().await;
    let first = Auth::start(&database).await;
    first.register("ada@example.org", PASSWORD).await;
    let token = first.token("ada@example.org", PASSWORD).await;
    first.end().await.unwrap();
    let second = Auth::start(&database).await;
    verify(&token, &second.keys().await);
    // Every PKCS#8 document of an Ed25519 key contains this object identifier.
    let plain = "SELECT COUNT(*) FROM signing_keys WHERE INSTR(sealed_private_key, X'06032B6570') > 0";
    assert_eq!(database.count(plain).await, 0);
}

#[tokio::test]
async fn another_encryption_key_ends_the_service_with_a_clear_error() {
    let database = TestDatabase::migrated().await;
    Auth::start(&database).await.end().await.unwrap();
    let mut other = config(&database.url);
    other.key_encryption_key = "//////////////////////////////////////////8=".into();
    let error = format!("{:#}", Auth::launch(other).await.ended().await.unwrap_err());
    assert!(error.contains("KEY_ENCRYPTION_KEY is not the one that signing key"), "{error}");
    assert_eq!(database.count("SELECT COUNT(*) FROM signing_keys").await, 1);
}

#[tokio::test]
async fn settings_that_cannot_work_end_the_service_without_being_shown() {
    let database = TestDatabase::create().await;
    let mut short = config(&database.url);
    short.key_encryption_key = "c2VjcmV0".into();
    let error = format!("{:#}", Auth::launch(short).await.ended().await.unwrap_err());
    assert!(error.contains("KEY_ENCRYPTION_KEY") && !error.contains("c2VjcmV0"), "{error}");

    for url in
        ["s3cret", "mysql://mixdown:s3cret@127.0.0.1:3306", "postgres://mixdown:s3cret@127.0.0.1/accounts"]
    {
        let error = format!("{:#}", Auth::launch(config(url)).await.ended().await.unwrap_err());
        assert!(error.contains("MYSQL_URL") && !error.contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn a_key_that_takes_over_is_used_without_a_restart_and_the_old_one_stays_published() {
    let (database, other) = tokio::join!(TestDatabase::migrated(), TestDatabase::migrated());
    // A second service with the same encryption key creates the next key.
    Auth::start(&other).await.end().await.unwrap();
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    let old_token = auth.token("ada@example.org", PASSWORD).await;
    let old_keys = auth.keys().await;

    let rotation = format!(
        "START TRANSACTION;
         UPDATE signing_keys SET active_slot = NULL, retired_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR;
         INSERT INTO signing_keys SELECT * FROM {}.signing_keys;
         COMMIT",
        other.name()
    );
    sqlx::raw_sql(AssertSqlSafe(rotation)).execute(&mut database.connect().await).await.unwrap();
    let keys = test_kit::wait_until("both keys are published", SOON, async || {
        let keys = auth.keys().await;
        (keys.keys.len() == 2).then_some(keys)
    })
    .await;
    let new_token = auth.token("ada@example.org", PASSWORD).await;
    verify(&old_token, &keys);
    let new_kid = verify(&new_token, &keys).header.kid.unwrap();
    assert_ne!(new_kid, old_keys.keys[0].kid);

    let retire = "UPDATE signing_keys SET retired_at = UTC_TIMESTAMP(6) WHERE active_slot IS NULL";
    sqlx::raw_sql(retire).execute(&mut database.connect().await).await.unwrap();
    test_kit::wait_until("only the new key is published", SOON, async || {
        let keys = auth.keys().await.keys;
        keys.len() == 1 && keys[0].kid == new_kid
    })
    .await;
}

#[tokio::test]
async fn keys_may_be_cached_for_five_minutes() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    let response = auth.get("/.well-known/jwks.json").await;
    assert_eq!(response.headers()["cache-control"], "public, max-age=300");
    assert_eq!(response.headers()["content-type"], "application/json");
}

fn rotation(database: &TestDatabase, announcement: Duration) -> RotateCommand {
    RotateCommand {
        database: DatabaseConfig { mysql_url: database.url.as_str().into() },
        key_encryption_key: KEY_ENCRYPTION_KEY.into(),
        access_token_lifetime: Duration::from_mins(15),
        signing_key_announcement: announcement,
    }
}

#[tokio::test]
async fn a_rotation_lets_a_new_key_sign_and_keeps_all_sessions() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    let session = auth.session("ada@example.org").await;
    let old_kid = auth.keys().await.keys[0].kid.clone();

    let said = rotate_keys(&rotation(&database, Duration::ZERO)).await.unwrap();
    test_kit::wait_until("the new key signs", SOON, async || {
        let token = auth.session("ada@example.org").await.access;
        let kid = verify(&token, &auth.keys().await).header.kid.unwrap();
        kid != old_kid && said.contains(&kid)
    })
    .await;
    verify(&session.access, &auth.keys().await);
    assert_eq!(auth.ask("GET", "/me", &session.access, None).await.status, 200);
    assert_eq!(auth.refresh(&session.refresh).await.status, 200);
    // Twice in a row: tokens of the first key stay valid.
    rotate_keys(&rotation(&database, Duration::ZERO)).await.unwrap();
    test_kit::wait_until("three keys are published", SOON, async || auth.keys().await.keys.len() == 3).await;
    assert_eq!(auth.ask("GET", "/me", &session.access, None).await.status, 200);
    assert_eq!(database.count(ACTIVE_KEYS).await, 1);
}

#[tokio::test]
async fn a_new_key_is_published_for_a_while_before_it_signs() {
    let database = TestDatabase::migrated().await;
    let announcement = Duration::from_hours(1);
    let auth = Auth::start_with(&database, |config| config.signing_key_announcement = announcement).await;
    auth.register("ada@example.org", PASSWORD).await;
    // The first key has no predecessor, and signs at once.
    let old = verify(&auth.token("ada@example.org", PASSWORD).await, &auth.keys().await).header.kid;
    let age = "UPDATE signing_keys SET created_at = created_at - INTERVAL 2 HOUR";
    sqlx::raw_sql(age).execute(&mut database.connect().await).await.unwrap();
    rotate_keys(&rotation(&database, announcement)).await.unwrap();
    test_kit::wait_until("both are published", SOON, async || auth.keys().await.keys.len() == 2).await;
    let still = verify(&auth.token("ada@example.org", PASSWORD).await, &auth.keys().await).header.kid;
    assert_eq!(still, old);
    sqlx::raw_sql(age).execute(&mut database.connect().await).await.unwrap();
    test_kit::wait_until("the new one signs", SOON, async || {
        let token = auth.token("ada@example.org", PASSWORD).await;
        verify(&token, &auth.keys().await).header.kid != old
    })
    .await;
}

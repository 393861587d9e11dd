use std::time::Duration;

use serde_json::json;

use crate::accounts::verify;
use crate::api_keys::{check, create};
use crate::post::Post;
use crate::world::{Auth, PASSWORD, SOON, TestDatabase, Tokens};

const NEW_PASSWORD: &str = "another good password";

async fn world() -> (TestDatabase, Auth, Post) {
    let (database, post) = tokio::join!(TestDatabase::migrated(), Post::open());
    let auth = Auth::start_with(&database, |config| post.connect(config)).await;
    (database, auth, post)
}

async fn reset(auth: &Auth, token: &str, password: &str) -> crate::world::Answer {
    auth.post("/password/reset", &json!({"token": token, "password": password})).await
}

#[tokio::test]
async fn a_registration_sends_a_token_that_confirms_the_address_once() {
    let (database, auth, post) = world().await;
    auth.register("ada@example.org", PASSWORD).await;
    let token = post.token("ada@example.org", "verify_address").await;
    let session = auth.session("ada@example.org").await;
    assert_eq!(auth.post("/verify", &json!({"token": token})).await.status, 204);
    auth.post("/verify", &json!({"token": token})).await.assert_problem(400, "bad_or_expired_token");
    auth.post("/verify", &json!({"token": "made up"})).await.assert_problem(400, "bad_or_expired_token");
    let claims = verify(&Tokens::of(&auth.refresh(&session.refresh).await).access, &auth.keys().await).claims;
    assert!(claims.email_verified);
    // Nothing is left to confirm, so no mail is sent.
    assert_eq!(auth.post("/verify/resend", &json!({"email": "ada@example.org"})).await.status, 202);
    drained(&database).await;
    assert!(post.take("ada@example.org").is_none());
}

/// Waits until the outbox relay has handled every mail, and a message would have arrived.
async fn drained(database: &TestDatabase) {
    test_kit::wait_until("the outbox is empty", SOON, async || {
        database.count("SELECT COUNT(*) FROM outbox").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_taken_address_gets_a_mail_without_a_token() {
    let (_database, auth, post) = world().await;
    auth.register("ada@example.org", PASSWORD).await;
    post.token("ada@example.org", "verify_address").await;
    auth.register("ada@example.org", NEW_PASSWORD).await;
    assert_eq!(post.mail_to("ada@example.org").await.content.as_str(), "address_taken");
}

#[tokio::test]
async fn known_and_unknown_addresses_get_the_same_answers() {
    let (database, auth, post) = world().await;
    auth.register("ada@example.org", PASSWORD).await;
    post.mail_to("ada@example.org").await;
    for path in ["/password/forgot", "/verify/resend"] {
        let known = auth.post(path, &json!({"email": "ada@example.org"})).await;
        let unknown = auth.post(path, &json!({"email": "nobody@example.org"})).await;
        assert_eq!((known.status, &known), (202, &unknown));
        auth.post(path, &json!({"email": "no address\r\nBcc: x@y.z"})).await.assert_problem(400, "bad_email");
    }
    post.mail_to("ada@example.org").await;
    post.mail_to("ada@example.org").await;
    drained(&database).await;
    assert!(post.take("nobody@example.org").is_none());
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_once_and_every_session_ends() {
    let (_database, auth, post) = world().await;
    auth.register("ada@example.org", PASSWORD).await;
    post.token("ada@example.org", "verify_address").await;
    let session = auth.session("ada@example.org").await;
    auth.post("/password/forgot", &json!({"email": "ada@example.org"})).await;
    let token = post.token("ada@example.org", "reset_password").await;

    // A token for one purpose serves no other.
    auth.post("/verify", &json!({"token": token})).await.assert_problem(400, "bad_or_expired_token");
    reset(&auth, &token, "password").await.assert_problem(400, "common_password");
    reset(&auth, &token, "short").await.assert_problem(400, "bad_password");
    let attempts = [reset(&auth, &token, NEW_PASSWORD), reset(&auth, &token, NEW_PASSWORD)];
    let answers = futures_util::future::join_all(attempts).await;
    let done = answers.iter().filter(|answer| answer.status == 204).count();
    assert_eq!(done, 1, "{answers:?}");

    auth.refresh(&session.refresh).await.assert_problem(401, "invalid_refresh_token");
    auth.log_in("ada@example.org", PASSWORD).await.assert_problem(401, "wrong_credentials");
    let claims = verify(&auth.token("ada@example.org", NEW_PASSWORD).await, &auth.keys().await).claims;
    assert!(claims.email_verified, "whoever has the link reads the mail");
    assert_eq!(post.mail_to("ada@example.org").await.content.as_str(), "password_changed");
}

#[tokio::test]
async fn a_reset_of_an_unconfirmed_account_ends_all_access_of_its_creator() {
    let (_database, auth, post) = world().await;
    // Eve registers with an address that is not hers.
    auth.register("ada@example.org", PASSWORD).await;
    post.token("ada@example.org", "verify_address").await;
    let eve = auth.token("ada@example.org", PASSWORD).await;
    let (_, key) = create(&auth, &eve, json!({"name": "later", "scopes": ["read"]})).await;
    assert_eq!(check(&auth, &key).await.status, 200);

    auth.post("/password/forgot", &json!({"email": "ada@example.org"})).await;
    let token = post.token("ada@example.org", "reset_password").await;
    assert_eq!(reset(&auth, &token, NEW_PASSWORD).await.status, 204);
    check(&auth, &key).await.assert_problem(401, "invalid_token");

    // Once the address is confirmed, a forgotten password is no reason to stop the owner's scripts.
    let ada = auth.token("ada@example.org", NEW_PASSWORD).await;
    let (_, key) = create(&auth, &ada, json!({"name": "backup", "scopes": ["read"]})).await;
    post.mail_to("ada@example.org").await;
    auth.post("/password/forgot", &json!({"email": "ada@example.org"})).await;
    let token = post.token("ada@example.org", "reset_password").await;
    assert_eq!(reset(&auth, &token, PASSWORD).await.status, 204);
    assert_eq!(check(&auth, &key).await.status, 200);
}

#[tokio::test]
async fn tokens_end_with_their_time() {
    let (database, auth, post) = world().await;
    auth.register("ada@example.org", PASSWORD).await;
    let token = post.token("ada@example.org", "verify_address").await;
    auth.post("/password/forgot", &json!({"email": "ada@example.org"})).await;
    let reset_token = post.token("ada@example.org", "reset_password").await;
    let over = "UPDATE mail_tokens SET expires_at = UTC_TIMESTAMP(6)";
    sqlx::raw_sql(over).execute(&mut database.connect().await).await.unwrap();
    auth.post("/verify", &json!({"token": token})).await.assert_problem(400, "bad_or_expired_token");
    reset(&auth, &reset_token, NEW_PASSWORD).await.assert_problem(400, "bad_or_expired_token");
}

#[tokio::test]
async fn an_account_moves_to_another_address_when_that_is_confirmed() {
    let (_database, auth, post) = world().await;
    auth.register("ada@example.org", PASSWORD).await;
    post.mail_to("ada@example.org").await;
    let session = auth.session("ada@example.org").await;
    let change = |email: &str, password: &str| json!({"email": email, "password": password});
    let ask = async |body| auth.ask("POST", "/me/email", &session.access, Some(&body)).await;
    ask(change("ada@example.net", "wrong password")).await.assert_problem(403, "wrong_password");
    ask(change("ada@example.net\r\nBcc: x@y.z", PASSWORD)).await.assert_problem(400, "bad_email");
    assert_eq!(ask(change("ada@example.net", PASSWORD)).await.status, 202);
    let token = post.token("ada@example.net", "confirm_address").await;
    let me = auth.ask("GET", "/me", &session.access, None).await.body;
    assert_eq!((&me["email"], &me["pending_email"]), (&json!("ada@example.org"), &json!("ada@example.net")));

    assert_eq!(auth.post("/verify", &json!({"token": token})).await.status, 204);
    let me = auth.ask("GET", "/me", &session.access, None).await.body;
    assert_eq!((&me["email"], &me["email_verified"]), (&json!("ada@example.net"), &json!(true)));
    assert!(me.get("pending_email").is_none());
    assert_eq!(post.mail_to("ada@example.org").await.content.as_str(), "address_changed");
    auth.log_in("ada@example.org", PASSWORD).await.assert_problem(401, "wrong_credentials");
    auth.token("ada@example.net", PASSWORD).await;

    // A taken address gets the same answer, and no token.
    auth.register("eve@example.org", PASSWORD).await;
    post.mail_to("eve@example.org").await;
    assert_eq!(ask(change("eve@example.org", PASSWORD)).await.status, 202);
    assert_eq!(post.mail_to("eve@example.org").await.content.as_str(), "address_taken");
}

#[tokio::test]
async fn an_address_gets_only_so_many_mails_an_hour() {
    let (database, post) = tokio::join!(TestDatabase::migrated(), Post::open());
    let auth = Auth::start_with(&database, |config| {
        post.connect(config);
        config.account_mails_per_hour = 3;
    })
    .await;
    auth.register("ada@example.org", PASSWORD).await;
    for _ in 0..6 {
        assert_eq!(auth.post("/password/forgot", &json!({"email": "ada@example.org"})).await.status, 202);
    }
    drained(&database).await;
    for _ in 0..3 {
        post.mail_to("ada@example.org").await;
    }
    assert!(post.take("ada@example.org").is_none());
    assert_eq!(database.count("SELECT COUNT(*) FROM mail_tokens").await, 3);
    // An hour later there may be more.
    let later = "UPDATE accounts SET mail_window_at = mail_window_at - INTERVAL 1 HOUR";
    sqlx::raw_sql(later).execute(&mut database.connect().await).await.unwrap();
    auth.post("/password/forgot", &json!({"email": "ada@example.org"})).await;
    post.token("ada@example.org", "reset_password").await;
}

#[tokio::test]
async fn a_mail_that_was_asked_for_outlives_the_broker_and_the_process() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    assert_eq!(database.count("SELECT COUNT(*) FROM outbox").await, 1);
    // The state after a process is killed while it publishes.
    auth.end().await.unwrap();
    let leased = "UPDATE outbox SET taken_by = UNHEX(REPEAT('ab', 16)), taken_until = UTC_TIMESTAMP(6) + INTERVAL 1 SECOND";
    sqlx::raw_sql(leased).execute(&mut database.connect().await).await.unwrap();

    let post = Post::open().await;
    let auth = Auth::start_with(&database, |config| post.connect(config)).await;
    let token = post.token("ada@example.org", "verify_address").await;
    assert_eq!(auth.post("/verify", &json!({"token": token})).await.status, 204);
    drained(&database).await;
    assert_eq!(
        tokio::time::timeout(Duration::from_millis(100), async { post.take("ada@example.org") })
            .await
            .ok()
            .flatten()
            .map(|mail| mail.mail_id),
        None
    );
}

#[tokio::test]
async fn no_token_of_a_mail_is_in_the_database() {
    let (database, auth, post) = world().await;
    auth.register("ada@example.org", PASSWORD).await;
    let token = post.token("ada@example.org", "verify_address").await;
    let found: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM mail_tokens WHERE INSTR(hash, ?) > 0 OR hash = ?")
            .bind(&token.as_bytes()[..16])
            .bind(&token)
            .fetch_one(&mut database.connect().await)
            .await
            .unwrap();
    assert_eq!((found, database.count("SELECT COUNT(*) FROM mail_tokens").await), (0, 1));
}

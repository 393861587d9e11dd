use std::time::Duration;

use contracts::Revocations;
use serde_json::{Value, json};

use crate::accounts::verify;
use crate::world::{Auth, PASSWORD, SOON, TestDatabase, Tokens};

async fn with_account() -> (TestDatabase, Auth) {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    (database, auth)
}

async fn revocations(auth: &Auth) -> Revocations {
    auth.get("/internal/revocations").await.error_for_status().unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_refresh_token_gives_the_next_tokens_of_its_session() {
    let (_database, auth) = with_account().await;
    let first = auth.session("ada@example.org").await;
    let answer = auth.refresh(&first.refresh).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let second = Tokens::of(&answer);
    assert_ne!(first.refresh, second.refresh);
    let keys = auth.keys().await;
    let (old, new) = (verify(&first.access, &keys).claims, verify(&second.access, &keys).claims);
    assert_eq!((old.sid, old.sub), (new.sid, new.sub));
    assert!(!new.email_verified);
    let third = Tokens::of(&auth.refresh(&second.refresh).await);
    assert_eq!(auth.refresh(&third.refresh).await.status, 200);
}

#[tokio::test]
async fn within_the_grace_a_lost_answer_can_be_asked_for_again() {
    let (_database, auth) = with_account().await;
    let first = auth.session("ada@example.org").await;
    let lost = Tokens::of(&auth.refresh(&first.refresh).await);
    let again = Tokens::of(&auth.refresh(&first.refresh).await);
    assert_ne!(lost.refresh, again.refresh);
    Tokens::of(&auth.refresh(&again.refresh).await);
    assert_eq!(revocations(&auth).await.sessions, []);
}

#[tokio::test]
async fn a_refresh_token_that_is_used_after_its_grace_ends_the_session_for_both() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start_with(&database, |config| config.refresh_grace = Duration::ZERO).await;
    auth.register("ada@example.org", PASSWORD).await;
    let stolen = auth.session("ada@example.org").await;
    let other = auth.session("ada@example.org").await;
    let owners = Tokens::of(&auth.refresh(&stolen.refresh).await);
    auth.refresh(&stolen.refresh).await.assert_problem(401, "invalid_refresh_token");
    auth.refresh(&owners.refresh).await.assert_problem(401, "invalid_refresh_token");
    let ended = verify(&owners.access, &auth.keys().await).claims.sid;
    assert_eq!(revocations(&auth).await.sessions, [ended]);
    auth.ask("GET", "/me", &owners.access, None).await.assert_problem(401, "invalid_token");
    // The account's other sessions are not affected.
    assert_eq!(auth.refresh(&other.refresh).await.status, 200);
}

#[tokio::test]
async fn of_two_tokens_issued_in_the_grace_only_one_can_be_refreshed() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start_with(&database, |config| config.refresh_grace = Duration::from_secs(2)).await;
    auth.register("ada@example.org", PASSWORD).await;
    let first = auth.session("ada@example.org").await;
    let owners = Tokens::of(&auth.refresh(&first.refresh).await);
    let thiefs = Tokens::of(&auth.refresh(&first.refresh).await);
    Tokens::of(&auth.refresh(&owners.refresh).await);
    // The thief's token is one of the replaced ones. Its grace ends, too.
    let age = "UPDATE refresh_tokens SET replaced_at = replaced_at - INTERVAL 1 MINUTE";
    sqlx::raw_sql(age).execute(&mut database.connect().await).await.unwrap();
    auth.refresh(&thiefs.refresh).await.assert_problem(401, "invalid_refresh_token");
    assert_eq!(database.count("SELECT COUNT(*) FROM sessions").await, 0);
}

#[tokio::test]
async fn many_refreshes_at_once_do_no_harm() {
    let (database, auth) = with_account().await;
    let session = auth.session("ada@example.org").await;
    let all = (0..20).map(|_| auth.refresh(&session.refresh));
    for answer in futures_util::future::join_all(all).await {
        Tokens::of(&answer);
    }
    assert_eq!(database.count("SELECT COUNT(*) FROM sessions").await, 1);
}

#[tokio::test]
async fn tokens_that_were_never_given_out_are_refused_and_none_is_stored_as_it_is() {
    let (database, auth) = with_account().await;
    let session = auth.session("ada@example.org").await;
    for wrong in ["", "x", &session.access, &format!("{}x", session.refresh), &"a".repeat(43)] {
        auth.refresh(wrong).await.assert_problem(401, "invalid_refresh_token");
    }
    let plain = "SELECT COUNT(*) FROM refresh_tokens WHERE LENGTH(hash) = 32";
    assert_eq!(database.count(plain).await, 1);
    let stored: Vec<u8> = sqlx::query_scalar("SELECT hash FROM refresh_tokens")
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap();
    assert_ne!(stored, &session.refresh.as_bytes()[..32]);
}

#[tokio::test]
async fn a_session_ends_with_its_time_however_often_it_is_refreshed() {
    let (database, auth) = with_account().await;
    let session = auth.session("ada@example.org").await;
    let next = Tokens::of(&auth.refresh(&session.refresh).await);
    let over = "UPDATE sessions SET expires_at = UTC_TIMESTAMP(6)";
    sqlx::raw_sql(over).execute(&mut database.connect().await).await.unwrap();
    auth.refresh(&next.refresh).await.assert_problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn logging_out_ends_the_session_and_answers_a_malformed_token_alike() {
    let (_database, auth) = with_account().await;
    let session = auth.session("ada@example.org").await;
    let log_out = async |token: &str| auth.post("/logout", &json!({"refresh_token": token})).await.status;
    assert_eq!(log_out("made up").await, 204);
    assert_eq!(auth.refresh(&session.refresh).await.status, 200);
    // An exchanged token ends the session, too.
    assert_eq!(log_out(&session.refresh).await, 204);
    auth.ask("GET", "/me", &session.access, None).await.assert_problem(401, "invalid_token");
    assert_eq!(revocations(&auth).await.sessions.len(), 1);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all_at_once() {
    let (_database, auth) = with_account().await;
    let login = json!({"email": "ada@example.org", "password": PASSWORD, "client": "curl/8\r\nx"});
    let first = Tokens::of(&auth.post("/login", &login).await);
    let second = auth.session("ada@example.org").await;
    let listed = auth.ask("GET", "/sessions", &first.access, None).await.body;
    let sessions = listed["sessions"].as_array().unwrap().clone();
    assert_eq!(sessions.len(), 2);
    let current: Vec<&Value> =
        sessions.iter().filter(|session| session["is_current"] == json!(true)).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["client"], json!("curl/8x"));
    let other = sessions.iter().find(|session| session["is_current"] == json!(false)).unwrap();
    let path = format!("/sessions/{}", other["id"].as_str().unwrap());

    auth.register("eve@example.org", PASSWORD).await;
    let eve = auth.session("eve@example.org").await;
    auth.ask("DELETE", &path, &eve.access, None).await.assert_problem(404, "not_found");
    assert_eq!(auth.ask("DELETE", &path, &first.access, None).await.status, 204);
    auth.ask("DELETE", &path, &first.access, None).await.assert_problem(404, "not_found");
    auth.refresh(&second.refresh).await.assert_problem(401, "invalid_refresh_token");
    assert_eq!(auth.ask("DELETE", "/sessions", &first.access, None).await.status, 204);
    auth.refresh(&first.refresh).await.assert_problem(401, "invalid_refresh_token");
    assert_eq!(auth.refresh(&eve.refresh).await.status, 200);
}

#[tokio::test]
async fn a_short_session_has_no_refresh_token_and_ends_with_its_access_token() {
    let database = TestDatabase::migrated().await;
    let auth =
        Auth::start_with(&database, |config| config.access_token_lifetime = Duration::from_secs(2)).await;
    auth.register("ada@example.org", PASSWORD).await;
    let login = json!({"email": "ada@example.org", "password": PASSWORD, "is_short": true});
    let answer = auth.post("/login", &login).await;
    assert_eq!((answer.status, &answer.body["refresh_token"]), (200, &Value::Null));
    let live = "SELECT COUNT(*) FROM sessions WHERE expires_at > UTC_TIMESTAMP(6)";
    test_kit::wait_until("it is over", SOON, async || database.count(live).await == 0).await;
}

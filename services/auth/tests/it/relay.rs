//! The relay of the outbox while RabbitMQ is away, or its confirms are lost.

use std::collections::HashMap;
use std::time::Duration;

use contracts::{AccountMail, AccountMailContent};
use serde_json::json;
use test_kit::wait_until;

use crate::post::Post;
use crate::world::{Auth, PASSWORD, SOON, TestDatabase};

/// Makes the least tried mails due at once, as time would do: the others have had their turn.
async fn hurry(database: &TestDatabase) {
    let least = database.count("SELECT CAST(COALESCE(MIN(tries), 0) AS SIGNED) FROM outbox").await;
    database
        .execute_text(format!(
            "UPDATE outbox SET taken_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE tries <= {least}"
        ))
        .await;
}

/// An auth that gets no confirm: it gives up each publication before one could arrive.
async fn without_confirms(database: &TestDatabase, post: &Post) -> Auth {
    Auth::start_with(database, |config| {
        post.connect(config);
        config.rabbitmq.publish_timeout = Duration::ZERO;
    })
    .await
}

async fn with_confirms(database: &TestDatabase, post: &Post) -> Auth {
    Auth::start_with(database, |config| post.connect(config)).await
}

/// Waits until each mail was tried this often. A confirm may be faster than the timer, so that some mails are
/// published.
async fn tried(database: &TestDatabase, least: &'static str) {
    wait_until("each mail was tried often", SOON * 4, async || {
        hurry(database).await;
        database.count(least).await == 0
    })
    .await;
}

async fn drained(database: &TestDatabase) {
    wait_until("the outbox is empty", SOON, async || {
        hurry(database).await;
        database.count("SELECT COUNT(*) FROM outbox").await == 0
    })
    .await;
}

fn token(mail: &AccountMail) -> Option<&str> {
    match &mail.content {
        AccountMailContent::VerifyAddress { token, .. }
        | AccountMailContent::ResetPassword { token, .. }
        | AccountMailContent::ConfirmAddress { token, .. } => Some(token.expose()),
        AccountMailContent::AddressTaken
        | AccountMailContent::AddressChanged
        | AccountMailContent::PasswordChanged
        | AccountMailContent::Submitted { .. } => None,
    }
}

/// The mails that arrived, each once. All messages of a mail must have the same content.
fn distinct(post: &Post) -> HashMap<String, AccountMail> {
    let mut mails: HashMap<String, AccountMail> = HashMap::new();
    for mail in post.take_all() {
        let id = mail.mail_id.to_string();
        if let Some(before) = mails.get(&id) {
            assert_eq!(token(before), token(&mail), "a mail has one link");
        }
        mails.insert(id, mail);
    }
    mails
}

#[tokio::test]
async fn fifty_mails_of_thirty_accounts_outlive_many_tries_and_arrive_once() {
    let (database, post) = tokio::join!(TestDatabase::migrated(), Post::open());
    let auth = without_confirms(&database, &post).await;
    for account in 0..30 {
        let email = format!("person{account}@example.org");
        assert_eq!(auth.register(&email, PASSWORD).await.status, 201);
        if account < 20 {
            assert_eq!(auth.post("/password/forgot", &json!({"email": email})).await.status, 202);
        }
    }
    // More tries than an account gets mails in an hour.
    tried(&database, "SELECT COUNT(*) FROM outbox WHERE tries < 13").await;
    let counted = "SELECT CAST(COALESCE(MAX(mails_in_window), 0) AS SIGNED) FROM accounts";
    assert!(database.count(counted).await <= 2, "each mail is counted once");
    auth.end().await.unwrap();
    let auth = with_confirms(&database, &post).await;
    drained(&database).await;

    let mails = wait_until("the mails", SOON, async || {
        let mut mails = HashMap::new();
        for mail in post.peek_all() {
            mails.insert(mail.mail_id.to_string(), mail);
        }
        if mails.len() >= 50 { Ok(mails.len()) } else { Err(format!("{} mails", mails.len())) }
    })
    .await;
    assert_eq!(mails, 50);
    let mails = distinct(&post);
    let (confirms, resets): (Vec<_>, Vec<_>) =
        mails.values().partition(|mail| mail.content.as_str() == "verify_address");
    assert_eq!((confirms.len(), resets.len()), (30, 20));
    // A reset invalidates older links, so it comes last.
    for mail in confirms {
        let answer = auth.post("/verify", &json!({"token": token(mail)})).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    let body = json!({"token": token(resets[0]), "password": "another good password"});
    assert_eq!(auth.post("/password/reset", &body).await.status, 204);
}

#[tokio::test]
async fn while_the_broker_is_away_nothing_is_decided_or_counted() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    auth.post("/password/forgot", &json!({"email": "ada@example.org"})).await;
    let untouched = "SELECT COUNT(*) FROM outbox WHERE tries = 0 AND decided IS NULL";
    assert_eq!(database.count(untouched).await, 2);
    auth.end().await.unwrap();
    assert_eq!(database.count(untouched).await, 2);
}

#[tokio::test]
async fn a_mail_that_cannot_be_published_holds_no_other() {
    let (database, post) = tokio::join!(TestDatabase::migrated(), Post::open());
    // As if a later build had requested it; the oldest of all.
    database
        .execute(
            "INSERT INTO outbox (id, kind, email, created_at)
             VALUES (UNHEX(REPEAT('00', 16)), 'unheard_of', 'x@example.org', UTC_TIMESTAMP(6))",
        )
        .await;
    let auth = with_confirms(&database, &post).await;
    for account in 0..5 {
        auth.register(&format!("person{account}@example.org"), PASSWORD).await;
    }
    for account in 0..5 {
        post.mail_to(&format!("person{account}@example.org")).await;
    }
    wait_until("the others are gone", SOON, async || {
        database.count("SELECT COUNT(*) FROM outbox").await == 1
    })
    .await;
}

#[tokio::test]
async fn a_link_works_after_several_attempts_to_publish_its_mail() {
    let (database, post) = tokio::join!(TestDatabase::migrated(), Post::open());
    let auth = with_confirms(&database, &post).await;
    auth.register("ada@example.org", PASSWORD).await;
    post.mail_to("ada@example.org").await;
    let session = auth.session("ada@example.org").await;
    drained(&database).await;
    auth.end().await.unwrap();

    let auth = without_confirms(&database, &post).await;
    let body = json!({"email": "ada@example.net", "password": PASSWORD});
    assert_eq!(auth.ask("POST", "/me/email", &session.access, Some(&body)).await.status, 202);
    tried(&database, "SELECT COUNT(*) FROM outbox WHERE tries < 3").await;
    auth.end().await.unwrap();
    let auth = with_confirms(&database, &post).await;
    drained(&database).await;

    // Notification sends the first message, and treats the others as the same mail.
    let first = post.mail_to("ada@example.net").await;
    let link = token(&first).unwrap().to_owned();
    while let Some(again) = post.take("ada@example.net") {
        assert_eq!((again.mail_id, token(&again)), (first.mail_id, Some(&*link)));
    }
    assert_eq!(auth.post("/verify", &json!({"token": link})).await.status, 204);
    assert_eq!(database.count("SELECT COUNT(*) FROM accounts WHERE email = 'ada@example.net'").await, 1);
}

#[tokio::test]
async fn a_used_link_stays_used_when_its_mail_is_published_again() {
    let (database, post) = tokio::join!(TestDatabase::migrated(), Post::open());
    let auth = with_confirms(&database, &post).await;
    auth.register("ada@example.org", PASSWORD).await;
    let mail = post.mail_to("ada@example.org").await;
    let link = token(&mail).unwrap().to_owned();
    assert_eq!(auth.post("/verify", &json!({"token": link})).await.status, 204);
    // The state after a crash between the confirm and the deletion of the row.
    let id = mail.mail_id.to_string().replace('-', "");
    database
        .execute_text(format!(
            "INSERT INTO outbox (id, kind, email, account_id, created_at, decided)
             SELECT UNHEX('{id}'), 'registered', email, id, created_at, 'verify_address' FROM accounts"
        ))
        .await;
    let again = post.mail_to("ada@example.org").await;
    assert_eq!((again.mail_id, token(&again)), (mail.mail_id, Some(&*link)));
    auth.post("/verify", &json!({"token": link})).await.assert_problem(400, "bad_or_expired_token");
}

#[tokio::test]
async fn the_last_requested_address_counts_and_requesting_it_twice_keeps_both_links() {
    let (database, post) = tokio::join!(TestDatabase::migrated(), Post::open());
    let auth = with_confirms(&database, &post).await;
    auth.register("ada@example.org", PASSWORD).await;
    let session = auth.session("ada@example.org").await;
    let ask = async |email: &str| {
        let body = json!({"email": email, "password": PASSWORD});
        assert_eq!(auth.ask("POST", "/me/email", &session.access, Some(&body)).await.status, 202);
        post.token(email, "confirm_address").await
    };
    let mistyped = ask("ada@example.nett").await;
    let first = ask("ada@example.net").await;
    let second = ask("ada@example.net").await;
    assert_ne!(first, second);
    auth.post("/verify", &json!({"token": mistyped})).await.assert_problem(400, "bad_or_expired_token");
    assert_eq!(auth.post("/verify", &json!({"token": first})).await.status, 204);
    auth.post("/verify", &json!({"token": second})).await.assert_problem(400, "bad_or_expired_token");
}

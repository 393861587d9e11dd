use serde_json::{Value, json};

use crate::world::{Auth, PASSWORD, TestDatabase};

const NEW_PASSWORD: &str = "another good password";

async fn with_account() -> (TestDatabase, Auth) {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    (database, auth)
}

#[tokio::test]
async fn an_account_shows_its_settings_and_changes_its_mail_preferences() {
    let (_database, auth) = with_account().await;
    let session = auth.session("ada@example.org").await;
    let mut me = auth.ask("GET", "/me", &session.access, None).await.body;
    for volatile in ["id", "created_at"] {
        assert!(me[volatile].is_string());
        me[volatile] = json!(null);
    }
    insta::assert_json_snapshot!(me, @r#"
    {
      "created_at": null,
      "email": "ada@example.org",
      "email_verified": false,
      "has_password": true,
      "id": null,
      "mails": {
        "failed": true,
        "finished": true,
        "submitted": false
      },
      "role": "user"
    }
    "#);
    let change = json!({"mails": {"submitted": true, "finished": false}});
    let changed = auth.ask("PATCH", "/me", &session.access, Some(&change)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let wanted = json!({"submitted": true, "finished": false, "failed": true});
    assert_eq!(changed.body["mails"], wanted);
    assert_eq!(auth.ask("GET", "/me", &session.access, None).await.body["mails"], wanted);
    let token = auth.token("ada@example.org", PASSWORD).await;
    let mails = crate::accounts::verify(&token, &auth.keys().await).claims.mails;
    assert!(mails.submitted && !mails.finished && mails.failed);
}

#[tokio::test]
async fn changing_the_password_needs_the_current_one_and_ends_all_sessions() {
    let (_database, auth) = with_account().await;
    let (session, other) = (auth.session("ada@example.org").await, auth.session("ada@example.org").await);
    let change = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    let ask = async |body: Value| auth.ask("POST", "/me/password", &session.access, Some(&body)).await;
    ask(change("wrong password", NEW_PASSWORD)).await.assert_problem(403, "wrong_password");
    ask(change("", NEW_PASSWORD)).await.assert_problem(403, "wrong_password");
    ask(change(PASSWORD, "password")).await.assert_problem(400, "common_password");
    ask(change(PASSWORD, "short")).await.assert_problem(400, "bad_password");
    assert_eq!(auth.refresh(&other.refresh).await.status, 200);
    assert_eq!(ask(change(PASSWORD, NEW_PASSWORD)).await.status, 204);
    ask(change(NEW_PASSWORD, PASSWORD)).await.assert_problem(401, "invalid_token");
    for session in [&session, &other] {
        auth.refresh(&session.refresh).await.assert_problem(401, "invalid_refresh_token");
    }
    auth.token("ada@example.org", NEW_PASSWORD).await;
}

#[tokio::test]
async fn nothing_of_an_erased_account_is_left() {
    let (database, auth) = with_account().await;
    let session = auth.session("ada@example.org").await;
    let id = auth.ask("GET", "/me", &session.access, None).await.body["id"].as_str().unwrap().to_owned();
    let key = json!({"name": "script", "scopes": ["read"]});
    assert_eq!(auth.ask("POST", "/keys", &session.access, Some(&key)).await.status, 201);
    let erase = async |password: &str| {
        auth.ask("DELETE", "/me", &session.access, Some(&json!({"password": password}))).await
    };
    erase("wrong password").await.assert_problem(403, "wrong_password");
    let none: Value = auth.get("/internal/erasures").await.json().await.unwrap();
    assert_eq!(none, json!({"accounts": []}));
    assert_eq!(erase(PASSWORD).await.status, 202);
    // It can't be used from that moment.
    erase(PASSWORD).await.assert_problem(401, "invalid_token");
    auth.refresh(&session.refresh).await.assert_problem(401, "invalid_refresh_token");
    auth.log_in("ada@example.org", PASSWORD).await.assert_problem(401, "wrong_credentials");
    let waiting: Value = auth.get("/internal/erasures").await.json().await.unwrap();
    assert_eq!(waiting, json!({"accounts": [id]}));

    let done = format!("/internal/erasures/{id}/done");
    for _ in 0..2 {
        assert_eq!(auth.post(&done, &json!({})).await.status, 204);
    }
    for table in [
        "SELECT COUNT(*) FROM accounts",
        "SELECT COUNT(*) FROM sessions",
        "SELECT COUNT(*) FROM refresh_tokens",
        "SELECT COUNT(*) FROM api_keys",
        "SELECT COUNT(*) FROM mail_tokens",
        "SELECT COUNT(*) FROM outbox",
        "SELECT COUNT(*) FROM identities",
    ] {
        assert_eq!(database.count(table).await, 0, "{table}");
    }
    // The gateways go on refusing its access tokens, and the address is free.
    let told: Value = auth.get("/internal/revocations").await.json().await.unwrap();
    assert_eq!((told["sessions"].as_array().unwrap().len(), &told["erased_accounts"]), (1, &json!([id])));
    auth.register("ada@example.org", PASSWORD).await;
    auth.token("ada@example.org", PASSWORD).await;
}

#[tokio::test]
async fn an_account_is_not_erased_without_a_request() {
    let (database, auth) = with_account().await;
    let token = auth.token("ada@example.org", PASSWORD).await;
    let id = auth.ask("GET", "/me", &token, None).await.body["id"].as_str().unwrap().to_owned();
    assert_eq!(auth.post(&format!("/internal/erasures/{id}/done"), &json!({})).await.status, 204);
    assert_eq!(database.count("SELECT COUNT(*) FROM accounts").await, 1);
}

#[tokio::test]
async fn every_account_route_needs_a_valid_token() {
    let (_database, auth) = with_account().await;
    let session = auth.session("ada@example.org").await;
    for (method, path) in [
        ("GET", "/me"),
        ("PATCH", "/me"),
        ("DELETE", "/me"),
        ("POST", "/me/password"),
        ("POST", "/me/email"),
        ("GET", "/sessions"),
        ("DELETE", "/sessions"),
        ("DELETE", "/sessions/0190a3c4-0000-7000-8000-000000000001"),
        ("GET", "/keys"),
        ("POST", "/keys"),
        ("DELETE", "/keys/0190a3c4-0000-7000-8000-000000000001"),
        ("GET", "/admin/users"),
        ("PATCH", "/admin/users/0190a3c4-0000-7000-8000-000000000001"),
    ] {
        for wrong in [&session.refresh, "a.b.c", &format!("{}x", session.access)] {
            let answer = auth.ask(method, path, wrong, Some(&json!({}))).await;
            answer.assert_problem(401, "invalid_token");
        }
    }
}

use contracts::ApiKeyHash;
use serde_json::{Value, json};

use crate::world::{Answer, Auth, PASSWORD, TestDatabase};

pub(crate) async fn check(auth: &Auth, key: &str) -> Answer {
    let hash = serde_json::to_value(ApiKeyHash::of(key).unwrap()).unwrap();
    auth.post("/internal/keys/check", &json!({"hash": hash})).await
}

pub(crate) async fn create(auth: &Auth, token: &str, body: Value) -> (String, String) {
    let made = auth.ask("POST", "/keys", token, Some(&body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_its_hash() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    let token = auth.token("ada@example.org", PASSWORD).await;
    let (id, key) = create(
        &auth,
        &token,
        json!({"name": " backup ", "scopes": ["read", "upload", "read"], "expires_in_days": 30}),
    )
    .await;
    assert!(key.starts_with("mxk_"), "{key}");
    let listed = auth.ask("GET", "/keys", &token, None).await.body;
    assert_eq!(listed["keys"][0]["name"], json!("backup"));
    assert_eq!(listed["keys"][0]["scopes"], json!(["upload", "read"]));
    assert!(listed["keys"][0]["expires_at"].is_string() && listed["keys"][0].get("last_used_at").is_none());
    assert!(!listed.to_string().contains(&key));

    let holder = check(&auth, &key).await;
    assert_eq!((holder.status, &holder.body["key"]), (200, &json!(id)), "{holder:?}");
    assert_eq!(holder.body["email"], json!("ada@example.org"));
    let used = auth.ask("GET", "/keys", &token, None).await.body["keys"][0]["last_used_at"].clone();
    assert!(used.is_string());
    check(&auth, &key).await;
    let again = auth.ask("GET", "/keys", &token, None).await.body["keys"][0]["last_used_at"].clone();
    assert_eq!(used, again, "written at most once a minute");

    check(&auth, &ApiKeyHash::key_of(&[7; 32])).await.assert_problem(401, "invalid_token");
    let path = format!("/keys/{id}");
    auth.register("eve@example.org", PASSWORD).await;
    let eve = auth.token("eve@example.org", PASSWORD).await;
    auth.ask("DELETE", &path, &eve, None).await.assert_problem(404, "not_found");
    assert_eq!(auth.ask("DELETE", &path, &token, None).await.status, 204);
    check(&auth, &key).await.assert_problem(401, "invalid_token");
}

#[tokio::test]
async fn keys_end_with_their_time_and_with_their_account() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    let token = auth.token("ada@example.org", PASSWORD).await;
    let (_, key) =
        create(&auth, &token, json!({"name": "a", "scopes": ["read"], "expires_in_days": 1})).await;
    let (_, other) = create(&auth, &token, json!({"name": "b", "scopes": ["read"]})).await;
    let over = "UPDATE api_keys SET expires_at = UTC_TIMESTAMP(6) WHERE expires_at IS NOT NULL";
    sqlx::raw_sql(over).execute(&mut database.connect().await).await.unwrap();
    check(&auth, &key).await.assert_problem(401, "invalid_token");
    assert_eq!(check(&auth, &other).await.status, 200);
    let closed = "UPDATE accounts SET disabled_at = UTC_TIMESTAMP(6)";
    sqlx::raw_sql(closed).execute(&mut database.connect().await).await.unwrap();
    check(&auth, &other).await.assert_problem(401, "invalid_token");
}

#[tokio::test]
async fn invalid_key_requests_are_refused() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    let token = auth.token("ada@example.org", PASSWORD).await;
    for wrong in [
        json!({"name": "", "scopes": ["read"]}),
        json!({"name": "a\r\nSet-Cookie: b=c", "scopes": ["read"]}),
        json!({"name": "a".repeat(101), "scopes": ["read"]}),
        json!({"name": "a", "scopes": []}),
        json!({"name": "a", "scopes": ["admin"]}),
        json!({"name": "a", "scopes": ["read"], "expires_in_days": 0}),
        json!({"name": "a", "scopes": ["read"], "expires_in_days": 4000}),
        json!({"scopes": ["read"]}),
    ] {
        auth.ask("POST", "/keys", &token, Some(&wrong)).await.assert_problem(400, "bad_request");
    }
    for _ in 0..50 {
        create(&auth, &token, json!({"name": "a", "scopes": ["read"]})).await;
    }
    let one_more = json!({"name": "a", "scopes": ["read"]});
    auth.ask("POST", "/keys", &token, Some(&one_more)).await.assert_problem(409, "too_many_keys");
}

use serde_json::json;

use crate::world::{Auth, PASSWORD, TestDatabase};

#[tokio::test]
async fn every_bad_registration_has_its_own_code_and_creates_no_account() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    for email in ["", "ada", "ada@", "a b@example.org", "ada@example.org\r\nBcc: x@y.z", &"a".repeat(300)] {
        auth.register(email, PASSWORD).await.assert_problem(400, "bad_email");
    }
    for password in ["", "1234567", "🦀🦀🦀", &"x".repeat(129), &"🦀".repeat(129), &"x".repeat(5000)]
    {
        auth.register("ada@example.org", password).await.assert_problem(400, "bad_password");
    }
    for password in ["password", "PassWord1", "qwertyuiop", "11111111", "ada@example.org"] {
        auth.register("ada@example.org", password).await.assert_problem(400, "common_password");
    }
    assert_eq!(database.count("SELECT COUNT(*) FROM accounts").await, 0);
    assert_eq!(auth.register("ada@example.org", PASSWORD).await.status, 201);
}

#[tokio::test]
async fn malformed_bodies_are_refused_without_repeating_them() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    for path in ["/register", "/login"] {
        for body in [
            json!({}),
            json!([]),
            json!({"email": "ada@example.org"}),
            json!({"email": "ada@example.org", "password": null}),
            json!({"email": ["ada@example.org"], "password": PASSWORD}),
            json!({"email": "ada@example.org", "password": 31_415_926}),
        ] {
            let answer = auth.post(path, &body).await;
            answer.assert_problem(400, "bad_request");
            assert!(!answer.body.to_string().contains("31415926"), "{answer:?}");
        }
        for text in
            ["", "{", "email=ada@example.org", "\u{0}", r#"{"email": "a", "email": "b", "password": "c"}"#]
        {
            auth.post_raw(path, "application/json", text).await.assert_problem(400, "bad_request");
        }
        let credentials = json!({"email": "ada@example.org", "password": PASSWORD}).to_string();
        for content_type in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"]
        {
            let answer = auth.post_raw(path, content_type, &credentials).await;
            answer.assert_problem(415, "unsupported_media_type");
        }
        let padded = format!("{credentials}{}", " ".repeat(16 * 1024));
        auth.post_raw(path, "application/json", padded).await.assert_problem(413, "too_large");
    }
    assert_eq!(database.count("SELECT COUNT(*) FROM accounts").await, 0);
    assert_eq!(auth.register("ada@example.org", PASSWORD).await.status, 201);
}

#[tokio::test]
async fn fields_of_a_later_gateway_are_ignored() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD, "locale": "en"});
    assert_eq!(auth.post("/register", &body).await.status, 201);
}

#[tokio::test]
async fn problems_have_a_stable_form() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    insta::assert_json_snapshot!(auth.log_in("ada@example.org", PASSWORD).await.body, @r#"
    {
      "code": "wrong_credentials",
      "status": 401,
      "title": "The e-mail address or the password is wrong"
    }
    "#);
    auth.post("/nowhere", &json!({})).await.assert_problem(404, "not_found");
    auth.post("/.well-known/jwks.json", &json!({})).await.assert_problem(405, "method_not_allowed");
    assert_eq!(auth.get("/register").await.status(), 405);
}

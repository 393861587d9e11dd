use serde_json::json;

use crate::world::{Auth, PASSWORD, TestDatabase};

#[tokio::test]
async fn each_wrong_password_makes_the_next_try_wait_longer_whether_there_is_an_account_or_not() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    auth.register("eve@example.org", PASSWORD).await;
    for email in ["ada@example.org", "nobody@example.org"] {
        let try_with = async |password: &str| auth.log_in(email, password).await;
        for _ in 0..5 {
            try_with("a wrong password").await.assert_problem(401, "wrong_credentials");
        }
        let refused = try_with(PASSWORD).await;
        refused.assert_problem(429, "too_many_requests");
        let wait: u64 = refused.headers["retry-after"].parse().unwrap();
        assert!((1..=2).contains(&wait), "{email}: {wait} s");
        // An hour passes: the delay is over, but the failures are not forgotten.
        database.execute("UPDATE login_failures SET last_failed_at = last_failed_at - INTERVAL 1 HOUR").await;
        try_with("a wrong password").await.assert_problem(401, "wrong_credentials");
        let wait = try_with(PASSWORD).await.headers["retry-after"].parse::<u64>().unwrap();
        assert!((2..=3).contains(&wait), "{email}: {wait} s");
    }
    // Other addresses are not affected.
    assert_eq!(auth.log_in("eve@example.org", PASSWORD).await.status, 200);

    // The right password ends it.
    database.execute("UPDATE login_failures SET last_failed_at = last_failed_at - INTERVAL 1 HOUR").await;
    assert_eq!(auth.log_in("ada@example.org", PASSWORD).await.status, 200);
    assert_eq!(database.count("SELECT COUNT(*) FROM login_failures").await, 1);
}

#[tokio::test]
async fn parallel_tries_gain_nothing_over_tries_in_sequence() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    for email in ["ada@example.org", "nobody@example.org"] {
        let tries = (0..60).map(|_| auth.log_in(email, "a wrong password"));
        let answers = futures_util::future::join_all(tries).await;
        let made = answers.iter().filter(|answer| answer.status == 401).count();
        let refused = answers.iter().filter(|answer| answer.status == 429).count();
        assert_eq!(made + refused, 60, "{answers:?}");
        // Five at once, and then one a second, two, four: sixty at once take a few seconds on a slow machine.
        assert!((5..=8).contains(&made), "{email}: {made} were made");
    }
}

#[tokio::test]
async fn the_right_password_is_taken_back_from_the_count() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    // The same for many tries at once.
    let logins = (0..20).map(|_| auth.log_in("ada@example.org", PASSWORD));
    for answer in futures_util::future::join_all(logins).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(database.count("SELECT COUNT(*) FROM login_failures").await, 0);
}

#[tokio::test]
async fn a_signed_in_user_waits_after_wrong_passwords_on_every_route() {
    let database = TestDatabase::migrated().await;
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    let session = auth.session("ada@example.org").await;
    let routes = |password: &str| {
        [
            (
                "POST",
                "/me/password",
                json!({"current_password": password, "new_password": "another good one"}),
            ),
            ("POST", "/me/email", json!({"email": "ada@example.net", "password": password})),
            ("DELETE", "/me", json!({"password": password})),
        ]
    };
    let wrong = routes("a wrong password");
    let ask = async |(method, path, body): &(&str, &str, serde_json::Value)| {
        auth.ask(method, path, &session.access, Some(body)).await
    };
    let tries = (0..30).map(|at| ask(&wrong[at % 3]));
    let answers = futures_util::future::join_all(tries).await;
    let made = answers.iter().filter(|answer| answer.status == 403).count();
    assert!((5..=8).contains(&made), "{made} were made: {answers:?}");
    for route in &routes(PASSWORD) {
        ask(route).await.assert_problem(429, "too_many_requests");
    }
    // It does not block signing in, and wrong sign-ins do not block a signed-in user.
    assert_eq!(auth.log_in("ada@example.org", PASSWORD).await.status, 200);
    database.execute("UPDATE login_failures SET last_failed_at = last_failed_at - INTERVAL 1 HOUR").await;
    assert_eq!(ask(&routes(PASSWORD)[1]).await.status, 202);
    assert_eq!(database.count("SELECT COUNT(*) FROM login_failures").await, 0);
}

use crate::harness::{Auth, PASSWORD, TestDatabase};

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
        // What the clock does in an hour, done at once: it is over, but not forgotten.
        database.execute("UPDATE login_failures SET last_failed_at = last_failed_at - INTERVAL 1 HOUR").await;
        try_with("a wrong password").await.assert_problem(401, "wrong_credentials");
        let wait = try_with(PASSWORD).await.headers["retry-after"].parse::<u64>().unwrap();
        assert!((2..=3).contains(&wait), "{email}: {wait} s");
    }
    // Others are not concerned.
    assert_eq!(auth.log_in("eve@example.org", PASSWORD).await.status, 200);

    // The right password ends it.
    database.execute("UPDATE login_failures SET last_failed_at = last_failed_at - INTERVAL 1 HOUR").await;
    assert_eq!(auth.log_in("ada@example.org", PASSWORD).await.status, 200);
    assert_eq!(database.count("SELECT COUNT(*) FROM login_failures").await, 1);
}

use std::time::{Duration, Instant};

use test_kit::servers::{MySql, Running};

use crate::world::{Auth, PASSWORD, TestDatabase, config, migrate};

#[tokio::test]
async fn the_service_is_not_ready_before_the_migration_and_recovers_with_it() {
    let database = TestDatabase::create().await;
    let auth = Auth::launch(config(&database.url)).await;
    let report = auth.readiness().await.unwrap_err();
    assert!(
        report.contains("database: ") && report.contains("signing key: away: no signing key"),
        "{report}"
    );
    auth.register("ada@example.org", PASSWORD).await.assert_problem(503, "unavailable");
    auth.log_in("ada@example.org", PASSWORD).await.assert_problem(503, "unavailable");
    assert_eq!(auth.get("/.well-known/jwks.json").await.status(), 503);

    migrate(&database.url).await.unwrap();
    auth.until_ready().await;
    assert_eq!(auth.register("ada@example.org", PASSWORD).await.status, 201);
    auth.token("ada@example.org", PASSWORD).await;
}

#[tokio::test]
async fn a_missing_migration_is_named_by_the_readiness() {
    let database = TestDatabase::migrated().await;
    let forget = "DELETE FROM _sqlx_migrations ORDER BY version DESC LIMIT 1";
    sqlx::raw_sql(forget).execute(&mut database.connect().await).await.unwrap();
    // A new release whose migration has not run yet.
    let auth = Auth::launch(config(&database.url)).await;
    let report = auth.readiness().await.unwrap_err();
    assert!(report.contains("run `auth migrate`"), "{report}");
}

#[tokio::test]
async fn migrating_again_or_at_once_changes_nothing() {
    let database = TestDatabase::create().await;
    let migrations = (0..4).map(|_| migrate(&database.url));
    for migrated in futures_util::future::join_all(migrations).await {
        migrated.unwrap();
    }
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;
    migrate(&database.url).await.unwrap();
    auth.token("ada@example.org", PASSWORD).await;
}

#[tokio::test]
async fn a_migration_that_was_killed_half_way_is_run_again() {
    const DONE: &str = "SELECT COUNT(*) FROM _sqlx_migrations WHERE success";
    let database = TestDatabase::migrated().await;
    let all = database.count(DONE).await;
    // The state after a kill between the two halves: the table exists, but the migration is not recorded as
    // done.
    let half_way = "UPDATE _sqlx_migrations SET success = FALSE WHERE version IN (2, 3)";
    sqlx::raw_sql(half_way).execute(&mut database.connect().await).await.unwrap();
    migrate(&database.url).await.unwrap();
    assert_eq!(database.count(DONE).await, all);
}

#[tokio::test]
async fn a_later_schema_serves_an_earlier_build() {
    let database = TestDatabase::migrated().await;
    let later = "INSERT INTO _sqlx_migrations SELECT 9999, 'later', NOW(), TRUE, checksum, 1 FROM _sqlx_migrations LIMIT 1";
    sqlx::raw_sql(later).execute(&mut database.connect().await).await.unwrap();
    migrate(&database.url).await.unwrap();
    Auth::start(&database).await.end().await.unwrap();
}

#[tokio::test]
async fn a_migration_waits_for_a_database_that_starts() {
    let mut server = Running::<MySql>::start().await.unwrap();
    let database = TestDatabase::on(&server).await;
    server.stop().await;
    let (migrated, restarted) = tokio::join!(migrate(&database.url), server.restart());
    restarted.unwrap();
    migrated.unwrap();
}

#[tokio::test]
async fn a_migration_that_the_database_refuses_fails_at_once() {
    let began = Instant::now();
    let url = test_kit::shared().mysql_database_url(&test_kit::unique_name("auth_test_missing"));
    let error = format!("{:#}", migrate(&url).await.unwrap_err());
    assert!(error.contains("Unknown database"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

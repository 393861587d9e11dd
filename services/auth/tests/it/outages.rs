use std::time::{Duration, Instant};

use test_kit::proxy::{Proxy, Traffic};
use test_kit::servers::{MySql, Running};

use crate::world::{Auth, PASSWORD, TestDatabase, config, migrate};

/// 3 s for a connection, 3 s for an answer, and slack for a busy machine.
const BOUND: Duration = Duration::from_secs(12);

async fn assert_unavailable_in_time(auth: &Auth) {
    for path in ["register", "login"] {
        let began = Instant::now();
        let answer = match path {
            "register" => auth.register("eve@example.org", PASSWORD).await,
            _ => auth.log_in("ada@example.org", PASSWORD).await,
        };
        answer.assert_problem(503, "unavailable");
        assert_eq!(answer.headers["retry-after"], "5");
        assert!(began.elapsed() < BOUND, "{path}: {:?}", began.elapsed());
    }
    let report = auth.readiness().await.unwrap_or_else(|report| report);
    assert!(report.contains("database: away"), "{report}");
}

#[tokio::test]
async fn a_database_that_goes_away_is_a_503_in_time_until_it_is_back() {
    let mut server = Running::<MySql>::start().await.unwrap();
    let database = TestDatabase::on(&server).await;
    migrate(&database.url).await.unwrap();
    let auth = Auth::start(&database).await;
    auth.register("ada@example.org", PASSWORD).await;

    server.kill_hard().await;
    assert_unavailable_in_time(&auth).await;
    // Holders of a token are not affected: the keys stay published, and auth stays reachable.
    assert_eq!(auth.keys().await.keys.len(), 1);
    auth.readiness().await.unwrap();

    server.restart().await.unwrap();
    auth.until_ready().await;
    auth.token("ada@example.org", PASSWORD).await;
    assert_eq!(auth.register("eve@example.org", PASSWORD).await.status, 201);
    auth.end().await.unwrap();
}

#[tokio::test]
async fn the_service_starts_while_the_database_is_away() {
    let mut server = Running::<MySql>::start().await.unwrap();
    let database = TestDatabase::on(&server).await;
    migrate(&database.url).await.unwrap();
    server.stop().await;
    let auth = Auth::launch(config(&database.url)).await;
    assert_unavailable_in_time(&auth).await;
    server.restart().await.unwrap();
    auth.until_ready().await;
    assert_eq!(auth.register("ada@example.org", PASSWORD).await.status, 201);
    auth.end().await.unwrap();
}

#[tokio::test]
async fn a_database_that_goes_silent_is_a_503_in_time_until_it_speaks_again() {
    let database = TestDatabase::migrated().await;
    let (proxied, proxy) = Proxy::before(&database.url).await.unwrap();
    let auth = Auth::launch(config(&proxied)).await;
    auth.until_ready().await;
    auth.register("ada@example.org", PASSWORD).await;

    proxy.set(Traffic::Lose);
    // More at once than the pool has connections: each must get its answer, and no connection may stay lost.
    let logins = (0..12).map(|_| assert_unavailable_in_time(&auth));
    futures_util::future::join_all(logins).await;

    proxy.set(Traffic::Pass);
    auth.until_ready().await;
    auth.token("ada@example.org", PASSWORD).await;
    auth.end().await.unwrap();
}

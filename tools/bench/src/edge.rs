//! The gateway's and auth's throughput, and whether their response times reveal accounts.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use contracts::JobId;
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::bson::{Document, doc};
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use test_kit::services::Service;
use test_kit::unique_name;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::figures::{Duel, Row, Series, mebibytes, milliseconds, times};
use crate::memory::field;
use crate::world::World;
use test_kit::mixdown::User;

/// Concurrent requests.
const CONNECTIONS: usize = 16;

const LOOKUPS: usize = 5000;
const ROUNDS: usize = 3;

/// `GET /jobs/{id}` with a token, compared with the driver's lookup of the same document.
pub(crate) async fn lookups(world: &World, user: &User, job: JobId) -> Result<Row> {
    let jobs = world.database("mixdown").collection::<Document>("jobs");
    let id = job.to_string();
    let (mut duel, mut waits) = (Duel::default(), Series::default());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let looked = stream::iter(0..LOOKUPS).map(async |_| {
            let began = Instant::now();
            user.job(job).await?;
            anyhow::Ok(began.elapsed().as_secs_f64())
        });
        let took: Vec<f64> = looked.buffer_unordered(CONNECTIONS).try_collect().await?;
        let ours = began.elapsed();
        for wait in took {
            waits.add(wait);
        }

        let began = Instant::now();
        let found = stream::iter(0..LOOKUPS).map(async |_| jobs.find_one(doc! { "_id": &id }).await);
        let found: Vec<Option<Document>> = found.buffer_unordered(CONNECTIONS).try_collect().await?;
        ensure!(found.iter().all(Option::is_some), "the driver does not find the job");
        duel.add(ours, began.elapsed());
    }
    #[expect(clippy::cast_precision_loss, reason = "it is 5000")]
    let rate = |seconds: f64| format!("{:.0}/s", LOOKUPS as f64 / seconds);
    Ok(Row {
        what: format!("`GET /jobs/{{id}}` with a token, {CONNECTIONS} at a time"),
        ours: rate(duel.ours().median()),
        plain: rate(duel.plain().median()),
        compared: format!("{} the rate", duel.rates().show(times)),
        aim: "none set",
        is_met: None,
        note: Some(format!("p50 {}, p99 {}", milliseconds(waits.median()), milliseconds(waits.at(0.99)))),
    })
}

const LOGINS: usize = 200;

/// The pause after an answer that too many requests are waiting.
const PAUSE: Duration = Duration::from_millis(500);

/// Many users sign in at the same moment: the rate, and the memory that auth needs.
pub(crate) async fn logins(world: &mut World) -> Result<Row> {
    let mut people = Vec::new();
    for _ in 0..LOGINS {
        people.push(world.user().await?);
    }
    let (mut rates, mut peaks, mut refusals) = (Series::default(), Series::default(), Series::default());
    for _ in 0..ROUNDS {
        world.restart(Service::Auth).await?;
        let began = Instant::now();
        let refused = try_join_all(people.iter().map(log_in)).await?;
        #[expect(clippy::cast_precision_loss, reason = "it is 200")]
        rates.add(LOGINS as f64 / began.elapsed().as_secs_f64());
        refusals.add(refused.into_iter().map(f64::from).sum());
        peaks.add(field(world.pid(Service::Auth)?, "status", "VmHWM:")?);
    }
    Ok(Row {
        what: format!("Logins, {LOGINS} people at the same moment"),
        ours: rates.show(|rate| format!("{rate:.0}/s")),
        plain: String::new(),
        compared: String::new(),
        aim: "none set",
        is_met: None,
        note: Some(format!(
            "auth's peak memory {}; told to come again, which they do after {} ms: {} times",
            peaks.show(mebibytes),
            PAUSE.as_millis(),
            refusals.show(|count| format!("{count:.0}")),
        )),
    })
}

/// Logs in. Returns how often the client was told to come again.
async fn log_in(user: &User) -> Result<u32> {
    let mut refused = 0;
    loop {
        match status_of(user.log_in().await?).await?.as_u16() {
            200 => return Ok(refused),
            503 => refused += 1,
            status => bail!("a login was answered with {status}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tries with addresses that have an account, and as many with addresses that have none.
const TRIES: usize = 1000;

/// Few enough for each address that no delay begins.
const TRIES_EACH: usize = 4;

/// If medians differ by more than this share, they reveal who has an account.
const MOST_APART: f64 = 0.05;

/// A login with a wrong password, a password reset and a registration, each for a known and for an unknown
/// address.
pub(crate) async fn secrecy(user: &User) -> Result<Vec<Row>> {
    let known: Vec<String> = stream::iter(0..TRIES / TRIES_EACH)
        .map(async |_| register(user).await)
        .buffered(2)
        .try_collect()
        .await?;
    let mut rows = Vec::new();
    for (what, path) in [
        ("Login with a wrong password", "/login"),
        ("`POST /password/forgot`", "/password/forgot"),
        ("`POST /register`", "/register"),
    ] {
        eprintln!("  {what}");
        let (mut of_known, mut of_unknown) = (Series::default(), Series::default());
        let mut statuses = Vec::new();
        for number in 0..TRIES {
            let stranger = format!("{}@example.com", unique_name("nobody"));
            let friend = known[number % known.len()].clone();
            // The order alternates, as in all comparisons.
            let mut pair = [(friend, &mut of_known), (stranger, &mut of_unknown)];
            if number % 2 == 1 {
                pair.reverse();
            }
            for (email, series) in pair {
                let began = Instant::now();
                let status = knock(user, path, &email, "a wrong password").await?;
                series.add(began.elapsed().as_secs_f64());
                statuses.push(status);
            }
        }
        statuses.sort();
        statuses.dedup();
        ensure!(statuses.len() == 1, "{what} was answered with {statuses:?}");
        let ratio = of_known.median() / of_unknown.median();
        rows.push(Row {
            what: format!("{what}, an address with an account"),
            ours: format!("{:.2} ms", of_known.median() * 1e3),
            plain: format!("{:.2} ms without one", of_unknown.median() * 1e3),
            compared: format!("{ratio:.3}× the median"),
            aim: "0.95× to 1.05×",
            is_met: Some((ratio - 1.0).abs() <= MOST_APART),
            note: None,
        });
    }
    Ok(rows)
}

/// The status of the answer to a request about an address, without a login.
async fn knock(user: &User, path: &str, email: &str, password: &str) -> Result<StatusCode> {
    let body = json!({ "email": email, "password": password });
    status_of(user.anonymous(Method::POST, path).json(&body).send().await?).await
}

async fn status_of(answer: Response) -> Result<StatusCode> {
    let status = answer.status();
    // Read to its end, so that the connection can be used again.
    answer.bytes().await?;
    Ok(status)
}

async fn register(user: &User) -> Result<String> {
    let email = format!("{}@example.com", unique_name("known"));
    let status = knock(user, "/register", &email, "the right password").await?;
    ensure!(status == 201, "a registration was answered with {status}");
    Ok(email)
}

const SLOW: usize = 1000;
const ORDINARY: usize = 1000;

/// A thousand clients that send a byte a second, and a thousand requests of other users with and without
/// them.
pub(crate) async fn slow_clients(world: &mut World, user: &User, job: JobId) -> Result<Row> {
    let alone = ordinary(user, job).await;
    let address = world.url().trim_start_matches("http://").to_owned();
    let mut slow = try_join_all((0..SLOW).map(async |number| {
        let mut stream = TcpStream::connect(&address).await.context("could not connect")?;
        let end = if number % 2 == 0 {
            "x-slow: "
        } else {
            "content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        };
        stream.write_all(format!("POST /login HTTP/1.1\r\nhost: a\r\n{end}").as_bytes()).await?;
        anyhow::Ok(stream)
    }))
    .await?;
    let dripping = async {
        loop {
            for stream in &mut slow {
                // The gateway closes some of them meanwhile, as it should.
                let _ = stream.write_all(b"a").await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let beside = tokio::select! {
        beside = ordinary(user, job) => beside,
        () = dripping => Vec::new(),
    };
    let memory = field(world.pid(Service::Gateway)?, "status", "VmRSS:")?;
    drop(slow);
    let percentile = |waits: &[f64]| milliseconds(waits.iter().copied().collect::<Series>().at(0.99));
    #[expect(clippy::cast_precision_loss, reason = "it is 1000")]
    let fine = beside.len() as f64 / ORDINARY as f64;
    Ok(Row {
        what: format!("{ORDINARY} requests beside {SLOW} slow connections"),
        ours: format!("p99 {}", percentile(&beside)),
        plain: format!("p99 {} without them", percentile(&alone)),
        compared: format!("{:.1} % answered", fine * 100.0),
        aim: "≥ 99 %",
        is_met: Some(fine >= 0.99),
        note: Some(format!("the gateway has {} then", mebibytes(memory))),
    })
}

/// The response times of the requests that succeeded.
async fn ordinary(user: &User, job: JobId) -> Vec<f64> {
    let requests = stream::iter(0..ORDINARY).map(async |_| {
        let began = Instant::now();
        user.job(job).await.ok().map(|_| began.elapsed().as_secs_f64())
    });
    requests.buffer_unordered(CONNECTIONS).filter_map(async |wait| wait).collect().await
}

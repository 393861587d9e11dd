//! Slow clients, ambiguous requests, forged addresses, other origins, and the headers for browsers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::ProblemCode;
use futures_util::future::{join_all, try_join_all};
use reqwest::Method;
use test_kit::mixdown::{Form, Mixdown, PATIENCE, Plan, assert_problem};
use test_kit::services::Service;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const EDGE: [Service; 2] = [Service::Auth, Service::Gateway];

async fn connect(mixdown: &Mixdown) -> Result<TcpStream> {
    let address = mixdown.url();
    TcpStream::connect(address.trim_start_matches("http://")).await.context("could not connect")
}

/// The answer to these bytes, until the connection closes.
async fn answer(mixdown: &Mixdown, request: &str) -> Result<String> {
    answer_of(mixdown.system().ports.gateway, request).await
}

async fn answer_of(port: u16, request: &str) -> Result<String> {
    let (mut reader, mut writer) = TcpStream::connect(("127.0.0.1", port)).await?.into_split();
    let mut answer = Vec::new();
    // A request that is refused early need not be read to its end.
    let sending = async {
        let _ = writer.write_all(request.as_bytes()).await;
    };
    let reading = async {
        // A reset after the answer loses nothing of it.
        let _ = reader.read_to_end(&mut answer).await;
    };
    timeout(PATIENCE, async { tokio::join!(sending, reading) }).await.context("the connection stays open")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn a_thousand_slow_connections_leave_the_others_alone() -> Result<()> {
    let mixdown = Plan::new().only(&EDGE).start().await?;
    let user = mixdown.user().await?;
    let mut slow = Vec::new();
    for number in 0..1000 {
        let mut stream = connect(&mixdown).await?;
        // Some never end their head, some never end a small body, and some never end an upload.
        let begun = match number % 3 {
            0 => "POST /login HTTP/1.1\r\nhost: a\r\nx-slow: ".to_owned(),
            1 => "POST /login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
                .to_owned(),
            _ => format!(
                "POST /upload HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: {}\r\n\
                 content-length: 1000000\r\n\r\n--",
                user.token,
                Form::content_type()
            ),
        };
        stream.write_all(begun.as_bytes()).await?;
        slow.push(stream);
    }
    let dripping = async {
        loop {
            for stream in &mut slow {
                // An error is expected: the gateway closes such connections.
                let _ = stream.write_all(b"a").await;
            }
            sleep(Duration::from_secs(1)).await;
        }
    };
    let ordinary = async {
        let requests =
            (0..1000).map(async |_| user.get("/jobs").await.is_ok_and(|answer| answer.status() == 200));
        join_all(requests).await.into_iter().filter(|is_fine| *is_fine).count()
    };
    let fine = tokio::select! {
        fine = ordinary => fine,
        () = dripping => 0,
    };
    ensure!(fine >= 990, "{fine} of 1000 ordinary requests were answered");
    Ok(())
}

#[tokio::test]
async fn one_address_cannot_take_every_connection() -> Result<()> {
    let mixdown = Plan::new().with("MAX_CONNECTIONS", "20").only(&EDGE).start().await?;
    let held = try_join_all((0..10).map(async |_| connect(&mixdown).await)).await?;
    // Repeated: the gateway must have counted all ten before it refuses the next.
    test_kit::wait_until("the eleventh is closed", PATIENCE, async || {
        let mut stream = connect(&mixdown).await?;
        stream.write_all(b"GET /jobs HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await?;
        ensure!(read.is_err() || answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
        Ok(())
    })
    .await;
    drop(held);
    test_kit::wait_until("there is room again", PATIENCE, async || {
        let text = answer(&mixdown, "GET /jobs HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
        ensure!(text.starts_with("HTTP/1.1 401"), "{text}");
        Ok(())
    })
    .await;
    Ok(())
}

/// A chunked request that is valid except for these headers, and a smuggled request after it.
fn chunked(headers: &str) -> String {
    let body = r#"{"email":"nobody@example.org"}"#;
    format!(
        "POST /password/forgot HTTP/1.1\r\ncontent-type: application/json\r\n{headers}\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
        body.len()
    )
}

#[tokio::test]
async fn requests_that_could_end_in_two_places_are_refused() -> Result<()> {
    let mixdown = Plan::new().only(&EDGE).start().await?;
    for lengths in [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "Transfer-Encoding: chunked\r\nx: y\r\nCONTENT-LENGTH: 0",
        "content-length: 4\r\ntransfer-encoding: chunked\r\ncontent-length: 4",
        "content-length: 4\r\ncontent-length: 5",
        "content-length: 4\r\ncontent-length: 4",
        "content-length: 4, 4",
        "content-length: +4",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: identity",
        "transfer-encoding: chunked, identity",
    ] {
        // The public port, auth's, and the one for probes and metrics.
        let ports = mixdown.system().ports;
        for port in [ports.gateway, ports.auth, ports.gateway_admin] {
            let text = answer_of(port, &chunked(&format!("host: a\r\n{lengths}"))).await?;
            ensure!(text.starts_with("HTTP/1.1 400"), "{port}: {lengths}: {text}");
            ensure!(text.matches("HTTP/1.1").count() == 1, "{port}: {lengths}: {text}");
        }
    }
    let fine = answer(&mixdown, &chunked("host: a\r\ntransfer-encoding: chunked")).await?;
    ensure!(fine.starts_with("HTTP/1.1 202") && fine.matches("HTTP/1.1").count() == 1, "{fine}");
    Ok(())
}

#[tokio::test]
async fn a_request_names_exactly_one_host() -> Result<()> {
    let mixdown = Plan::new().only(&EDGE).start().await?;
    let ports = mixdown.system().ports;
    for port in [ports.gateway, ports.auth, ports.gateway_admin] {
        for hosts in ["", "host: a\r\nhost: a\r\n", "host: a\r\nHOST: b\r\n", "host: a b\r\n", "host:\r\n"] {
            let request = format!("GET /livez HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
            let text = answer_of(port, &request).await?;
            ensure!(text.starts_with("HTTP/1.1 400"), "{port}: {hosts:?}: {text}");
        }
        let text = answer_of(port, "GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
        ensure!(!text.starts_with("HTTP/1.1 400"), "{port}: {text}");
        let text = answer_of(port, "GET /livez HTTP/1.0\r\n\r\n").await?;
        ensure!(!text.starts_with("HTTP/1.0 400"), "{port}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_head_that_does_not_end_is_refused_by_every_port() -> Result<()> {
    let mixdown = Plan::new().start().await?;
    let ports = mixdown.system().ports;
    let admins = [ports.gateway_admin, ports.auth_admin, ports.converter_admin, ports.notification_admin];
    for port in [ports.gateway, ports.auth].into_iter().chain(admins) {
        let head = |bytes| {
            format!("GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: {}", "a".repeat(bytes))
        };
        let text = answer_of(port, &format!("{}\r\n\r\n", head(16 << 10))).await?;
        ensure!(text.starts_with("HTTP/1.1 200") || text.starts_with("HTTP/1.1 404"), "{port}: {text}");
        // One header, many headers, and a long address. The gateway reads all that is sent, so that the
        // answer arrives.
        let many: Vec<_> = (0..2000).map(|number| format!("\r\nx-{number}: aaaaaaaaaa")).collect();
        for mut head in [head(24 << 10), head(0) + &many.concat(), format!("GET /{}", "a".repeat(24 << 10))] {
            head.truncate(24 << 10);
            let text = answer_of(port, &head).await?;
            ensure!(text.starts_with("HTTP/1.1 431"), "{port}: {text}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn headers_about_the_client_count_from_proxies_alone() -> Result<()> {
    let plan =
        Plan::new().with("CREDENTIALS_PER_MINUTE", "3").with("CLIENT_IP_SOURCE", "RightmostXForwardedFor");
    let mixdown = plan.with("TRUSTED_PROXIES", "192.0.2.0/24").only(&EDGE).start().await?;
    let user = mixdown.user().await?;
    // The registration and the login count, and no header makes this another client.
    let log_in_from = async |address: &str| {
        let login = user.anonymous(Method::POST, "/login").basic_auth(&user.email, Some(&user.password));
        login.header("x-forwarded-for", address).header("forwarded", format!("for={address}")).send().await
    };
    assert_eq!(log_in_from("198.51.100.1").await?.status(), 200);
    let refused = log_in_from("198.51.100.2").await?;
    let headers = refused.headers().clone();
    assert_problem("the fourth", refused, ProblemCode::TooManyRequests).await?;
    for (name, expected) in
        [("ratelimit-limit", Some("3")), ("ratelimit-remaining", Some("0")), ("ratelimit-reset", None)]
    {
        let value = headers.get(name).with_context(|| format!("no {name}"))?;
        assert!(expected.is_none_or(|expected| value == expected), "{name}: {value:?}");
    }
    Ok(())
}

#[tokio::test]
async fn every_answer_tells_browsers_what_they_must_not_do() -> Result<()> {
    let plan = Plan::new().with("CORS_ORIGINS", "https://app.example.org").only(&EDGE);
    let mixdown = plan.with("PUBLIC_URL", "https://mixdown.example.org").start().await?;
    let user = mixdown.user().await?;
    for path in ["/jobs", "/nothing", "/openapi.json", "/docs/"] {
        let answer = user.get(path).await?;
        for name in
            ["x-content-type-options", "content-security-policy", "x-frame-options", "referrer-policy"]
        {
            assert!(answer.headers().contains_key(name), "{path} has no {name}");
        }
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000", "{path}");
        let policy = answer.headers()["content-security-policy"].to_str()?;
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
    let from = async |origin: &str| user.request(Method::GET, "/jobs").header("origin", origin).send().await;
    let allowed = from("https://app.example.org").await?;
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example.org");
    assert!(!allowed.headers().contains_key("access-control-allow-credentials"));
    for origin in ["https://app.example.org.evil.org", "http://app.example.org", "null"] {
        assert!(!from(origin).await?.headers().contains_key("access-control-allow-origin"), "{origin}");
    }
    Ok(())
}

#[tokio::test]
async fn an_upload_that_only_drips_is_given_up() -> Result<()> {
    let plan = Plan::new().with("UPLOAD_IDLE_TIMEOUT", "500ms").with("MIN_UPLOAD_RATE", "1000000");
    let mixdown = plan.only(&EDGE).start().await?;
    let user = mixdown.user().await?;
    let mut stream = connect(&mixdown).await?;
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: {}\r\ncontent-length: 1000000\r\n\r\n",
        user.token,
        Form::content_type()
    );
    stream.write_all(head.as_bytes()).await?;
    let (mut reader, mut writer) = stream.into_split();
    // Never idle for long, and without an end.
    let dripping = async {
        while writer.write_all(b"a").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = vec![0; 12];
    tokio::select! {
        read = timeout(PATIENCE, reader.read_exact(&mut answer)) => { read.context("it is never given up")??; }
        () = dripping => {}
    }
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
    Ok(())
}

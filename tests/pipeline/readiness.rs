//! A client behind a load balancer that forwards only to ready gateways, like a Service of Kubernetes.

use anyhow::{Context, Result, ensure};
use contracts::ProblemCode;
use reqwest::{Method, RequestBuilder};
use test_kit::mixdown::{Form, Mixdown, PATIENCE, Plan, assert_problem};
use test_kit::proxy::{Proxy, Traffic};
use test_kit::services::{Service, ServicePorts};
use test_kit::{shared, wait_until};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

/// Checks for each connection whether the gateway is ready, and closes it if not. This is quicker than any
/// probe, so a short outage of the gateway is noticed.
async fn balancer(mixdown: &Mixdown) -> Result<Proxy> {
    let ports = mixdown.system().ports;
    Proxy::with(move |client| async move {
        // An error means that one side closed the connection.
        let _ = pass_if_ready(client, ports).await;
    })
    .await
}

async fn pass_if_ready(mut client: TcpStream, ports: ServicePorts) -> Result<()> {
    let ready = format!("http://127.0.0.1:{}/readyz", ports.gateway_admin);
    if reqwest::get(ready).await?.status() == 200 {
        let mut server = TcpStream::connect(("127.0.0.1", ports.gateway)).await?;
        copy_bidirectional(&mut client, &mut server).await?;
    }
    Ok(())
}

async fn status(what: &str, request: RequestBuilder) -> Result<u16> {
    // A new connection, like that of a new client.
    let answer = request.header("connection", "close").send().await;
    Ok(answer.with_context(|| format!("{what} was refused"))?.status().as_u16())
}

/// The state of a part in a service's metrics.
async fn is_up(mixdown: &Mixdown, service: Service, part: &str) -> Result<bool> {
    let url = format!("http://127.0.0.1:{}/metrics", mixdown.system().ports.admin(service));
    let text = reqwest::get(url).await?.text().await?;
    let name = format!("mixdown_part_up{{part=\"{part}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name)).context("it says nothing of it")?;
    Ok(value == "1")
}

async fn wait_for_part(mixdown: &Mixdown, service: Service, part: &str, wanted: bool) {
    wait_until("the metrics tell of it", PATIENCE, async || {
        let is_up = is_up(mixdown, service, part).await?;
        ensure!(is_up == wanted, "{part} is up: {is_up}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_rabbitmq_the_site_stays_where_readiness_is_obeyed() -> Result<()> {
    let (url, proxy) = Proxy::before(&shared().rabbitmq_url).await?;
    let mut mixdown = Plan::new().on_rabbitmq(&url).start().await?;
    let balancer = balancer(&mixdown).await?;
    let user = mixdown.user().await?.at(&format!("http://{}", balancer.address()));
    for traffic in [Traffic::Refuse, Traffic::Stall] {
        proxy.set(traffic);
        for service in [Service::Gateway, Service::Converter, Service::Notification] {
            wait_for_part(&mixdown, service, "rabbitmq", false).await;
        }
        let login = user.anonymous(Method::POST, "/login").basic_auth(&user.email, Some(&user.password));
        for (what, request, expected) in [
            ("the login", login, 200),
            ("the list", user.request(Method::GET, "/jobs"), 200),
            ("the usage", user.request(Method::GET, "/me/usage"), 200),
            ("a download", user.request(Method::GET, "/download?fid=000000000000000000000000"), 404),
        ] {
            assert_eq!(status(what, request).await?, expected, "{traffic:?}, {what}");
        }
        let refused =
            user.post(Form::default().file("a.mp4", b"any")).await.context("an upload was refused")?;
        assert_problem("an upload", refused, ProblemCode::Unavailable).await?;
        for service in Service::ALL {
            let url = format!("http://127.0.0.1:{}/readyz", mixdown.system().ports.admin(service));
            let answer = reqwest::get(url).await?;
            assert_eq!(answer.status(), 200, "{traffic:?}, {}: {}", service.name(), answer.text().await?);
        }
    }
    // A gateway that starts meanwhile can answer too.
    let gateway = mixdown.service(Service::Gateway)?;
    gateway.kill_hard().await;
    let restarted = tokio::spawn({
        let system = mixdown.system().clone();
        async move { test_kit::services::RunningService::start(&system, Service::Gateway).await }
    });
    wait_until("a gateway that starts without RabbitMQ is ready", PATIENCE, async || {
        Ok::<_, anyhow::Error>(status("the list", user.request(Method::GET, "/jobs")).await? == 200)
    })
    .await;
    proxy.set(Traffic::Pass);
    let _restarted = restarted.await??;
    wait_for_part(&mixdown, Service::Gateway, "rabbitmq", true).await;
    assert_eq!(user.post(Form::default().file("a.mp4", b"any")).await?.status(), 202);
    Ok(())
}

#[tokio::test]
async fn without_mongodb_or_mysql_every_request_is_answered_where_readiness_is_obeyed() -> Result<()> {
    let (mongodb, mongodb_proxy) = Proxy::before(&shared().mongodb_url).await?;
    let (mysql, mysql_proxy) = Proxy::before(&shared().mysql_url).await?;
    let plan = Plan::new().on_mongodb(&mongodb.replace("replicaSet=rs0", "directConnection=true"));
    let mixdown = plan.on_mysql(&mysql).start().await?;
    let balancer = balancer(&mixdown).await?;
    let user = mixdown.user().await?.at(&format!("http://{}", balancer.address()));
    let login = || user.anonymous(Method::POST, "/login").basic_auth(&user.email, Some(&user.password));
    mongodb_proxy.set(Traffic::Refuse);
    wait_for_part(&mixdown, Service::Gateway, "mongodb", false).await;
    assert_eq!(status("the login", login()).await?, 200);
    assert_eq!(status("the document", user.request(Method::GET, "/openapi.json")).await?, 200);
    assert_eq!(status("the list", user.request(Method::GET, "/jobs")).await?, 503);
    mongodb_proxy.set(Traffic::Pass);
    wait_for_part(&mixdown, Service::Gateway, "mongodb", true).await;

    mysql_proxy.set(Traffic::Refuse);
    wait_for_part(&mixdown, Service::Auth, "database", false).await;
    assert_eq!(status("the login", login()).await?, 503);
    assert_eq!(status("the list", user.request(Method::GET, "/jobs")).await?, 200);
    let auth = mixdown.system().ports;
    // Auth stays available: gateways that have just started need its keys.
    let keys = format!("http://127.0.0.1:{}/.well-known/jwks.json", auth.auth);
    assert_eq!(reqwest::get(keys).await?.status(), 200);
    assert_eq!(reqwest::get(format!("http://127.0.0.1:{}/readyz", auth.auth_admin)).await?.status(), 200);
    mysql_proxy.set(Traffic::Pass);
    Ok(())
}

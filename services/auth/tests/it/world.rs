use std::collections::BTreeMap;
use std::time::Duration;

use auth::{Config, DatabaseConfig};
use clap::Parser;
use contracts::JwkSet;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use service_kit::{Process, Shutdown};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use test_kit::servers::{MySql, Server as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const KEY_ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Enough for what takes a second on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A database of the test's own, dropped at its end.
pub(crate) struct TestDatabase {
    server_url: String,
    name: String,
    pub(crate) url: String,
}

impl TestDatabase {
    /// An empty one on the shared server.
    pub(crate) async fn create() -> Self {
        Self::create_on(&test_kit::shared().mysql_url).await
    }

    /// An empty one on a server of the test's own.
    pub(crate) async fn on(server: &MySql) -> Self {
        Self::create_on(&server.url()).await
    }

    async fn create_on(server_url: &str) -> Self {
        let name = test_kit::unique_name("auth_test");
        let mut server = MySqlConnection::connect(server_url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut server).await.unwrap();
        Self { server_url: server_url.to_owned(), url: format!("{server_url}/{name}"), name }
    }

    pub(crate) async fn migrated() -> Self {
        let database = Self::create().await;
        migrate(&database.url).await.unwrap();
        database
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) async fn connect(&self) -> MySqlConnection {
        MySqlConnection::connect(&self.url).await.unwrap()
    }

    /// Executes a statement.
    pub(crate) async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(&mut self.connect().await).await.unwrap();
    }

    /// Executes a statement that the test built.
    pub(crate) async fn execute_text(&self, statement: String) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connect().await).await.unwrap();
    }

    /// The number that a query with one row and one column returns.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&mut self.connect().await).await.unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (name, server_url) = (self.name.clone(), self.server_url.clone());
        let dropped = async move {
            let mut server = MySqlConnection::connect(&server_url).await?;
            // An auth that the test leaves running may be in the middle of a transaction, and cannot go on
            // while the test waits.
            let connections = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = ?";
            let connections: Vec<i64> =
                sqlx::query_scalar(connections).bind(&name).fetch_all(&mut server).await?;
            for id in connections {
                // It may have ended by itself.
                let _ = sqlx::raw_sql(AssertSqlSafe(format!("KILL {id}"))).execute(&mut server).await;
            }
            let drop_database = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}"));
            sqlx::raw_sql(drop_database).execute(&mut server).await
        };
        // A separate thread, since the test's runtime cannot be blocked from within. A failure leaves a
        // database behind.
        let _ = std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map(|runtime| runtime.block_on(dropped))
        })
        .join();
    }
}

pub(crate) async fn migrate(url: &str) -> anyhow::Result<()> {
    auth::migrate(&DatabaseConfig { mysql_url: url.into() }).await.map(drop)
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

/// The settings that most tests run with.
pub(crate) fn config(database_url: &str) -> Config {
    let mysql_url = format!("--mysql-url={database_url}");
    let key = format!("--key-encryption-key={KEY_ENCRYPTION_KEY}");
    // Nothing listens there: mails wait in the outbox, and everything else works.
    let rabbitmq_url = "--rabbitmq-url=amqp://mixdown:mixdown@127.0.0.1:1/%2f";
    let quick = ["--signing-key-refresh=50ms", "--signing-key-announcement=0s"];
    Cli::parse_from(["auth", quick[0], quick[1], rabbitmq_url, &mysql_url, &key]).config
}

/// A running service.
pub(crate) struct Auth {
    pub(crate) url: String,
    admin: String,
    client: Client,
    shutdown: Shutdown,
    served: JoinHandle<anyhow::Result<()>>,
}

impl Auth {
    /// Starts one and does not wait until it is ready.
    pub(crate) async fn launch(config: Config) -> Self {
        let shutdown = Shutdown::new();
        let process = Process::bind(([127, 0, 0, 1], 0).into(), shutdown.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            admin: format!("http://{}", process.admin_address().unwrap()),
            client: Client::builder().timeout(SOON).build().unwrap(),
            shutdown,
            served: tokio::spawn(auth::run(config, listener, process)),
        }
    }

    /// Starts one and waits until it is ready.
    pub(crate) async fn start(database: &TestDatabase) -> Self {
        let auth = Self::launch(config(&database.url)).await;
        auth.until_ready().await;
        auth
    }

    pub(crate) async fn until_ready(&self) {
        test_kit::wait_until("auth is ready, with its database", SOON, async || {
            let report = self.readiness().await?;
            if report.contains(": away") { Err(report) } else { Ok(report) }
        })
        .await;
    }

    /// The report of `/readyz`: an error if it is not ready.
    pub(crate) async fn readiness(&self) -> Result<String, String> {
        let response = self.client.get(format!("{}/readyz", self.admin)).send().await.unwrap();
        let is_ready = response.status().is_success();
        let report = response.text().await.unwrap();
        if is_ready { Ok(report) } else { Err(report) }
    }

    pub(crate) async fn metrics(&self) -> String {
        self.client.get(format!("{}/metrics", self.admin)).send().await.unwrap().text().await.unwrap()
    }

    /// Starts one with other settings and waits until it is ready.
    pub(crate) async fn start_with(database: &TestDatabase, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(&database.url);
        change(&mut config);
        let auth = Self::launch(config).await;
        auth.until_ready().await;
        auth
    }

    /// Asks something with an access token.
    pub(crate) async fn ask(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Answer {
        let method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::read(request.send().await.unwrap()).await
    }

    /// The tokens of a new session.
    pub(crate) async fn session(&self, email: &str) -> Tokens {
        let answer = self.log_in(email, PASSWORD).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Tokens::of(&answer)
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post("/token/refresh", &json!({"refresh_token": refresh_token})).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        Answer::read(request.send().await.unwrap()).await
    }

    /// Posts a body that need not be JSON.
    pub(crate) async fn post_raw(&self, path: &str, content_type: &str, body: impl Into<String>) -> Answer {
        let request = self.client.post(format!("{}{path}", self.url)).header("content-type", content_type);
        Answer::read(request.body(body.into()).send().await.unwrap()).await
    }

    pub(crate) async fn register(&self, email: &str, password: &str) -> Answer {
        self.post("/register", &json!({"email": email, "password": password})).await
    }

    pub(crate) async fn log_in(&self, email: &str, password: &str) -> Answer {
        self.post("/login", &json!({"email": email, "password": password})).await
    }

    /// The access token of a login that must succeed.
    pub(crate) async fn token(&self, email: &str, password: &str) -> String {
        let answer = self.log_in(email, password).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn keys(&self) -> JwkSet {
        self.get("/.well-known/jwks.json").await.error_for_status().unwrap().json().await.unwrap()
    }

    /// Drains it, and returns the result of `run`.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.shutdown.drain().cancel();
        self.ended().await
    }

    /// The result of `run`, when it returns by itself.
    pub(crate) async fn ended(self) -> anyhow::Result<()> {
        tokio::time::timeout(SOON, self.served).await.expect("run returns").unwrap()
    }
}

/// The tokens of a session.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Tokens {
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

/// An answer without the headers and fields that differ from request to request.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let status = response.status().as_u16();
        let mut headers: BTreeMap<_, _> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.remove("date");
        headers.remove("x-request-id").expect("every answer has a request id");
        let text = response.text().await.unwrap();
        let mut body: Value =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        if let Some(body) = body.as_object_mut() {
            body.remove("request_id");
        }
        Self { status, headers, body }
    }

    /// Fails unless it is a problem with this status and code.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, &self.body["code"]), (status, &json!(code)), "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
    }
}

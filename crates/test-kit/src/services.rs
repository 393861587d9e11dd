//! The four services as processes. Their settings are in one place, for the native stack and for tests of the
//! whole system.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ports::free_port;
use crate::process::{Launch, Lifetime, Process, STACK_MARK};
use crate::project::built_program;
use crate::random::{random_bytes, random_hex};
use crate::servers::{create_private_dir, last_lines, write_private};

/// One of the four programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Accounts and tokens.
    Auth,
    /// The public HTTP interface.
    Gateway,
    /// Converts videos to audio files.
    Converter,
    /// Sends mails.
    Notification,
}

impl Service {
    /// All four. They may be started in any order.
    pub const ALL: [Self; 4] = [Self::Auth, Self::Gateway, Self::Converter, Self::Notification];

    /// The name of its binary, also in logs and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Gateway => "gateway",
            Self::Converter => "converter",
            Self::Notification => "notification",
        }
    }

    /// Its binary beside this program, as one `cargo build` makes all.
    ///
    /// # Errors
    /// It is not built.
    pub fn program(self) -> Result<PathBuf> {
        built_program(self.name())
    }
}

/// The loopback ports of the services.
#[derive(Debug, Clone, Copy)]
pub struct ServicePorts {
    /// The API and the browser UI.
    pub gateway: u16,
    /// The gateway's admin port.
    pub gateway_admin: u16,
    /// The auth service's port for the gateway.
    pub auth: u16,
    /// The auth service's admin port.
    pub auth_admin: u16,
    /// The converter's admin port.
    pub converter_admin: u16,
    /// The notification service's admin port.
    pub notification_admin: u16,
}

impl ServicePorts {
    /// Six free ports.
    ///
    /// # Errors
    /// There are none.
    pub fn free() -> Result<Self> {
        Ok(Self {
            gateway: free_port()?,
            gateway_admin: free_port()?,
            auth: free_port()?,
            auth_admin: free_port()?,
            converter_admin: free_port()?,
            notification_admin: free_port()?,
        })
    }

    /// The port of a service's `/readyz`.
    #[must_use]
    pub fn admin(&self, service: Service) -> u16 {
        match service {
            Service::Auth => self.auth_admin,
            Service::Gateway => self.gateway_admin,
            Service::Converter => self.converter_admin,
            Service::Notification => self.notification_admin,
        }
    }
}

/// A whole system: what its services need to find each other and the servers.
#[derive(Debug, Clone)]
pub struct System {
    /// The folder for its secrets and the converter's scratch files.
    pub home: PathBuf,
    /// The auth service's database, named in the URL.
    pub database_url: String,
    /// MongoDB.
    pub mongodb_url: String,
    /// RabbitMQ.
    pub rabbitmq_url: String,
    /// The mail server.
    pub smtp_url: String,
    /// The ports of the services.
    pub ports: ServicePorts,
    /// Additional variables for every service: limits, prefixes, log levels.
    pub variables: BTreeMap<String, String>,
}

impl System {
    /// The public address.
    #[must_use]
    pub fn public_url(&self) -> String {
        format!("http://localhost:{}", self.ports.gateway)
    }

    /// Writes the services' secrets, each into a file that only its owner can read. Existing keys are kept,
    /// because data protected with them would otherwise be lost.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_secrets(&self) -> Result<()> {
        create_private_dir(&self.secrets())?;
        create_private_dir(&self.scratch())?;
        write_private(&self.secret("mysql_url"), &self.database_url)?;
        write_private(&self.secret("mongodb_url"), &self.mongodb_url)?;
        write_private(&self.secret("rabbitmq_url"), &self.rabbitmq_url)?;
        kept_secret(&self.secret("key_encryption_key"), || Ok(STANDARD.encode(random_bytes::<32>()?)))?;
        kept_secret(&self.secret("link_key"), random_hex::<32>)?;
        Ok(())
    }

    /// How to start a service.
    ///
    /// # Errors
    /// It is not built.
    pub fn launch(&self, service: Service) -> Result<Launch> {
        let loopback = |port: u16| format!("127.0.0.1:{port}");
        let mut launch = Launch::new(service.program()?)
            .variable("ADMIN_LISTEN", loopback(self.ports.admin(service)))
            .variable("LOG_FORMAT", "text")
            .variable("RABBITMQ_URL_FILE", self.secret_path("rabbitmq_url"));
        launch = match service {
            Service::Auth => launch
                .variable("LISTEN", loopback(self.ports.auth))
                .variable("MYSQL_URL_FILE", self.secret_path("mysql_url"))
                .variable("KEY_ENCRYPTION_KEY_FILE", self.secret_path("key_encryption_key")),
            Service::Gateway => self
                .with_links(launch)
                .variable("LISTEN", loopback(self.ports.gateway))
                .variable("AUTH_URL", format!("http://127.0.0.1:{}", self.ports.auth)),
            Service::Converter => launch
                .variable("MONGODB_URL_FILE", self.secret_path("mongodb_url"))
                .variable("SCRATCH_DIR", self.scratch().display().to_string()),
            Service::Notification => self
                .with_links(launch)
                .variable("SMTP_URL", &self.smtp_url)
                .variable("MAIL_FROM", "Mixdown <mixdown@localhost>"),
        };
        launch.environment.extend(self.variables.clone());
        Ok(launch)
    }

    /// Adds the settings of the two services that create and open links.
    fn with_links(&self, launch: Launch) -> Launch {
        launch
            .variable("MONGODB_URL_FILE", self.secret_path("mongodb_url"))
            .variable("LINK_KEY_FILE", self.secret_path("link_key"))
            .variable("PUBLIC_URL", self.public_url())
    }

    /// Waits until a service reports that it is ready and that all of its servers are reachable.
    ///
    /// # Errors
    /// It ends, or is not ready in time.
    pub async fn wait_until_ready(&self, service: Service, process: &Process, log: &Path) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/readyz", self.ports.admin(service));
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        let deadline = Instant::now() + READY_DEADLINE;
        let name = service.name();
        loop {
            let status = match client.get(&url).send().await {
                Ok(answer) => {
                    let status = answer.status();
                    let text = answer.text().await.unwrap_or_default();
                    // A service is ready even without its servers, but a fresh start must have them.
                    if status.is_success() && !text.contains(": away") {
                        return Ok(());
                    }
                    format!("it says {status} {text}")
                }
                Err(_) => "it does not answer".to_owned(),
            };
            if !process.is_running() {
                bail!("{name} ended; the end of its log {}:\n{}", log.display(), last_lines(log));
            }
            if Instant::now() > deadline {
                let waited = READY_DEADLINE.as_secs();
                bail!(
                    "{name} was not ready after {waited} s: {status}\nIts log {}:\n{}",
                    log.display(),
                    last_lines(log)
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn secrets(&self) -> PathBuf {
        self.home.join("secrets")
    }

    fn scratch(&self) -> PathBuf {
        self.home.join("scratch")
    }

    fn secret(&self, name: &str) -> PathBuf {
        self.secrets().join(name)
    }

    fn secret_path(&self, name: &str) -> String {
        self.secret(name).display().to_string()
    }
}

const READY_DEADLINE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);
/// A service drains for up to a minute and then ends by itself.
pub const DRAIN_PATIENCE: Duration = Duration::from_secs(75);

/// Reads a secret from its file. Creates the secret and the file on first use.
///
/// # Errors
/// The file can be neither read nor written.
pub fn kept_secret(path: &Path, make: impl FnOnce() -> Result<String>) -> Result<String> {
    match fs::read_to_string(path) {
        Ok(secret) => Ok(secret),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = make()?;
            write_private(path, &secret)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
    }
}

/// A service started by a test, with the right to stop, kill and restart it. It ends with the thread that
/// started it.
#[derive(Debug)]
pub struct RunningService {
    system: System,
    service: Service,
    process: Process,
    log: PathBuf,
}

impl RunningService {
    /// Starts a service of a system whose [secrets are written](System::write_secrets), and waits until it is
    /// ready.
    ///
    /// # Errors
    /// It is not built or does not become ready.
    pub async fn start(system: &System, service: Service) -> Result<Self> {
        let log = system.home.join(format!("{}.log", service.name()));
        let process = start(system, service, &log).await?;
        Ok(Self { system: system.clone(), service, process, log })
    }

    /// The URL of its HTTP interface, if it is a gateway.
    #[must_use]
    pub fn public_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.system.ports.gateway)
    }

    /// `http://127.0.0.1:port` of its admin port.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.system.ports.admin(self.service))
    }

    /// Its process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.identity().pid
    }

    /// The file with its output since the first start.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Sends SIGTERM and waits until it has drained.
    pub async fn stop(&mut self) {
        self.process.stop(DRAIN_PATIENCE).await;
    }

    /// Kills it without warning, like a crash.
    pub async fn kill_hard(&mut self) {
        self.process.kill_hard().await;
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Stops the service if it runs, starts it on the same ports, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        self.process = start(&self.system, self.service, &self.log).await?;
        Ok(())
    }
}

impl Drop for RunningService {
    // Killed before its system's folder is removed and before the next test takes its port.
    fn drop(&mut self) {
        self.process.kill_now();
    }
}

async fn start(system: &System, service: Service, log: &Path) -> Result<Process> {
    let launch = system.launch(service)?.variable(STACK_MARK, system.home.display().to_string());
    let process = launch.start(log, Lifetime::WithStarter)?;
    system.wait_until_ready(service, &process, log).await?;
    Ok(process)
}

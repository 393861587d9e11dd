//! RabbitMQ with its own Erlang name server (epmd).

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{Server, create_private_dir, write_private};
use crate::ports::free_port;
use crate::process::Launch;
use crate::project::{Project, find_program, installed};
use crate::random::random_hex;

/// A RabbitMQ server with one account, `mixdown`, for the default virtual host.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    /// Its data folder.
    pub data: PathBuf,
    /// Its AMQP port.
    pub port: u16,
    /// The port for other nodes of a cluster. There are none, but Erlang opens it.
    pub distribution_port: u16,
    /// The port of its Erlang name server. The machine's own, on 4369, is not used.
    pub epmd_port: u16,
    /// The password of `mixdown`.
    pub password: String,
}

const USER: &str = "mixdown";
const NODE: &str = "mixdown@localhost";

// Debian's /usr/sbin/rabbitmq-server requires the user rabbitmq. This script behind it runs as any user.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

// The name server is started first. Otherwise the broker would start one that outlives it. Here it is the
// broker's child and ends with it. `exec` makes the broker the started process.
const START: &str = r#"
    setpriv --pdeathsig KILL epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 &
    until epmd -port "$ERL_EPMD_PORT" -names >/dev/null 2>&1; do
        kill -0 $! 2>/dev/null || exit 1
        sleep 0.05
    done
    exec "$0"
"#;

impl RabbitMq {
    fn config_file(&self) -> PathBuf {
        self.data.with_extension("conf")
    }

    fn config(&self) -> String {
        let Self { port, password, .. } = self;
        format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\n\
             default_user = {USER}\n\
             default_pass = {password}\n\
             # A message is acknowledged when its job is done; a job may take hours. The default is 30 minutes.\n\
             consumer_timeout = 86400000\n\
             # Half a gigabyte by default, kept in memory until it is full.\n\
             raft.wal_max_size_bytes = 33554432\n\
             disk_free_limit.absolute = 200MB\n\
             log.console = true\n\
             log.console.level = info\n"
        )
    }

    fn home(&self) -> PathBuf {
        self.data.join("home")
    }

    /// Sets how much of the disk must be free, such as `1GB`. With less, the broker accepts no messages.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn set_disk_free_limit(&self, limit: &str) -> Result<()> {
        let program = installed(PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmqctl"))?;
        let output = Command::new(program)
            .args(["--node", NODE, "set_disk_free_limit", limit])
            .env("HOME", self.home())
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("could not start rabbitmqctl")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "rabbitmqctl says: {said}");
        Ok(())
    }
}

impl Server for RabbitMq {
    const NAME: &'static str = "rabbitmq";

    fn data_dir(&self) -> &Path {
        &self.data
    }

    fn configure(&self) -> Result<()> {
        let cookie = self.home().join(".erlang.cookie");
        if !cookie.exists() {
            create_private_dir(&self.home())?;
            write_private(&cookie, &random_hex::<16>()?)?;
        }
        write_private(&self.data.join("enabled_plugins"), "[].\n")?;
        write_private(&self.config_file(), &self.config())
    }

    fn launch(&self) -> Result<Launch> {
        // Checked here, because the start script would only fail with "not found".
        find_program("epmd")?;
        let path = |name: &str| self.data.join(name).display().to_string();
        Ok(Launch::new(find_program("sh")?)
            .argument("-c")
            .argument(START)
            .argument(installed(PathBuf::from(PROGRAM))?.display().to_string())
            .variable("HOME", self.home().display().to_string())
            .variable("ERL_EPMD_PORT", self.epmd_port.to_string())
            .variable("ERL_EPMD_ADDRESS", "127.0.0.1")
            .variable("ERL_CRASH_DUMP_SECONDS", "0")
            .variable("RABBITMQ_NODENAME", NODE)
            .variable("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            .variable("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            // Erlang replaces the script, which would otherwise wait for it, but runs without a shell.
            .variable("RABBITMQ_ALLOW_INPUT", "1")
            .variable("RABBITMQ_SERVER_START_ARGS", "-noinput +B i")
            // A missing file, because the machine's own configuration must not apply.
            .variable("RABBITMQ_CONF_ENV_FILE", path("rabbitmq-env.conf"))
            .variable("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config"))
            .variable("RABBITMQ_CONFIG_FILE", self.config_file().display().to_string())
            .variable("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"))
            .variable("RABBITMQ_MNESIA_BASE", path("mnesia"))
            .variable("RABBITMQ_SCHEMA_DIR", path("schema"))
            .variable("RABBITMQ_GENERATED_CONFIG_DIR", path("config"))
            .variable("RABBITMQ_LOG_BASE", path("log"))
            .variable("RABBITMQ_LOGS", "-"))
    }

    async fn greet(&self) -> Result<()> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.context("nothing listens yet")?;
        log_in(stream, &self.password).await
    }

    fn url(&self) -> String {
        format!("amqp://{USER}:{}@127.0.0.1:{}/%2f", self.password, self.port)
    }

    fn new_in(_: &Project, home: &Path) -> Result<Self> {
        Ok(Self {
            data: home.join(Self::NAME),
            port: free_port()?,
            distribution_port: free_port()?,
            epmd_port: free_port()?,
            password: random_hex::<16>()?,
        })
    }
}

/// The first steps of AMQP 0-9-1, up to the proof that our account exists. A first start that was killed
/// between the schema and the account would leave an unusable broker.
async fn log_in(mut stream: TcpStream, password: &str) -> Result<()> {
    stream.write_all(b"AMQP\0\0\x09\x01").await?;
    expect_method(&mut stream, CONNECTION_START).await?;

    let mut arguments = Vec::new();
    arguments.extend(CONNECTION_START_OK);
    arguments.extend(0_u32.to_be_bytes()); // no client properties
    arguments.extend(short_string("PLAIN")?);
    let response = format!("\0{USER}\0{password}");
    arguments.extend(u32::try_from(response.len())?.to_be_bytes());
    arguments.extend(response.as_bytes());
    arguments.extend(short_string("en_US")?);
    stream.write_all(&method_frame(&arguments)?).await?;

    expect_method(&mut stream, CONNECTION_TUNE).await
}

type Method = [u8; 4];
const CONNECTION_START: Method = [0, 10, 0, 10];
const CONNECTION_START_OK: Method = [0, 10, 0, 11];
const CONNECTION_TUNE: Method = [0, 10, 0, 30];
const FRAME_END: u8 = 0xCE;
const MAX_FRAME_BYTES: u32 = 128 * 1024;

/// A frame: type 1, channel 0, length, payload, end.
fn method_frame(payload: &[u8]) -> Result<Vec<u8>> {
    let mut frame = vec![1, 0, 0];
    frame.extend(u32::try_from(payload.len())?.to_be_bytes());
    frame.extend(payload);
    frame.push(FRAME_END);
    Ok(frame)
}

fn short_string(text: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![u8::try_from(text.len())?];
    bytes.extend(text.as_bytes());
    Ok(bytes)
}

async fn expect_method(stream: &mut TcpStream, method: Method) -> Result<()> {
    let mut header = [0; 7];
    stream.read_exact(&mut header).await.context("it hung up")?;
    let length = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
    if length > MAX_FRAME_BYTES {
        bail!("it does not speak AMQP 0-9-1");
    }
    let mut payload = vec![0; length as usize + 1];
    stream.read_exact(&mut payload).await.context("it hung up")?;
    if payload.starts_with(&method) { Ok(()) } else { bail!("it refused our account") }
}

//! MariaDB, or MySQL if that is installed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::{Server, write_private};
use crate::ports::free_port;
use crate::process::Launch;
use crate::project::{Project, find_program};
use crate::random::random_hex;

/// A MariaDB or MySQL server with one account, `mixdown`, which may connect over loopback TCP.
#[derive(Debug, Clone)]
pub struct MySql {
    /// Its data folder.
    pub data: PathBuf,
    /// Its TCP port.
    pub port: u16,
    /// The password of `mixdown`.
    pub password: String,
    /// The only database that `mixdown` owns. `None`: it may create and drop any, as tests do.
    pub database: Option<String>,
}

/// The two variants of the server. They differ in the first start and in a few options.
enum Flavour {
    MariaDb(PathBuf),
    MySql(PathBuf),
}

impl Flavour {
    fn find() -> Result<Self> {
        // On Debian, mysqld is MariaDB under its old name, so the new name is tried first.
        find_program("mariadbd").map(Self::MariaDb).or_else(|_| find_program("mysqld").map(Self::MySql))
    }
}

impl MySql {
    /// The URL of one of its databases.
    #[must_use]
    pub fn database_url(&self, database: &str) -> String {
        format!("mysql://mixdown:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    fn init_file(&self) -> PathBuf {
        self.data.with_extension("sql")
    }

    /// Runs at each start before the port opens, so it must be idempotent. The server requires one statement
    /// per line.
    fn init_sql(&self) -> String {
        // With skip-name-resolve, an account's host is an address. MySQL's insecure initialisation leaves
        // root without a password, so root is locked on both servers.
        let Self { password, .. } = self;
        let account = "'mixdown'@'127.0.0.1'";
        let grant = match &self.database {
            Some(database) => {
                format!(
                    "CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4;\n\
                     GRANT ALL ON `{database}`.* TO {account};\n"
                )
            }
            None => format!("GRANT ALL ON *.* TO {account};\n"),
        };
        format!(
            "CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{password}';\n\
             ALTER USER {account} IDENTIFIED BY '{password}';\n\
             {grant}\
             ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n"
        )
    }

    fn data_option(&self) -> String {
        format!("--datadir={}", self.data.display())
    }

    /// Not `/tmp`: a starting MariaDB removes the temporary tables that it finds there, even those of a
    /// running one.
    fn temporary_option(&self) -> String {
        format!("--tmpdir={}", self.data.display())
    }

    fn common_options(&self, launch: Launch) -> Launch {
        let mut launch = launch
            // Must be the first option. The configuration of the machine's own server must not apply.
            .argument("--no-defaults")
            .argument(self.data_option())
            .argument(self.temporary_option());
        if rustix::process::getuid().is_root() {
            launch = launch.argument("--user=root");
        }
        launch
    }
}

impl Server for MySql {
    const NAME: &'static str = "mysql";

    fn data_dir(&self) -> &Path {
        &self.data
    }

    fn creation(&self) -> Result<Option<Launch>> {
        Ok(Some(match Flavour::find()? {
            Flavour::MariaDb(_) => {
                let launch = Launch::new(find_program("mariadb-install-db")?)
                    .argument("--no-defaults")
                    .argument(self.data_option())
                    .argument(self.temporary_option())
                    .argument("--skip-test-db")
                    .argument("--skip-name-resolve");
                // Not with --user: the script would then also give the system's PAM helper to that user.
                if rustix::process::getuid().is_root() {
                    launch.argument("--loose-user=root")
                } else {
                    launch
                }
            }
            Flavour::MySql(program) => {
                self.common_options(Launch::new(program)).argument("--initialize-insecure")
            }
        }))
    }

    fn configure(&self) -> Result<()> {
        write_private(&self.init_file(), &self.init_sql())
    }

    fn launch(&self) -> Result<Launch> {
        let launch = match Flavour::find()? {
            Flavour::MariaDb(program) => self
                .common_options(Launch::new(program))
                .argument("--innodb-log-file-size=48M")
                .argument("--performance-schema=OFF"),
            Flavour::MySql(program) => self
                .common_options(Launch::new(program))
                .argument("--innodb-redo-log-capacity=96M")
                .argument("--performance-schema=OFF")
                .argument("--skip-log-bin")
                .argument("--mysqlx=OFF"),
        };
        Ok(launch
            .argument(format!("--port={}", self.port))
            .argument("--bind-address=127.0.0.1")
            .argument("--skip-name-resolve")
            // Relative to the data folder: an absolute path could exceed the 107 characters that a socket's
            // path may have.
            .argument("--socket=mysql.sock")
            .argument("--pid-file=mysql.pid")
            .argument(format!("--init-file={}", self.init_file().display()))
            .argument("--character-set-server=utf8mb4")
            .argument("--innodb-buffer-pool-size=64M")
            // Tests run in parallel, each with its own connection pool.
            .argument("--max-connections=500"))
    }

    async fn greet(&self) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.context("nothing listens yet")?;
        // The server speaks first: 3 bytes of length, a sequence number, then the protocol version 10, or 255
        // for an error. The init file has run by then.
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).await.context("it hung up")?;
        match greeting[4] {
            10 => Ok(()),
            other => bail!("it greets with {other} instead of protocol version 10"),
        }
    }

    /// Without a database name.
    fn url(&self) -> String {
        format!("mysql://mixdown:{}@127.0.0.1:{}", self.password, self.port)
    }

    fn new_in(_: &Project, home: &Path) -> Result<Self> {
        Ok(Self {
            data: home.join(Self::NAME),
            port: free_port()?,
            password: random_hex::<16>()?,
            database: None,
        })
    }
}

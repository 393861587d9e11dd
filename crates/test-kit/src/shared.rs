use std::sync::LazyLock;

use crate::random::random_hex;

/// The variables with which `stack run` passes its servers to tests.
const MYSQL_URL: &str = "MIXDOWN_TEST_MYSQL_URL";
const MONGODB_URL: &str = "MIXDOWN_TEST_MONGODB_URL";
const RABBITMQ_URL: &str = "MIXDOWN_TEST_RABBITMQ_URL";
const SMTP_URL: &str = "MIXDOWN_TEST_SMTP_URL";
const INBOX_URL: &str = "MIXDOWN_TEST_INBOX_URL";

/// The real servers that all tests of a run share. A test uses its own databases, queues and addresses.
#[derive(Debug, Clone)]
pub struct SharedServers {
    /// `mysql://user:password@host:port`, without a database. The account may create any.
    pub mysql_url: String,
    /// `mongodb://user:password@host:port/?…`, without a database. The account may do everything.
    pub mongodb_url: String,
    /// `amqp://user:password@host:port/%2f`: the default virtual host.
    pub rabbitmq_url: String,
    /// `smtp://host:port` of the mail catcher.
    pub smtp_url: String,
    /// `http://host:port` of the mail catcher's inbox; [`Inbox`](crate::inbox::Inbox) reads it.
    pub inbox_url: String,
}

impl SharedServers {
    /// The URL of one MySQL database.
    #[must_use]
    pub fn mysql_database_url(&self, database: &str) -> String {
        format!("{}/{database}", self.mysql_url)
    }

    /// The variables with which `stack run` passes them to a command. [`shared()`] reads them.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, &str); 5] {
        [
            (MYSQL_URL, &self.mysql_url),
            (MONGODB_URL, &self.mongodb_url),
            (RABBITMQ_URL, &self.rabbitmq_url),
            (SMTP_URL, &self.smtp_url),
            (INBOX_URL, &self.inbox_url),
        ]
    }
}

static SHARED: LazyLock<SharedServers> = LazyLock::new(|| SharedServers {
    mysql_url: required(MYSQL_URL),
    mongodb_url: required(MONGODB_URL),
    rabbitmq_url: required(RABBITMQ_URL),
    smtp_url: required(SMTP_URL),
    inbox_url: required(INBOX_URL),
});

/// The shared servers of this test run.
///
/// # Panics
/// The run was not started by `stack run`.
#[must_use]
pub fn shared() -> &'static SharedServers {
    &SHARED
}

fn required(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!(
            "{name} is not set: these tests need real servers. Run `make test`, or \
             `target/release/stack run -- cargo test --release …`"
        ),
    }
}

/// `prefix_` and 16 hex digits: a unique name for databases, queues and addresses. No other test, run or
/// person uses it.
///
/// # Panics
/// The kernel has no randomness.
#[must_use]
pub fn unique_name(prefix: &str) -> String {
    match random_hex::<8>() {
        Ok(suffix) => format!("{prefix}_{suffix}"),
        Err(error) => panic!("{error:#}"),
    }
}

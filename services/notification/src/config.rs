use std::time::Duration;

use broker::BrokerConfig;
use clap::Args;
use databases::MongoConfig;
use humantime::parse_duration;
use lettre::message::Mailbox;
use secrecy::SecretString;

use crate::public_url::PublicUrl;

/// Short for a reader who waits, long enough for three renewals while MongoDB elects a primary.
pub const LEASE: Duration = Duration::from_mins(1);

/// Notification's settings.
#[derive(Debug, Clone, Args)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub mongodb: MongoConfig,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub rabbitmq: BrokerConfig,

    /// The mail server: `smtps://user:password@host:port`, or `smtp://…` with `?tls=required`,
    /// `?tls=opportunistic` or neither
    #[arg(long, env = "SMTP_URL", hide_env_values = true)]
    pub smtp_url: SecretString,

    /// The sender of every mail, such as `Mixdown <mixdown@example.org>`
    #[arg(long, env = "MAIL_FROM", value_parser = parse_sender)]
    pub mail_from: Mailbox,

    /// The secret that download links are signed with; the same as the gateway's
    #[arg(long, env = "LINK_KEY", hide_env_values = true)]
    pub link_key: SecretString,

    /// How long a download link works, at most until its file expires
    #[arg(long, env = "LINK_LIFETIME", default_value = "24h", value_parser = parse_duration)]
    pub link_lifetime: Duration,

    /// Address of the gateway as the readers of the mails reach it
    #[arg(long, env = "PUBLIC_URL")]
    pub public_url: PublicUrl,

    /// How long a mail that the mail server does not take for the moment is tried again
    #[arg(long, env = "GIVE_UP_AFTER", default_value = "4h", value_parser = parse_duration)]
    pub give_up_after: Duration,

    /// How long the claim of a dead sender blocks its mail. Not a setting: all replicas must have the same.
    #[arg(skip = LEASE)]
    pub lease: Duration,

    /// Mails sent at the same time
    #[arg(long, env = "SLOTS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub slots: u16,
}

fn parse_sender(text: &str) -> Result<Mailbox, String> {
    let sender: Mailbox = text.parse().map_err(|error: lettre::address::AddressError| error.to_string())?;
    // Anything else needs SMTPUTF8, which not every mail server on the way has.
    if AsRef::<str>::as_ref(&sender.email).is_ascii() {
        Ok(sender)
    } else {
        Err("the address must be ASCII".to_owned())
    }
}

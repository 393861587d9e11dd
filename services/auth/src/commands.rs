//! What an operator does from the command line, on the database itself.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use contracts::{AccountChange, EmailAddress, Role, UserId};
use secrecy::SecretString;

use crate::DatabaseConfig;
use crate::service::administration;
use crate::tables::accounts::{self, Account};
use crate::tables::database::{Database, transact};
use crate::tables::outbox::{self, MailKind};
use crate::tables::sessions;
use crate::tables::signing_keys::SigningKeys;
use crate::tokens::keyring::Keyring;
use crate::tokens::sealing::KeyEncryptionKey;

/// Settings of `auth user`.
#[derive(Debug, Clone, Args)]
pub struct UserCommand {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub database: DatabaseConfig,

    /// What to do
    #[arg(value_enum)]
    pub action: UserAction,

    /// The account's address or id; for `list`, a part of the addresses
    pub account: Option<String>,
}

/// What an operator does with accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UserAction {
    /// Show the accounts whose address has this part, the latest first
    List,
    /// Show one account
    Show,
    /// Make an account an administrator's
    Promote,
    /// Take that back
    Demote,
    /// Close an account: it can't be signed in to, and all its sessions end
    Disable,
    /// Open it again
    Enable,
    /// Send a link that replaces the password, and end all sessions
    ResetPassword,
    /// Erase an account with all jobs and files; the gateway does it within moments
    Delete,
}

/// Settings of `auth rotate-keys`.
#[derive(Debug, Clone, Args)]
pub struct RotateCommand {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub database: DatabaseConfig,

    /// Key that encrypts the private signing keys in the database: 32 random bytes in base64
    #[arg(long, env = "KEY_ENCRYPTION_KEY", hide_env_values = true)]
    pub key_encryption_key: SecretString,

    /// How long an access token is valid: for so long the present key stays published
    #[arg(long, env = "ACCESS_TOKEN_LIFETIME", default_value = "15m", value_parser = humantime::parse_duration)]
    pub access_token_lifetime: Duration,

    /// How long a new signing key is published before it signs
    #[arg(long, env = "SIGNING_KEY_ANNOUNCEMENT", default_value = "10m", value_parser = humantime::parse_duration)]
    pub signing_key_announcement: Duration,
}

const LISTED: u16 = 1000;

/// Lists or changes accounts for an operator. Returns the result, one line for each account.
///
/// # Errors
/// There is no such account, or the database is away.
pub async fn user(command: &UserCommand) -> anyhow::Result<String> {
    let database = Database::connect_lazily(&command.database.mysql_url)?;
    if command.action == UserAction::List {
        let part = command.account.as_deref().unwrap_or_default();
        let listed = database.ask(async |connection| accounts::page(connection, part, None, LISTED).await);
        let lines: Vec<String> = listed.await?.iter().map(line).collect();
        return Ok(lines.join("\n"));
    }
    let name = command.account.as_deref().context("which account? Give its address or its id")?;
    let account = find(&database, name).await?.with_context(|| format!("there is no account {name}"))?;
    let change = |role, is_disabled| AccountChange { role, is_disabled };
    let change = match command.action {
        UserAction::List => bail!("listing needs no account"),
        UserAction::Show => change(None, None),
        UserAction::Promote => change(Some(Role::Admin), None),
        UserAction::Demote => change(Some(Role::User), None),
        UserAction::Disable => change(None, Some(true)),
        UserAction::Enable => change(None, Some(false)),
        UserAction::ResetPassword => {
            ensure!(!account.is_disabled, "the account is closed; enable it first");
            transact!(database, |transaction| {
                sessions::revoke_all(transaction, account.id).await?;
                outbox::insert(transaction, MailKind::Reset, &account.email, None).await
            })
            .await?;
            return Ok(format!("{}: its sessions are ended and a link is on its way", line(&account)));
        }
        UserAction::Delete => {
            administration::request_erasure(&database, account.id).await?;
            return Ok(format!("{}: being erased", line(&account)));
        }
    };
    administration::apply(&database, account.id, change).await?;
    let account = find(&database, &account.id.to_string()).await?.context("the account is gone")?;
    Ok(line(&account))
}

async fn find(database: &Database, name: &str) -> anyhow::Result<Option<Account>> {
    if let Ok(id) = name.parse::<UserId>() {
        return Ok(transact!(database, |transaction| accounts::lock(transaction, id).await).await?);
    }
    let email: EmailAddress = name.parse().context("that is neither an address nor an id")?;
    Ok(database.ask(async |connection| accounts::find(connection, &email).await).await?)
}

fn line(account: &Account) -> String {
    let mut words =
        vec![account.id.to_string(), account.email.as_str().to_owned(), account.role.as_str().to_owned()];
    let states = [
        (!account.is_verified, "unverified"),
        (account.is_disabled, "disabled"),
        (account.is_erasing, "being erased"),
        (account.password_hash.is_none(), "without password"),
    ];
    words.extend(states.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()));
    words.join("  ")
}

/// Creates a new signing key. Every token of the present key stays valid until it expires.
///
/// # Errors
/// The setting is malformed, or the database is away.
pub async fn rotate_keys(command: &RotateCommand) -> anyhow::Result<String> {
    let database = Database::connect_lazily(&command.database.mysql_url)?;
    let encryption = KeyEncryptionKey::parse(&command.key_encryption_key)?;
    let keyring = Keyring::new(SigningKeys::new(database), encryption, command.signing_key_announcement);
    let kid = keyring.rotate(command.access_token_lifetime).await.context("could not rotate the keys")?;
    let announcement = humantime::format_duration(command.signing_key_announcement);
    Ok(format!("{kid} is published at once and signs in {announcement}; nobody is logged out"))
}

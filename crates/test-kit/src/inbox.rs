//! The mail catcher's inbox for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{shared, wait_until};

const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// A client of the mail catcher's HTTP interface.
#[derive(Debug, Clone)]
pub struct Inbox {
    client: reqwest::Client,
    url: String,
}

/// One caught mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The catcher's id of the mail.
    pub id: String,
    /// The addresses of `RCPT TO`. The `To` header may show others.
    pub recipients: Vec<String>,
    /// The address in the `From` header.
    pub from: String,
    /// The decoded subject.
    pub subject: String,
    /// The decoded plain text part; empty if there is none.
    pub text: String,
    /// The decoded HTML part; empty if there is none.
    pub html: String,
    /// The headers with lower-case names.
    pub headers: BTreeMap<String, String>,
}

impl Mail {
    /// A header by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// The `Message-ID` with its angle brackets.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.header("message-id")
    }

    /// The token after `#` in a link of the mail.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        let start = self.text.find("#token=")? + "#token=".len();
        self.text[start..].split_whitespace().next()
    }

    /// The first address in the text that begins with `prefix`, up to the next white space.
    #[must_use]
    pub fn link(&self, prefix: &str) -> Option<&str> {
        let start = self.text.find(prefix)?;
        self.text[start..].split_whitespace().next()
    }
}

impl Inbox {
    /// The inbox of the shared mail catcher.
    ///
    /// # Panics
    /// Outside `stack run`.
    #[must_use]
    pub fn shared() -> Self {
        Self::at(&shared().inbox_url)
    }

    /// The inbox at a `http://host:port`.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { client: reqwest::Client::new(), url: url.to_owned() }
    }

    /// The mails to an address, oldest first. The catcher shows a mail shortly after it has accepted it.
    ///
    /// # Errors
    /// The catcher doesn't answer.
    pub async fn mails_to(&self, address: &str) -> Result<Vec<Mail>> {
        let mails: Vec<CaughtMail> = self
            .client
            .get(format!("{}/email", self.url))
            .timeout(REQUEST_DEADLINE)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .context("the inbox does not answer")?
            .json()
            .await
            .context("the inbox answered something else than mails")?;
        Ok(mails
            .into_iter()
            .map(Mail::from)
            .filter(|mail| mail.recipients.iter().any(|recipient| recipient.eq_ignore_ascii_case(address)))
            .collect())
    }

    /// Waits until an address has at least `count` mails, and returns all of them.
    ///
    /// # Panics
    /// There are fewer at the deadline.
    pub async fn wait_for_mails(&self, address: &str, count: usize, deadline: Duration) -> Vec<Mail> {
        wait_until(&format!("{count} mails are in the inbox"), deadline, async || {
            let mails = self.mails_to(address).await?;
            if mails.len() >= count { Ok(mails) } else { Err(anyhow::anyhow!("there are {}", mails.len())) }
        })
        .await
    }

    /// Deletes a mail.
    ///
    /// # Errors
    /// The catcher refuses or does not answer.
    pub async fn delete(&self, mail: &Mail) -> Result<()> {
        let request = self.client.delete(format!("{}/email/{}", self.url, mail.id)).timeout(REQUEST_DEADLINE);
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        answer.map(drop).context("the inbox did not delete a mail")
    }

    /// Waits for the first mail to an address.
    ///
    /// # Panics
    /// There is none at the deadline.
    pub async fn wait_for_mail(&self, address: &str, deadline: Duration) -> Mail {
        self.wait_for_mails(address, 1, deadline).await.swap_remove(0)
    }
}

/// A mail in the catcher's list. Unused fields are left out.
#[derive(Deserialize)]
struct CaughtMail {
    id: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    html: String,
    #[serde(default)]
    from: Vec<Mailbox>,
    headers: BTreeMap<String, serde_json::Value>,
    envelope: Envelope,
}

#[derive(Deserialize)]
struct Mailbox {
    address: String,
}

#[derive(Deserialize)]
struct Envelope {
    to: Vec<Mailbox>,
}

impl From<CaughtMail> for Mail {
    fn from(mail: CaughtMail) -> Self {
        let text_of = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            // A repeated header is a list.
            other => other.to_string(),
        };
        Self {
            id: mail.id,
            recipients: mail.envelope.to.into_iter().map(|mailbox| mailbox.address).collect(),
            from: mail.from.into_iter().next().map(|mailbox| mailbox.address).unwrap_or_default(),
            subject: mail.subject,
            text: mail.text,
            html: mail.html,
            headers: mail.headers.into_iter().map(|(name, value)| (name, text_of(value))).collect(),
        }
    }
}

//! A letter with its headers.

use std::time::SystemTime;

use contracts::{EmailAddress, JobId, MailId, Outcome};
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use crate::letter::Letter;

/// A mail cannot be assembled. The cause is the reader's address: everything else in it is ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    #[error("the address is not one that mail can be sent to")]
    Address(#[source] lettre::address::AddressError),
    #[error("could not assemble the mail")]
    Assemble(#[source] lettre::error::Error),
}

/// What a mail is about: one topic, one mail.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Topic {
    /// The outcome of a job, after this many retries by its owner.
    Outcome { job: JobId, outcome: Outcome, retries: u32 },
    /// An account.
    Account { mail: MailId, about: &'static str },
}

impl Topic {
    /// A name for metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Outcome { outcome, .. } => outcome.as_str(),
            Self::Account { about, .. } => about,
        }
    }

    fn message_id(self, domain: &str) -> String {
        match self {
            Self::Outcome { job, outcome, retries: 0 } => format!("<{job}.{}@{domain}>", outcome.as_str()),
            Self::Outcome { job, outcome, retries } => {
                format!("<{job}.{}.{retries}@{domain}>", outcome.as_str())
            }
            Self::Account { mail, about } => format!("<{mail}.{about}@{domain}>"),
        }
    }
}

/// Assembles a mail.
///
/// Its Message-ID depends on the topic alone. If a crash between the mail server's acceptance and our record
/// makes us send twice, both copies carry the same id, and mailboxes that know the first drop the second.
pub(crate) fn assemble(
    letter: Letter,
    topic: Topic,
    from: &Mailbox,
    to: &EmailAddress,
    date: SystemTime,
) -> Result<Message, MailError> {
    let to = Mailbox::new(None, to.as_str().parse().map_err(MailError::Address)?);
    let message_id = topic.message_id(from.email.domain());
    Message::builder()
        .date(date)
        .from(from.clone())
        .to(to)
        .subject(letter.subject)
        .message_id(Some(message_id))
        // RFC 3834 suppresses absence notes. Exchange knows only the second header.
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"))
        .multipart(MultiPart::alternative_plain_html(letter.text, letter.html))
        .map_err(MailError::Assemble)
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

#[cfg(test)]
mod tests;

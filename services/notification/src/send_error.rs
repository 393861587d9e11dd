use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::response::Severity;

/// How far a mail got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Connecting, TLS, greetings and the login.
    Open,
    /// `MAIL FROM`: our own address.
    Sender,
    /// `RCPT TO`: the reader's address.
    Recipient,
    /// `DATA` and the mail itself.
    Content,
}

impl Step {
    /// The name in logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Content => "content",
        }
    }
}

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("the mail server did not answer within {0:?}")]
    Timeout(Duration),
    #[error("the mail server gave an answer that does not belong here")]
    Protocol,
    #[error(transparent)]
    Smtp(#[from] SmtpError),
}

/// The mail server did not accept a mail.
#[derive(Debug, thiserror::Error)]
#[error("could not send the mail (step {})", .step.as_str())]
pub(crate) struct SendError {
    pub(crate) step: Step,
    #[source]
    pub(crate) cause: Cause,
}

/// Whether a retry can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// A retry may succeed.
    Temporary,
    /// The same mail to the same address will always be refused.
    Permanent,
}

/// 530 and 535 mean that a login is missing or wrong (RFC 4954, section 6), 538 that TLS is required. The
/// operator can fix these; the reader's address is not the cause.
const ABOUT_OUR_LOGIN: [u16; 3] = [530, 535, 538];

/// The job document stores the answer, so it must be short.
const MAX_ANSWER_CHARS: usize = 500;

impl SendError {
    /// The one place that decides which failures are final: a 5xx answer to the reader's address or to the
    /// mail itself. Earlier failures can be fixed while the mail waits.
    pub(crate) fn outlook(&self) -> Outlook {
        let code = match &self.cause {
            Cause::Smtp(error) => error.status(),
            Cause::Timeout(_) | Cause::Protocol => None,
        };
        let Some(code) = code else { return Outlook::Temporary };
        match (self.step, code.severity) {
            (Step::Recipient | Step::Content, Severity::PermanentNegativeCompletion)
                if !ABOUT_OUR_LOGIN.contains(&code.into()) =>
            {
                Outlook::Permanent
            }
            (Step::Open | Step::Sender | Step::Recipient | Step::Content, _) => Outlook::Temporary,
        }
    }

    /// The server's answer in one line of at most 500 characters, without addresses.
    pub(crate) fn answer(&self) -> String {
        without_addresses(&self.cause.to_string())
    }
}

fn without_addresses(text: &str) -> String {
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let words = words.filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| if word.contains('@') { "(address)" } else { word }).collect();
    words.join(" ").chars().take(MAX_ANSWER_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_one_bounded_line_without_addresses() {
        let answer =
            "550 5.1.1 <ada@example.org>:\r\n Recipient address\0 rejected: user=ada@example.org unknown";
        assert_eq!(
            without_addresses(answer),
            "550 5.1.1 (address) Recipient address rejected: (address) unknown"
        );
        assert_eq!(without_addresses(&"é ".repeat(2_000)).chars().count(), 500);
    }
}

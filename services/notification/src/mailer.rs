use std::time::Duration;

use lettre::Message;
use lettre::address::Envelope;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Response, Severity};
use tokio::time::timeout;

use crate::mail_server::{MailServer, Security};
use crate::send_error::{Cause, SendError, Step};

/// How long the mail server may take for each part of a mail.
#[derive(Debug, Clone, Copy)]
struct Timeouts {
    /// The TCP connection.
    connect: Duration,
    /// The connection, TLS, the greetings and the login together. Servers greet strangers slowly on purpose.
    open: Duration,
    /// The answer to each of `MAIL`, `RCPT` and `DATA`. RFC 5321, section 4.5.3.2, asks for 2 to 5 minutes.
    command: Duration,
    /// Taking the mail itself. RFC 5321, section 4.5.3.2.6, asks for ten minutes: a server may filter the
    /// mail before it answers, and a client that hangs up earlier sends an accepted mail again.
    content: Duration,
    /// The answer to `QUIT`. Nothing depends on it.
    goodbye: Duration,
}

impl Timeouts {
    /// 17 minutes at most, which is less than the broker waits for an acknowledgement.
    const USUAL: Self = Self {
        connect: Duration::from_secs(15),
        open: Duration::from_mins(1),
        command: Duration::from_mins(2),
        content: Duration::from_mins(10),
        goodbye: Duration::from_secs(5),
    };
}

/// How the handover to the mail server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handed {
    /// The server took the mail and the responsibility for it.
    Over,
    /// Nothing was handed over: the sender had lost its claim.
    Nothing,
}

/// Hands mails to the mail server.
///
/// Every mail has its own connection. lettre's pooled transport waits for answers without a timeout. If its
/// future is dropped in the middle of a mail, it returns the connection to the pool, and the next mail would
/// read the answer to this one. Here an abandoned send closes its connection.
#[derive(Clone)]
pub(crate) struct Mailer {
    server: MailServer,
    hello: ClientId,
    timeouts: Timeouts,
}

impl Mailer {
    pub(crate) fn new(server: MailServer) -> Self {
        Self { server, hello: ClientId::default(), timeouts: Timeouts::USUAL }
    }

    /// Returns once the server has taken responsibility for the mail. `may_go` is awaited before the step
    /// that cannot be undone: if it is false, the mail is not handed over.
    pub(crate) async fn send(
        &self,
        message: &Message,
        may_go: impl Future<Output = bool>,
    ) -> Result<Handed, SendError> {
        let Timeouts { open, goodbye, .. } = self.timeouts;
        let mut connection = bounded(Step::Open, open, self.open()).await?;
        let taken = self.hand_over(&mut connection, message.envelope(), &message.formatted(), may_go).await;
        // Not awaited: the server has accepted, and a crash during `QUIT` would send the mail twice.
        tokio::spawn(async move { timeout(goodbye, connection.abort()).await });
        taken
    }

    async fn open(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let MailServer { host, port, security, credentials } = &self.server;
        let wrapping = match security {
            Security::Wrapped(tls) => Some(tls.clone()),
            Security::Required(_) | Security::Opportunistic(_) | Security::None => None,
        };
        let address = (&**host, *port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            address,
            Some(self.timeouts.connect),
            &self.hello,
            wrapping,
            None,
        )
        .await?;
        match security {
            Security::Required(tls) => connection.starttls(tls.clone(), &self.hello).await?,
            Security::Opportunistic(tls) if connection.can_starttls() => {
                connection.starttls(tls.clone(), &self.hello).await?;
            }
            Security::Opportunistic(_) | Security::Wrapped(_) | Security::None => {}
        }
        if let Some(credentials) = credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// The mail transaction (RFC 5321, section 3.3), step by step: what a refusal means depends on the step.
    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        envelope: &Envelope,
        content: &[u8],
        may_go: impl Future<Output = bool>,
    ) -> Result<Handed, SendError> {
        let Timeouts { command, content: taking, .. } = self.timeouts;
        let sender = Mail::new(envelope.from().cloned(), Vec::new());
        bounded(Step::Sender, command, connection.command(sender)).await?;
        for recipient in envelope.to() {
            let recipient = Rcpt::new(recipient.clone(), Vec::new());
            bounded(Step::Recipient, command, connection.command(recipient)).await?;
        }
        let go_ahead = bounded(Step::Content, command, connection.command(Data)).await?;
        expect(&go_ahead, Severity::PositiveIntermediate)?;
        // The server may have taken minutes for this. If the connection closes now, it forgets the mail.
        if !may_go.await {
            return Ok(Handed::Nothing);
        }
        let taken = bounded(Step::Content, taking, connection.message(content)).await?;
        expect(&taken, Severity::PositiveCompletion)?;
        Ok(Handed::Over)
    }
}

/// lettre accepts every 2xx and 3xx. After a 250 to `DATA` the mail would be sent as commands.
fn expect(response: &Response, severity: Severity) -> Result<(), SendError> {
    if response.code().severity == severity {
        Ok(())
    } else {
        Err(SendError { step: Step::Content, cause: Cause::Protocol })
    }
}

async fn bounded<T>(
    step: Step,
    limit: Duration,
    exchange: impl Future<Output = Result<T, SmtpError>>,
) -> Result<T, SendError> {
    let cause = match timeout(limit, exchange).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => Cause::Smtp(error),
        Err(_) => Cause::Timeout(limit),
    };
    Err(SendError { step, cause })
}

#[cfg(test)]
mod tests;

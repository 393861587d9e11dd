//! The gate in front of the mail catcher, and the inbox behind it.

use std::time::Duration;

use anyhow::{Result, ensure};
use test_kit::inbox::Inbox;
use test_kit::smtp_fault::{SmtpFault, SmtpGate};
use test_kit::{shared, unique_name};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const DEADLINE: Duration = Duration::from_secs(10);

/// A client that speaks SMTP one command at a time.
struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects, and gives the greeting as well.
    async fn connect(gate: &SmtpGate) -> Result<(Self, String)> {
        let stream = TcpStream::connect(gate.url().trim_start_matches("smtp://")).await?;
        let mut client = Self(BufReader::new(stream));
        let greeting = client.reply().await?;
        Ok((client, greeting))
    }

    async fn say(&mut self, command: &str) -> Result<String> {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).await?;
        self.reply().await
    }

    async fn reply(&mut self) -> Result<String> {
        loop {
            let mut line = String::new();
            ensure!(self.0.read_line(&mut line).await? > 0, "it hung up");
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }

    /// Sends everything up to the recipient. Returns the answer to that.
    async fn begin_mail(&mut self, recipient: &str) -> Result<String> {
        self.say("EHLO test").await?;
        self.say("MAIL FROM:<test@mixdown.test>").await?;
        self.say(&format!("RCPT TO:<{recipient}>")).await
    }

    async fn finish_mail(&mut self, recipient: &str) -> Result<String> {
        self.say("DATA").await?;
        self.say(&format!(
            "From: <test@mixdown.test>\r\nTo: <{recipient}>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
             Message-ID: <1@mixdown.test>\r\n\r\nSee http://localhost/d/abc now.\r\n."
        ))
        .await
    }
}

fn new_address() -> String {
    format!("{}@mixdown.test", unique_name("mail"))
}

#[tokio::test]
async fn a_mail_passes_the_open_gate_and_is_read_back() -> Result<()> {
    let gate = SmtpGate::open(&shared().smtp_url).await?;
    let address = new_address();
    let (mut client, _) = Client::connect(&gate).await?;
    client.begin_mail(&address).await?;
    assert!(client.finish_mail(&address).await?.starts_with("250"));

    let mail = Inbox::shared().wait_for_mail(&address, DEADLINE).await;
    assert_eq!(mail.subject, "Grüße");
    assert_eq!(mail.message_id(), Some("<1@mixdown.test>"));
    assert_eq!(mail.link("http://localhost/d/"), Some("http://localhost/d/abc"));
    assert_eq!(gate.refusals(), 0);
    Ok(())
}

#[tokio::test]
async fn a_refused_recipient_gets_through_once_the_fault_is_over() -> Result<()> {
    let gate = SmtpGate::open(&shared().smtp_url).await?;
    let address = new_address();
    let (mut client, _) = Client::connect(&gate).await?;
    gate.set(SmtpFault::TransientRecipient);
    assert!(client.begin_mail(&address).await?.starts_with("451"));
    gate.set(SmtpFault::PermanentRecipient);
    let recipient = format!("RCPT TO:<{address}>");
    assert!(client.say(&recipient).await?.starts_with("550"));
    gate.set(SmtpFault::None);
    assert!(client.say(&recipient).await?.starts_with("250"));
    assert_eq!(gate.refusals(), 2);
    Ok(())
}

#[tokio::test]
async fn a_busy_gate_greets_with_421() -> Result<()> {
    let gate = SmtpGate::open(&shared().smtp_url).await?;
    gate.set(SmtpFault::Busy);
    let (mut client, greeting) = Client::connect(&gate).await?;
    assert!(greeting.starts_with("421"));
    assert!(client.reply().await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_mail_whose_acceptance_is_lost_arrives_nonetheless() -> Result<()> {
    let gate = SmtpGate::open(&shared().smtp_url).await?;
    gate.set(SmtpFault::LostAcceptance);
    let address = new_address();
    let (mut client, _) = Client::connect(&gate).await?;
    client.begin_mail(&address).await?;
    assert!(client.finish_mail(&address).await.is_err());
    Inbox::shared().wait_for_mail(&address, DEADLINE).await;
    Ok(())
}

#[tokio::test]
async fn a_hanging_gate_answers_when_it_is_released() -> Result<()> {
    let gate = SmtpGate::open(&shared().smtp_url).await?;
    gate.set(SmtpFault::Hang);
    let connected = Client::connect(&gate);
    tokio::pin!(connected);
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut connected).await.is_err());
    gate.set(SmtpFault::None);
    let (_, greeting) = connected.await?;
    assert!(greeting.starts_with("220"));
    Ok(())
}

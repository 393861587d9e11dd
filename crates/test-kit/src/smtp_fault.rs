//! A proxy in front of an SMTP server that refuses, stalls or breaks off on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::proxy::Proxy;

const TOO_BUSY: &str = "421 4.3.2 too busy";

/// What the gate does from now on, also on open connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpFault {
    /// Everything passes.
    None,
    /// New connections and every command get `421` and are closed: the server is busy.
    Busy,
    /// `RCPT` is answered with `451`: try later.
    TransientRecipient,
    /// `RCPT` is answered with `550`: there is no such mailbox.
    PermanentRecipient,
    /// The server accepts the mail, but the connection breaks before the client gets the answer.
    LostAcceptance,
    /// Nothing is answered until another fault is set.
    Hang,
    /// The go-ahead for a mail's content (`354`) is held back until another fault is set.
    HeldGoAhead,
}

/// A running gate. When it is dropped, it closes with all of its connections.
#[derive(Debug)]
pub struct SmtpGate {
    proxy: Proxy,
    fault: watch::Sender<SmtpFault>,
    refusals: Arc<AtomicUsize>,
}

impl SmtpGate {
    /// Opens a gate to the server at `smtp://host:port`. At first, everything passes.
    ///
    /// # Errors
    /// The URL is of another kind, or no port can be opened.
    pub async fn open(server_url: &str) -> Result<Self> {
        let server =
            server_url.strip_prefix("smtp://").context("the server's URL must begin with smtp://")?;
        let (fault, watched) = watch::channel(SmtpFault::None);
        let refusals = Arc::new(AtomicUsize::new(0));
        let keeper = Keeper { server: server.to_owned(), fault: watched, refusals: Arc::clone(&refusals) };
        let proxy = Proxy::with(move |client| {
            let mut keeper = keeper.clone();
            async move {
                // An error means that one side closed the connection, which ends the visit.
                let _ = keeper.admit(client).await;
            }
        });
        Ok(Self { proxy: proxy.await?, fault, refusals })
    }

    /// `smtp://host:port` of the gate, for the program under test.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.proxy.address())
    }

    /// Changes what the gate does.
    pub fn set(&self, fault: SmtpFault) {
        self.fault.send_replace(fault);
    }

    /// How many times it has refused, stalled or broken off.
    #[must_use]
    pub fn refusals(&self) -> usize {
        self.refusals.load(Ordering::SeqCst)
    }
}

/// Applies the current fault to one client's conversation with the server.
#[derive(Clone)]
struct Keeper {
    server: String,
    fault: watch::Receiver<SmtpFault>,
    refusals: Arc<AtomicUsize>,
}

impl Keeper {
    async fn admit(&mut self, client: TcpStream) -> Result<()> {
        if self.current_fault().await? == SmtpFault::Busy {
            let mut client = client;
            return self.refuse(&mut client, TOO_BUSY).await;
        }
        let server = TcpStream::connect(&self.server).await?;
        let mut talk = Conversation::between(client, server);
        let greeting = talk.server_reply().await?;
        talk.to_client.write_all(&greeting).await?;
        loop {
            let command = read_line(&mut talk.from_client).await?;
            match self.current_fault().await? {
                SmtpFault::Busy => return self.refuse(&mut talk.to_client, TOO_BUSY).await,
                SmtpFault::TransientRecipient if is_verb(&command, "RCPT") => {
                    self.refuse(&mut talk.to_client, "451 4.7.1 try later").await?;
                }
                SmtpFault::PermanentRecipient if is_verb(&command, "RCPT") => {
                    self.refuse(&mut talk.to_client, "550 5.1.1 no such mailbox").await?;
                }
                _ => self.forward(&command, &mut talk).await?,
            }
        }
    }

    async fn forward(&mut self, command: &[u8], talk: &mut Conversation) -> Result<()> {
        talk.to_server.write_all(command).await?;
        let reply = talk.server_reply().await?;
        if reply.starts_with(b"354") && *self.fault.borrow() == SmtpFault::HeldGoAhead {
            self.refusals.fetch_add(1, Ordering::SeqCst);
            self.fault.wait_for(|fault| *fault != SmtpFault::HeldGoAhead).await?;
        }
        talk.to_client.write_all(&reply).await?;
        if !reply.starts_with(b"354") {
            return Ok(());
        }
        talk.relay_mail().await?;
        let verdict = talk.server_reply().await?;
        if self.current_fault().await? == SmtpFault::LostAcceptance {
            self.refusals.fetch_add(1, Ordering::SeqCst);
            bail!("broken off on purpose");
        }
        Ok(talk.to_client.write_all(&verdict).await?)
    }

    async fn refuse(&self, client: &mut (impl AsyncWriteExt + Unpin), reply: &str) -> Result<()> {
        self.refusals.fetch_add(1, Ordering::SeqCst);
        Ok(client.write_all(format!("{reply}\r\n").as_bytes()).await?)
    }

    /// The current fault. Waits while it is [`SmtpFault::Hang`].
    async fn current_fault(&mut self) -> Result<SmtpFault> {
        if *self.fault.borrow() == SmtpFault::Hang {
            self.refusals.fetch_add(1, Ordering::SeqCst);
        }
        let fault = self.fault.wait_for(|fault| *fault != SmtpFault::Hang).await?;
        Ok(*fault)
    }
}

struct Conversation {
    from_client: BufReader<OwnedReadHalf>,
    to_client: OwnedWriteHalf,
    from_server: BufReader<OwnedReadHalf>,
    to_server: OwnedWriteHalf,
}

impl Conversation {
    fn between(client: TcpStream, server: TcpStream) -> Self {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        Self {
            from_client: BufReader::new(from_client),
            to_client,
            from_server: BufReader::new(from_server),
            to_server,
        }
    }

    /// A whole reply. Every line except the last has a hyphen after the code.
    async fn server_reply(&mut self) -> Result<Vec<u8>> {
        let mut reply = Vec::new();
        loop {
            let line = read_line(&mut self.from_server).await?;
            let is_last = line.get(3) != Some(&b'-');
            reply.extend(line);
            if is_last {
                return Ok(reply);
            }
        }
    }

    /// Passes the mail's content on, up to the line with a single dot.
    async fn relay_mail(&mut self) -> Result<()> {
        loop {
            let line = read_line(&mut self.from_client).await?;
            self.to_server.write_all(&line).await?;
            if line == b".\r\n" {
                return Ok(());
            }
        }
    }
}

async fn read_line(reader: &mut BufReader<OwnedReadHalf>) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line).await? == 0 {
        bail!("the other side hung up");
    }
    Ok(line)
}

fn is_verb(command: &[u8], verb: &str) -> bool {
    command.get(..verb.len()).is_some_and(|start| start.eq_ignore_ascii_case(verb.as_bytes()))
}

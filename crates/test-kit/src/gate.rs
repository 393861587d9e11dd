//! A gate in front of a TCP server: the network between a service and its server, which can go silent or break.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What the gate does from now on, also on connections that are already open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Everything passes.
    Open,
    /// Connections stay, and nothing comes through any more. What is under way comes through later, if the gate opens.
    Silent,
    /// Connections break, and new ones at once. What was under way is lost.
    Broken,
}

/// A running gate; it closes with all of its connections when it is dropped.
#[derive(Debug)]
pub struct TcpGate {
    passage: watch::Sender<Passage>,
    task: JoinHandle<()>,
}

impl TcpGate {
    /// Opens a gate before the server of a URL that names an account (`scheme://user:password@host:port…`), and gives
    /// the URL that leads through it.
    ///
    /// # Errors
    /// When the URL is of another kind or no port can be opened.
    pub async fn before(url: &str) -> Result<(String, Self)> {
        let (account, rest) = url.split_once('@').context("the URL names no account")?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (server, path) = rest.split_at(end);
        let listener = TcpListener::bind("127.0.0.1:0").await.context("could not open the gate")?;
        let address = listener.local_addr().context("the gate has no address")?;
        let (passage, watched) = watch::channel(Passage::Open);
        let server = server.to_owned();
        let task = tokio::spawn(async move {
            // Aborted with this task.
            let mut visits = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (server, watched) = (server.clone(), watched.clone());
                visits.spawn(async move { admit(client, &server, watched).await });
                while visits.try_join_next().is_some() {}
            }
        });
        Ok((format!("{account}@{address}{path}"), Self { passage, task }))
    }

    /// Changes what the gate does.
    pub fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }
}

impl Drop for TcpGate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn admit(client: TcpStream, server: &str, passage: watch::Receiver<Passage>) {
    let mut watched = passage.clone();
    let visit = async {
        let Ok(server) = TcpStream::connect(server).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::join!(
            forward(from_client, to_server, passage.clone()),
            forward(from_server, to_client, passage)
        );
    };
    tokio::select! {
        () = visit => {}
        // Also the gate itself going away.
        _ = watched.wait_for(|passage| *passage == Passage::Broken) => {}
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut passage: watch::Receiver<Passage>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let is_over = passage.wait_for(|passage| *passage != Passage::Silent).await.is_err();
        if is_over || to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    // The other side learns of the end, as it would without a gate.
    let _ = to.shutdown().await;
}

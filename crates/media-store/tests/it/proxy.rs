use std::sync::{Arc, Mutex};

use mongodb::options::ServerAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A way to the server that can hold back commands: the network at its worst.
pub(crate) struct Proxy {
    port: u16,
    wanted: Arc<Mutex<Option<(&'static str, &'static str)>>>,
    held: watch::Sender<usize>,
    is_open: watch::Sender<bool>,
}

impl Proxy {
    /// In front of the server at this address.
    pub(crate) async fn start(server: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self {
            port,
            wanted: Arc::default(),
            held: watch::Sender::new(0),
            is_open: watch::Sender::new(true),
        };
        let (wanted, held, is_open) = (proxy.wanted.clone(), proxy.held.clone(), proxy.is_open.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = TcpStream::connect(&server).await.unwrap().into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                tokio::spawn(forward(
                    from_client,
                    to_server,
                    wanted.clone(),
                    held.clone(),
                    is_open.subscribe(),
                ));
            }
        });
        proxy
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> ServerAddress {
        ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port: Some(self.port) }
    }

    /// Holds back commands of this name to this collection from now on.
    pub(crate) fn hold(&self, command: &'static str, collection: &'static str) {
        *self.wanted.lock().unwrap() = Some((command, collection));
        self.is_open.send_replace(false);
    }

    /// Returns when a command is being held back.
    pub(crate) async fn holds_one(&self) {
        let mut held = self.held.subscribe();
        tokio::time::timeout(crate::SOON, held.wait_for(|held| *held > 0))
            .await
            .expect("a command is held")
            .unwrap();
    }

    /// Lets through what was held, though its sender may have given up since.
    pub(crate) fn let_go(&self) {
        *self.wanted.lock().unwrap() = None;
        self.is_open.send_replace(true);
    }
}

async fn forward(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    wanted: Arc<Mutex<Option<(&'static str, &'static str)>>>,
    held: watch::Sender<usize>,
    mut is_open: watch::Receiver<bool>,
) -> std::io::Result<()> {
    loop {
        // A message starts with its length, in which it counts itself.
        let length = client.read_i32_le().await?;
        let mut message = vec![0; usize::try_from(length).unwrap()];
        message[..4].copy_from_slice(&length.to_le_bytes());
        client.read_exact(&mut message[4..]).await?;
        let is_held = wanted.lock().unwrap().is_some_and(|(command, collection)| {
            let needle = format!("\u{2}{command}\0");
            // The command's name comes first in its document: after the header (16), flags (4), kind (1) and length (4).
            let rest = message.get(25..).unwrap_or_default();
            let name_follows = rest.get(needle.len() + 4..).unwrap_or_default();
            rest.starts_with(needle.as_bytes()) && name_follows.starts_with(collection.as_bytes())
        });
        if is_held {
            held.send_modify(|held| *held += 1);
            is_open.wait_for(|is_open| *is_open).await.unwrap();
        }
        server.write_all(&message).await?;
    }
}

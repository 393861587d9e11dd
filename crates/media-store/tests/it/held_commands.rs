use std::sync::{Arc, Mutex};

use mongodb::options::ServerAddress;
use test_kit::proxy::Proxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

/// A proxy to the server that can hold back commands, like a very bad network.
pub(crate) struct HeldCommands {
    proxy: Proxy,
    hold: Hold,
}

#[derive(Clone)]
struct Hold {
    wanted: Arc<Mutex<Option<(&'static str, &'static str)>>>,
    held: watch::Sender<usize>,
    is_open: watch::Sender<bool>,
}

impl HeldCommands {
    /// In front of the server at this address.
    pub(crate) async fn start(server: String) -> Self {
        let hold =
            Hold { wanted: Arc::default(), held: watch::Sender::new(0), is_open: watch::Sender::new(true) };
        let own = hold.clone();
        let proxy = Proxy::with(move |client| own.clone().serve(client, server.clone())).await.unwrap();
        Self { proxy, hold }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> ServerAddress {
        let address = self.proxy.address();
        ServerAddress::Tcp { host: address.ip().to_string(), port: Some(address.port()) }
    }

    /// Holds back commands of this name to this collection from now on.
    pub(crate) fn hold(&self, command: &'static str, collection: &'static str) {
        *self.hold.wanted.lock().unwrap() = Some((command, collection));
        self.hold.is_open.send_replace(false);
    }

    /// Returns when a command is being held back.
    pub(crate) async fn holds_one(&self) {
        let mut held = self.hold.held.subscribe();
        tokio::time::timeout(crate::world::SOON, held.wait_for(|held| *held > 0))
            .await
            .expect("a command is held")
            .unwrap();
    }

    /// Lets through what was held, though its sender may have given up since.
    pub(crate) fn let_go(&self) {
        *self.hold.wanted.lock().unwrap() = None;
        self.hold.is_open.send_replace(true);
    }
}

impl Hold {
    async fn serve(self, client: TcpStream, server: String) {
        let (from_client, mut to_client) = client.into_split();
        let (mut from_server, to_server) = TcpStream::connect(&server).await.unwrap().into_split();
        // An error means that one side closed the connection.
        let _ = tokio::join!(
            tokio::io::copy(&mut from_server, &mut to_client),
            self.forward(from_client, to_server)
        );
    }

    async fn forward(&self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) -> std::io::Result<()> {
        let mut is_open = self.is_open.subscribe();
        loop {
            // A message starts with its length, which includes these four bytes.
            let length = client.read_i32_le().await?;
            let mut message = vec![0; usize::try_from(length).unwrap()];
            message[..4].copy_from_slice(&length.to_le_bytes());
            client.read_exact(&mut message[4..]).await?;
            if self.is_wanted(&message) {
                self.held.send_modify(|held| *held += 1);
                is_open.wait_for(|is_open| *is_open).await.unwrap();
            }
            server.write_all(&message).await?;
        }
    }

    fn is_wanted(&self, message: &[u8]) -> bool {
        self.wanted.lock().unwrap().is_some_and(|(command, collection)| {
            let needle = format!("\u{2}{command}\0");
            // The command's name comes first in its document: after the header (16), flags (4), kind (1) and
            // length (4).
            let rest = message.get(25..).unwrap_or_default();
            let name_follows = rest.get(needle.len() + 4..).unwrap_or_default();
            rest.starts_with(needle.as_bytes()) && name_follows.starts_with(collection.as_bytes())
        })
    }
}

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A network that can go silent: connections stay open, but no data passes. Data under way is lost for good,
/// as with a host that vanished.
pub(crate) struct Proxy {
    is_frozen: watch::Sender<bool>,
}

impl Proxy {
    /// A proxy before a database, and the URL that goes through it.
    pub(crate) async fn before(url: &str) -> (String, Self) {
        let (head, database) = url.rsplit_once('/').unwrap();
        let (account, server) = head.rsplit_once('@').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxied = format!("{account}@{}/{database}", listener.local_addr().unwrap());
        let is_frozen = watch::Sender::new(false);
        tokio::spawn(accept(listener, server.to_owned(), is_frozen.subscribe()));
        (proxied, Self { is_frozen })
    }

    pub(crate) fn freeze(&self) {
        self.is_frozen.send_replace(true);
    }

    pub(crate) fn thaw(&self) {
        self.is_frozen.send_replace(false);
    }
}

async fn accept(listener: TcpListener, server: String, is_frozen: watch::Receiver<bool>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, is_frozen) = (server.clone(), is_frozen.clone());
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                forward(from_client, to_server, is_frozen.clone()),
                forward(from_server, to_client, is_frozen)
            );
        });
    }
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    is_frozen: watch::Receiver<bool>,
) {
    let mut buffer = [0; 4096];
    let mut is_lost = false;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        is_lost |= *is_frozen.borrow();
        if !is_lost && to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

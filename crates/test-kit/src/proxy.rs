//! A TCP proxy in front of a server. It stands for the network between a service and a server, which can go
//! silent or break.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What the proxy does from now on, also with open connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Everything passes.
    Pass,
    /// Connections stay open but transfer nothing. Data on the way arrive when the traffic passes again.
    Stall,
    /// Connections stay open but transfer nothing. Data on the way are lost, and the connection never
    /// recovers, like one to a host that vanished.
    Lose,
    /// Open connections break, and new ones break at once. Data on the way are lost.
    Refuse,
}

#[derive(Debug, Clone, Copy)]
struct State {
    traffic: Traffic,
    /// How often all connections were cut.
    cuts: u64,
}

/// A running proxy. When it is dropped, it closes with all of its connections.
///
/// A proxy that inspects the traffic handles each connection with its own function: [`Proxy::with`].
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy to the server at `host:port`.
    ///
    /// # Errors
    /// No port can be opened.
    pub async fn to(server: &str) -> Result<Self> {
        let state = watch::Sender::new(State { traffic: Traffic::Pass, cuts: 0 });
        let (server, watched) = (server.to_owned(), state.subscribe());
        Self::start(state, move |client| pass(client, server.clone(), watched.clone())).await
    }

    /// A proxy to the server of a URL, and the URL that leads through the proxy.
    ///
    /// # Errors
    /// The URL names no server, or no port can be opened.
    pub async fn before(url: &str) -> Result<(String, Self)> {
        let proxy = Self::to(server_of(url)?).await?;
        Ok((proxy.url(url)?, proxy))
    }

    /// A proxy that handles each connection with a function, which connects to the server itself. The
    /// function must implement [`Traffic::Stall`] and [`Traffic::Lose`]; the rest works as with other
    /// proxies.
    ///
    /// # Errors
    /// No port can be opened.
    pub async fn with<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start(watch::Sender::new(State { traffic: Traffic::Pass, cuts: 0 }), serve).await
    }

    async fn start<F>(
        state: watch::Sender<State>,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("could not open the proxy's port")?;
        let address = listener.local_addr().context("the proxy has no address")?;
        let watched = state.subscribe();
        let task = tokio::spawn(async move {
            // Aborted together with this task.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let State { traffic, cuts } = *watched.borrow();
                if traffic != Traffic::Refuse {
                    connections.spawn(until_cut(cuts, watched.clone(), serve(client)));
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, state, task })
    }

    /// The proxy's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A server's URL with the proxy's host and port.
    ///
    /// # Errors
    /// The URL names no server.
    pub fn url(&self, server_url: &str) -> Result<String> {
        let (account, _, path) = parts_of(server_url)?;
        Ok(format!("{account}{}{path}", self.address))
    }

    /// Changes what the proxy does.
    pub fn set(&self, traffic: Traffic) {
        self.state.send_modify(|state| {
            state.traffic = traffic;
            // Connections break even if the traffic passes again before they notice the change.
            state.cuts += u64::from(traffic == Traffic::Refuse);
        });
    }

    /// Breaks every open connection. Data on the way are lost. New connections are served as before.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The `host:port` in a URL.
///
/// # Errors
/// The URL names no server.
pub fn server_of(url: &str) -> Result<&str> {
    parts_of(url).map(|(_, server, _)| server)
}

/// A URL as what comes before its host, `host:port`, and what comes after.
fn parts_of(url: &str) -> Result<(&str, &str, &str)> {
    let start = url.find("://").context("the URL names no server")? + "://".len();
    let end = url[start..].find('/').map_or(url.len(), |slash| start + slash);
    let start = url[..end].rfind('@').map_or(start, |at| at + 1);
    Ok((&url[..start], &url[start..end], &url[end..]))
}

async fn until_cut(cuts: u64, mut state: watch::Receiver<State>, connection: impl Future<Output = ()>) {
    tokio::select! {
        // The cut is checked first, so that nothing passes after it.
        biased;
        // This also ends when the proxy itself is dropped.
        _ = state.wait_for(|state| state.cuts != cuts) => {}
        () = connection => {}
    }
}

async fn pass(client: TcpStream, server: String, state: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(forward(from_client, to_server, state.clone()), forward(from_server, to_client, state));
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut is_lost = false;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let Ok(traffic) =
            state.wait_for(|state| state.traffic != Traffic::Stall).await.map(|state| state.traffic)
        else {
            break;
        };
        is_lost |= traffic == Traffic::Lose;
        if !is_lost && to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    // Without a proxy, the other side would learn of the end too.
    let _ = to.shutdown().await;
}

use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

use crate::InvalidConfig;

/// For the TCP connection, TLS and RabbitMQ's handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A peer that is silent for twice this long counts as gone. RabbitMQ recommends 5 to 20 s.
const HEARTBEAT_SECONDS: u16 = 15;

/// lapin keeps two buffers of 32 frames: 1 MiB with this size, 8 MiB with RabbitMQ's default, for messages of
/// 300 bytes. RabbitMQ 4.1 requires at least 8 KiB.
const FRAME_BYTES: u32 = 16 * 1024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("could not connect to RabbitMQ")]
    Refused(#[from] lapin::Error),
    #[error("RabbitMQ did not answer within {CONNECT_TIMEOUT:?}")]
    TimedOut,
}

/// The server to connect to, and how.
#[derive(Clone)]
pub(crate) struct Address {
    uri: AMQPUri,
    connection_name: String,
}

impl Address {
    pub(crate) fn new(url: &SecretString, connection_name: &str) -> Result<Self, InvalidConfig> {
        let mut uri = parse(url)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        uri.query.frame_max.get_or_insert(FRAME_BYTES);
        Ok(Self { uri, connection_name: connection_name.to_owned() })
    }

    /// Connects once.
    pub(crate) async fn connect(&self) -> Result<Connection, ConnectError> {
        let socket = Arc::new(OnceLock::new());
        let connecting = self.handshake(Arc::clone(&socket));
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connection) => Ok(connection?),
            Err(_elapsed) => {
                // lapin has no timeout here: a peer that accepts and then stays silent would hold its thread
                // and socket for ever, and each attempt would add another.
                if let Some(socket) = socket.get() {
                    let _ = TcpStream::shutdown(socket, Shutdown::Both);
                }
                Err(ConnectError::TimedOut)
            }
        }
    }

    async fn handshake(&self, socket: Arc<OnceLock<TcpStream>>) -> lapin::Result<Connection> {
        let properties =
            ConnectionProperties::default().with_connection_name(self.connection_name.as_str().into());
        let runtime = lapin::runtime::default_runtime()?;
        Connection::connector(
            self.uri.clone(),
            runtime,
            async move |uri, runtime| {
                let address = runtime.to_socket_addrs((uri.authority.host.clone(), uri.authority.port));
                let stream = AsyncTcpStream::connect(&runtime, address).await?;
                if let AsyncTcpStream::Plain(tcp) = &stream {
                    let _ = socket.set(TcpStream::from(tcp.get_ref().as_fd().try_clone_to_owned()?));
                }
                match uri.scheme {
                    AMQPScheme::AMQP => Ok(stream),
                    AMQPScheme::AMQPS => {
                        Ok(stream.into_tls(&uri.authority.host, OwnedTLSConfig::default().as_ref()).await?)
                    }
                }
            },
            properties,
        )
        .await
    }
}

fn parse(url: &SecretString) -> Result<AMQPUri, InvalidConfig> {
    let mut uri: AMQPUri = url.expose_secret().parse().map_err(|_| InvalidConfig::Url)?;
    // A URL that ends in a slash names the vhost "", which no server has; its author meant "/".
    if uri.vhost.is_empty() {
        "/".clone_into(&mut uri.vhost);
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_vhost_means_the_default_one() {
        for url in ["amqp://guest:guest@localhost:5672", "amqp://guest:guest@localhost:5672/"] {
            assert_eq!(parse(&url.into()).unwrap().vhost, "/", "{url}");
        }
        assert_eq!(parse(&"amqps://u:p@mq.example.org/mixdown".into()).unwrap().vhost, "mixdown");
    }

    #[test]
    fn what_is_not_an_amqp_url_is_refused_without_repeating_it() {
        let refused = parse(&"http://user:hunter2@localhost".into()).unwrap_err();
        assert_eq!(refused, InvalidConfig::Url);
        assert!(!refused.to_string().contains("hunter2"));
    }
}

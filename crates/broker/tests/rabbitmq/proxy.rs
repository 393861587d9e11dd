use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use crate::stage::server_url;

/// Stands between a broker and RabbitMQ and breaks things.
pub(crate) struct Proxy {
    address: SocketAddr,
    faults: broadcast::Sender<Fault>,
    is_refusing: Arc<AtomicBool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Ends every connection.
    Cut,
    /// Makes RabbitMQ close every channel with 406, by acknowledging a delivery that never was.
    CloseChannels,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (faults, _) = broadcast::channel(8);
        let is_refusing = Arc::new(AtomicBool::new(false));
        let (senders, refusing) = (faults.clone(), Arc::clone(&is_refusing));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !refusing.load(Ordering::SeqCst) {
                    tokio::spawn(forward(client, senders.subscribe()));
                }
            }
        });
        Self { address, faults, is_refusing }
    }

    /// The server's URL, through the proxy.
    pub(crate) fn url(&self) -> String {
        let url = server_url();
        let (start, vhost) = authority(&url);
        format!("{}{}{}", &url[..start.0], self.address, vhost)
    }

    pub(crate) fn cut(&self) {
        let _ = self.faults.send(Fault::Cut);
    }

    pub(crate) fn close_channels(&self) {
        self.faults.send(Fault::CloseChannels).unwrap();
    }

    /// Cuts all connections and refuses new ones until [`Self::accept`].
    pub(crate) fn refuse(&self) {
        self.is_refusing.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub(crate) fn accept(&self) {
        self.is_refusing.store(false, Ordering::SeqCst);
    }
}

/// Where host and port begin and end in a URL, and what comes after them.
fn authority(url: &str) -> ((usize, usize), &str) {
    let start = url.find('@').map_or_else(|| url.find("://").unwrap() + 3, |at| at + 1);
    let end = url[start..].find('/').map_or(url.len(), |slash| start + slash);
    ((start, end), &url[end..])
}

async fn forward(client: TcpStream, mut faults: broadcast::Receiver<Fault>) {
    let url = server_url();
    let ((start, end), _) = authority(&url);
    let server = TcpStream::connect(&url[start..end]).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut channels = BTreeSet::new();
    let back = copy(&mut from_server, &mut to_client);
    tokio::pin!(back);
    let mut protocol_header = [0; 8];
    if from_client.read_exact(&mut protocol_header).await.is_err()
        || to_server.write_all(&protocol_header).await.is_err()
    {
        return;
    }
    // Frames are read in a task: half a frame must not get lost when a fault comes first.
    let (frames, mut next_frame) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        while let Some(frame) = read_frame(&mut from_client).await {
            if frames.send(frame).await.is_err() {
                break;
            }
        }
    });
    loop {
        tokio::select! {
            _ = &mut back => return,
            fault = faults.recv() => match fault.unwrap() {
                Fault::Cut => return,
                Fault::CloseChannels => acknowledge_nothing(&mut channels, &mut to_server).await,
            },
            frame = next_frame.recv() => {
                let Some(frame) = frame else { return };
                note_channel(&frame, &mut channels);
                if to_server.write_all(&frame).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A frame is its type, its channel, its size, its content and an end mark (AMQP 0-9-1, section 4.2.3).
async fn read_frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut frame = vec![0; 7];
    from.read_exact(&mut frame).await.ok()?;
    let size = u32::from_be_bytes(frame[3..7].try_into().unwrap());
    frame.resize(7 + usize::try_from(size).unwrap() + 1, 0);
    from.read_exact(&mut frame[7..]).await.ok()?;
    Some(frame)
}

/// Tracks the open channels from the client's frames.
fn note_channel(frame: &[u8], channels: &mut BTreeSet<u16>) {
    let channel = u16::from_be_bytes([frame[1], frame[2]]);
    match frame {
        [1, _, _, _, _, _, _, 0, 20, 0, 10, ..] => channels.insert(channel),
        [1, _, _, _, _, _, _, 0, 20, 0, 40 | 41, ..] => channels.remove(&channel),
        _ => false,
    };
}

async fn acknowledge_nothing(channels: &mut BTreeSet<u16>, to_server: &mut OwnedWriteHalf) {
    for channel in std::mem::take(channels) {
        let [high, low] = channel.to_be_bytes();
        // basic.ack (60, 80) of delivery 999, not of all before it.
        let ack = [1, high, low, 0, 0, 0, 13, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 3, 231, 0, 206];
        to_server.write_all(&ack).await.unwrap();
    }
}

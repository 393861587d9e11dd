use std::collections::BTreeSet;

use test_kit::proxy::{Proxy, server_of};
use test_kit::shared;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast;

/// Stands between a broker and RabbitMQ, and has RabbitMQ close the broker's channels.
pub(crate) struct ClosedChannels {
    proxy: Proxy,
    closings: broadcast::Sender<()>,
}

impl ClosedChannels {
    pub(crate) async fn start() -> Self {
        let (closings, _) = broadcast::channel(8);
        let subscriptions = closings.clone();
        let proxy = Proxy::with(move |client| serve(client, subscriptions.subscribe())).await.unwrap();
        Self { proxy, closings }
    }

    /// The server's URL, by way of the proxy.
    pub(crate) fn url(&self) -> String {
        self.proxy.url(&shared().rabbitmq_url).unwrap()
    }

    /// Makes RabbitMQ close every channel with 406, by acknowledging a delivery that never was.
    pub(crate) fn close(&self) {
        self.closings.send(()).unwrap();
    }
}

async fn serve(client: TcpStream, mut closings: broadcast::Receiver<()>) {
    let server = TcpStream::connect(server_of(&shared().rabbitmq_url).unwrap()).await.unwrap();
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
    // Frames are read in a task, since half a frame must not get lost when the channels are to be closed
    // first.
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
            closing = closings.recv() => {
                closing.unwrap();
                acknowledge_nothing(&mut channels, &mut to_server).await;
            }
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

/// Keeps the set of open channels by what the client says about them.
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

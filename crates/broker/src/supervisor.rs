use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use contracts::Chain;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::dial::Address;
use crate::session::Session;
use crate::topology::Topology;

/// The current session, if there is one.
pub(crate) type Current = Option<Arc<Session>>;

/// Delays between attempts while RabbitMQ is away: 100 ms, growing to 10 s. Jitter spreads the replicas.
pub(crate) fn backoff() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(10))
        .without_max_times()
        .with_jitter()
        .build()
}

/// Keeps a session open until the shutdown, or until its last user is dropped.
pub(crate) async fn supervise(
    address: Address,
    topology: Arc<Topology>,
    current: watch::Sender<Current>,
    shutdown: CancellationToken,
) {
    let mut delays = backoff();
    loop {
        let opened = tokio::select! {
            () = ended(&current, &shutdown) => return,
            opened = Session::open(&address, Arc::clone(&topology)) => opened,
        };
        match opened {
            Ok(session) => {
                tracing::info!("connected to RabbitMQ");
                delays = backoff();
                if serve(Arc::new(session), &current, &shutdown).await.is_break() {
                    return;
                }
                tracing::warn!("lost the connection to RabbitMQ");
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "could not connect to RabbitMQ, trying again");
            }
        }
        tokio::select! {
            () = ended(&current, &shutdown) => return,
            () = sleep(delays.next().unwrap_or_default()) => {}
        }
    }
}

/// Offers the session until it is lost or the broker ends.
async fn serve(
    session: Arc<Session>,
    current: &watch::Sender<Current>,
    shutdown: &CancellationToken,
) -> ControlFlow<()> {
    let connected = metrics::gauge!("mixdown_broker_connected");
    current.send_replace(Some(Arc::clone(&session)));
    connected.set(1.0);
    let flow = tokio::select! {
        () = ended(current, shutdown) => ControlFlow::Break(()),
        () = session.lost() => ControlFlow::Continue(()),
    };
    current.send_replace(None);
    connected.set(0.0);
    if flow.is_break() {
        session.close().await;
    }
    flow
}

async fn ended(current: &watch::Sender<Current>, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = current.closed() => {}
    }
}

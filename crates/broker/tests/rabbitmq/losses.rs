use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use broker::{Broker, BrokerConfig, RetryLadder, Verdict};
use contracts::Queue;
use test_kit::proxy::{Proxy, Traffic};
use test_kit::shared;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::closed_channels::ClosedChannels;
use crate::world::{Seen, TIMEOUT, World, note, wait_until};

const MESSAGES: u32 = 400;

/// Publishes until every message is confirmed, while `fault` happens again and again, and expects every one handled.
async fn under_load(world: &World, mut fault: impl FnMut()) {
    let seen = Seen::new();
    let handled = seen.clone();
    let consumption = world.consume(Queue::Video, 8, move |delivery| {
        let handled = handled.clone();
        async move {
            sleep(Duration::from_millis(5)).await;
            let count = handled.push(delivery.message.number);
            // Some messages pass through a retry queue.
            if count % 10 == 0 { Verdict::Retry { reason: "again".to_owned() } } else { Verdict::Done }
        }
    });
    let mut publishing = JoinSet::new();
    for publisher in 0..4 {
        let broker = world.broker.clone();
        publishing.spawn(async move {
            for number in (publisher..MESSAGES).step_by(4) {
                while broker.publish(Queue::Video, "job", &note(number)).await.is_err() {}
            }
        });
    }
    for round in 1..=5 {
        wait_until("there is some progress", async || seen.len() >= round * 40).await;
        fault();
    }
    while let Some(published) = publishing.join_next().await {
        published.unwrap();
    }
    let missing = || {
        let handled: BTreeSet<u32> = seen.all().into_iter().collect();
        (0..MESSAGES).filter(|number| !handled.contains(number)).count()
    };
    wait_until("every confirmed message is handled", async || missing() == 0).await;
    wait_until("the queue is empty", async || {
        world.broker.depth(Queue::Video).await.is_ok_and(|depth| depth == 0)
    })
    .await;
    consumption.end().await;
    assert_eq!(world.broker.dead_depth(Queue::Video).await.unwrap(), 0);
}

#[tokio::test]
async fn no_confirmed_message_is_lost_when_connections_are_cut_under_load() {
    let (url, proxy) = Proxy::before(&shared().rabbitmq_url).await.unwrap();
    let world = World::at(&url).await;
    under_load(&world, || proxy.cut()).await;
    world.tear_down().await;
}

#[tokio::test]
async fn no_confirmed_message_is_lost_when_channels_are_closed_under_load() {
    let channels = ClosedChannels::start().await;
    let world = World::at(&channels.url()).await;
    under_load(&world, || channels.close()).await;
    world.tear_down().await;
}

#[tokio::test]
async fn an_idle_broker_survives_the_loss_of_its_channels() {
    let channels = ClosedChannels::start().await;
    let world = World::at(&channels.url()).await;
    let seen = Seen::new();
    let handled = seen.clone();
    let consumption = world.consume(Queue::Video, 1, move |delivery| {
        handled.push(delivery.message.number);
        async { Verdict::Done }
    });
    for number in 0..3 {
        world.broker.publish(Queue::Video, "job", &note(number)).await.unwrap();
        wait_until("the message is handled", async || seen.all().contains(&number)).await;
        channels.close();
    }
    world.broker.publish(Queue::Video, "job", &note(3)).await.unwrap();
    wait_until("the last message is handled", async || seen.all().contains(&3)).await;
    consumption.end().await;
    world.tear_down().await;
}

#[tokio::test]
async fn readiness_follows_the_connection() {
    let (url, proxy) = Proxy::before(&shared().rabbitmq_url).await.unwrap();
    let world = World::at(&url).await;
    assert!(world.broker.is_ready());
    proxy.set(Traffic::Refuse);
    wait_until("the loss is noticed", async || !world.broker.is_ready()).await;
    proxy.set(Traffic::Pass);
    wait_until("the connection is back", async || world.broker.is_ready()).await;
    world.tear_down().await;
}

#[tokio::test]
async fn a_deleted_queue_comes_back_with_its_consumer() {
    let world = World::new().await;
    let seen = Seen::new();
    let handled = seen.clone();
    let consumption = world.consume(Queue::Video, 1, move |delivery| {
        handled.push(delivery.message.number);
        async { Verdict::Done }
    });
    world.broker.publish(Queue::Video, "job", &note(1)).await.unwrap();
    wait_until("the first message is handled", async || seen.len() == 1).await;
    world.delete("video").await;
    wait_until("the queue is there again", async || world.broker.depth(Queue::Video).await.is_ok()).await;
    world.broker.publish(Queue::Video, "job", &note(2)).await.unwrap();
    wait_until("the second message is handled", async || seen.len() == 2).await;
    consumption.end().await;
    world.tear_down().await;
}

#[tokio::test]
async fn a_verdict_that_cannot_be_published_leaves_the_message_to_be_delivered_again() {
    let (url, proxy) = Proxy::before(&shared().rabbitmq_url).await.unwrap();
    let world = World::at(&url).await;
    let seen = Seen::new();
    let gate = Arc::new(Semaphore::new(0));
    let (handled, may_end) = (seen.clone(), Arc::clone(&gate));
    let consumption = world.consume(Queue::Video, 1, move |delivery| {
        let (handled, may_end) = (handled.clone(), Arc::clone(&may_end));
        async move {
            if handled.push((delivery.attempt, delivery.redelivered)) > 1 {
                return Verdict::Done;
            }
            may_end.acquire().await.unwrap().forget();
            Verdict::Reject { reason: "never to be seen".to_owned() }
        }
    });
    world.broker.publish(Queue::Video, "job", &note(1)).await.unwrap();
    wait_until("the handler is at work", async || seen.len() == 1).await;
    proxy.set(Traffic::Refuse);
    wait_until("the loss is noticed", async || !world.broker.is_ready()).await;
    gate.add_permits(1);
    proxy.set(Traffic::Pass);
    wait_until("the message is delivered again", async || seen.len() == 2).await;
    consumption.end().await;
    assert_eq!(seen.all(), [(1, false), (1, true)]);
    assert_eq!(world.broker.depth(Queue::Video).await.unwrap(), 0);
    assert_eq!(world.broker.dead_depth(Queue::Video).await.unwrap(), 0);
    world.tear_down().await;
}

#[tokio::test]
async fn handlers_that_outlive_their_connection_keep_their_slots() {
    let (url, proxy) = Proxy::before(&shared().rabbitmq_url).await.unwrap();
    let world = World::at(&url).await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let started = Seen::new();
    let gate = Arc::new(Semaphore::new(0));
    let (handled, may_end, at_work, peak) =
        (started.clone(), Arc::clone(&gate), Arc::clone(&running), Arc::clone(&most));
    let consumption = world.consume(Queue::Video, 2, move |delivery| {
        let (handled, may_end, at_work, peak) =
            (handled.clone(), Arc::clone(&may_end), Arc::clone(&at_work), Arc::clone(&peak));
        async move {
            peak.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            handled.push(delivery.message.number);
            may_end.acquire().await.unwrap().forget();
            at_work.fetch_sub(1, Ordering::SeqCst);
            Verdict::Done
        }
    });
    for number in 0..2 {
        world.broker.publish(Queue::Video, "job", &note(number)).await.unwrap();
    }
    wait_until("both slots are taken", async || started.len() == 2).await;
    proxy.set(Traffic::Refuse);
    wait_until("the loss is noticed", async || !world.broker.is_ready()).await;
    proxy.set(Traffic::Pass);
    world.broker.ready(TIMEOUT).await.unwrap();
    // One handler ends: one of the messages that RabbitMQ took back may come, the other has to wait.
    gate.add_permits(1);
    wait_until("a message is delivered again", async || started.len() == 3).await;
    assert_eq!(running.load(Ordering::SeqCst), 2);
    gate.add_permits(100);
    wait_until("both were delivered again", async || started.len() == 4).await;
    consumption.end().await;
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert_eq!(world.broker.depth(Queue::Video).await.unwrap(), 0);
    world.tear_down().await;
}

#[tokio::test]
async fn a_message_that_kills_every_consumer_is_parked_in_the_end() {
    let world = World::new().await;
    world.broker.publish(Queue::Video, "job", &note(1)).await.unwrap();
    let mut deliveries = 0;
    wait_until("the message is parked", async || {
        deliveries += u32::from(world.bounce("video").await);
        world.broker.dead_depth(Queue::Video).await.unwrap() == 1
    })
    .await;
    assert_eq!(deliveries, 21, "the first delivery and twenty more");
    // Reading it does not count as a delivery.
    for _ in 0..30 {
        wait_until("the dead letter is there", async || world.bounce("video.dead").await).await;
    }
    wait_until("it is back", async || world.broker.dead_depth(Queue::Video).await.unwrap() == 1).await;
    world.tear_down().await;
}

#[tokio::test]
async fn queues_of_another_kind_keep_a_broker_waiting_until_they_are_gone() {
    let world = World::new().await;
    world.delete("account").await;
    world.declare_classic("account").await;
    let late = Broker::new(&world.config, "broker tests", CancellationToken::new()).unwrap();
    assert!(late.ready(Duration::from_secs(1)).await.is_err());
    world.delete("account").await;
    late.ready(TIMEOUT).await.unwrap();
    late.publish(Queue::Account, "mail", &note(1)).await.unwrap();
    world.tear_down().await;
}

#[tokio::test]
async fn another_ladder_lives_beside_the_first() {
    let world = World::new().await;
    let steps = [Duration::from_millis(200), Duration::from_millis(700)];
    let config =
        BrokerConfig { retry_delays: RetryLadder::new(steps.to_vec()).unwrap(), ..world.config.clone() };
    Broker::new(&config, "broker tests", CancellationToken::new()).unwrap().ready(TIMEOUT).await.unwrap();
    for queue in Queue::ALL {
        world.delete(&format!("{queue}.retry.700")).await;
    }
    world.tear_down().await;
}

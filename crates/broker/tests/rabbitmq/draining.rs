use std::future::pending;
use std::sync::Arc;

use broker::Verdict;
use contracts::Queue;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::world::{Seen, TIMEOUT, World, note, wait_until};

#[tokio::test]
async fn draining_stops_deliveries_and_waits_for_the_running_handler() {
    let world = World::new().await;
    world.broker.publish(Queue::Video, "job", &note(0)).await.unwrap();
    let seen = Seen::new();
    let gate = Arc::new(Semaphore::new(0));
    let (handled, may_end) = (seen.clone(), Arc::clone(&gate));
    let consumption = world.consume(Queue::Video, 2, move |delivery| {
        let (handled, may_end) = (handled.clone(), Arc::clone(&may_end));
        async move {
            handled.push(delivery.message.number);
            may_end.acquire().await.unwrap().forget();
            Verdict::Done
        }
    });
    wait_until("the first message is being handled", async || seen.len() == 1).await;
    consumption.drain.cancel();
    // A slot is free for this one, but no handler may take it now. If it was on its way already, it is
    // requeued.
    world.broker.publish(Queue::Video, "job", &note(1)).await.unwrap();
    wait_until("it stays in the queue", async || world.broker.depth(Queue::Video).await.unwrap() == 1).await;
    assert!(!consumption.task.is_finished(), "the handler is still at work");

    gate.add_permits(2);
    consumption.end().await;
    assert_eq!(seen.all(), [0]);
    assert_eq!(world.broker.depth(Queue::Video).await.unwrap(), 1);
    world.tear_down().await;
}

#[tokio::test]
async fn a_verdict_given_while_draining_still_counts() {
    let world = World::new().await;
    world.broker.publish(Queue::Video, "job", &note(1)).await.unwrap();
    let seen = Seen::new();
    let gate = Arc::new(Semaphore::new(0));
    let (handled, may_end) = (seen.clone(), Arc::clone(&gate));
    let consumption = world.consume(Queue::Video, 4, move |delivery| {
        let (handled, may_end) = (handled.clone(), Arc::clone(&may_end));
        async move {
            handled.push(delivery.attempt);
            may_end.acquire().await.unwrap().forget();
            Verdict::HandBack
        }
    });
    wait_until("the message is being handled", async || seen.len() == 1).await;
    consumption.drain.cancel();
    gate.add_permits(1);
    consumption.end().await;
    let back = world.take("video").await.unwrap();
    assert_eq!(crate::world::header(&back, "x-attempt").unwrap(), "1");
    assert!(!back.redelivered, "a copy, so that RabbitMQ's delivery limit does not count it");
    world.tear_down().await;
}

#[tokio::test]
async fn the_abort_ends_handlers_and_their_messages_come_again() {
    let world = World::new().await;
    world.broker.publish(Queue::Video, "job", &note(1)).await.unwrap();
    let seen = Seen::new();
    let handled = seen.clone();
    let consumption = world.consume(Queue::Video, 1, move |delivery| {
        handled.push(delivery.message.number);
        pending()
    });
    wait_until("the message is being handled", async || seen.len() == 1).await;
    consumption.drain.cancel();
    consumption.abort.cancel();
    timeout(TIMEOUT, consumption.task).await.unwrap().unwrap();
    wait_until("the message is back", async || world.broker.depth(Queue::Video).await.unwrap() == 1).await;
    assert!(world.take("video").await.unwrap().redelivered);
    world.tear_down().await;
}

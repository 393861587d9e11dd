//! What an operator does with dead letters.

use broker::Verdict;
use contracts::Queue;
use lapin::BasicProperties;

use crate::world::{Consumption, Seen, World, note, wait_until};

/// Creates dead letters of three notes. The consumer that refuses them keeps running.
async fn park_three(world: &World) -> Consumption {
    for number in 1..=3 {
        world.broker.publish(Queue::Video, &format!("note-{number}"), &note(number)).await.unwrap();
    }
    let refused = world.consume(Queue::Video, 1, async |_| Verdict::Reject { reason: "no use".to_owned() });
    wait_until("all are parked", async || world.broker.dead_depth(Queue::Video).await.unwrap() == 3).await;
    refused
}

#[tokio::test]
async fn dead_letters_are_looked_at_and_sent_again() {
    let world = World::new().await;
    let refused = park_three(&world).await;
    refused.end().await;
    world.publish_raw("video.dead", b"by hand", BasicProperties::default()).await;

    // Listing changes nothing, however often.
    for _ in 0..30 {
        assert_eq!(world.broker.dead_letters(Queue::Video, 2).await.unwrap().len(), 2);
    }
    let letters = world.broker.dead_letters(Queue::Video, 100).await.unwrap();
    let mut names: Vec<_> = letters.iter().map(|letter| letter.message_id.clone()).collect();
    names.sort();
    assert_eq!(
        names,
        [None, Some("note-1".to_owned()), Some("note-2".to_owned()), Some("note-3".to_owned())]
    );
    let reasons: Vec<_> = letters.iter().filter_map(|letter| letter.reason.as_deref()).collect();
    assert_eq!(reasons, ["no use"; 3]);
    assert_eq!(letters.iter().filter(|letter| letter.bytes == 7).count(), 1);

    assert_eq!(world.broker.replay(Queue::Video, 100).await.unwrap(), 4);
    assert_eq!(world.broker.replay(Queue::Video, 100).await.unwrap(), 0);
    let seen = Seen::new();
    let handled = world.consume(Queue::Video, 1, {
        let seen = seen.clone();
        move |delivery| {
            seen.push((delivery.message.number, delivery.attempt));
            async { Verdict::Done }
        }
    });
    wait_until("all came again", async || seen.len() == 3).await;
    let mut numbers = seen.all();
    numbers.sort_unstable();
    assert_eq!(numbers, [(1, 1), (2, 1), (3, 1)]);
    // The letter published by hand is malformed, and dies again.
    wait_until("it is back", async || world.broker.dead_depth(Queue::Video).await.unwrap() == 1).await;
    handled.end().await;
    world.tear_down().await;
}

#[tokio::test]
async fn letters_that_die_again_are_sent_once() {
    let world = World::new().await;
    let refused = park_three(&world).await;
    for _ in 0..20 {
        assert!(world.broker.replay(Queue::Video, 100).await.unwrap() <= 3);
    }
    wait_until("all are back", async || world.broker.dead_depth(Queue::Video).await.unwrap() == 3).await;
    refused.end().await;
    world.tear_down().await;
}

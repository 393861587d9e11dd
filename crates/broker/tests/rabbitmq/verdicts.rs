use std::time::Duration;

use broker::{Delivery, Verdict};
use contracts::Queue;
use lapin::BasicProperties;
use tokio::time::Instant;

use crate::world::{Note, Seen, World, header, note, wait_until};

type Sighting = (Instant, Delivery<Note>);

/// Publishes one message, answers its deliveries with these verdicts and then with `Done`, and waits for
/// that.
async fn play(world: &World, verdicts: &[Verdict]) -> Vec<Sighting> {
    let seen: Seen<Sighting> = Seen::new();
    let (handled, script) = (seen.clone(), verdicts.to_vec());
    world.broker.publish(Queue::Mp3, "job-1", &note(1)).await.unwrap();
    let consumption = world.consume(Queue::Mp3, 2, move |delivery| {
        let count = handled.push((Instant::now(), delivery));
        let verdict = script.get(count - 1).cloned().unwrap_or(Verdict::Done);
        async { verdict }
    });
    wait_until("every verdict was given", async || seen.len() > verdicts.len()).await;
    consumption.end().await;
    assert_eq!(world.broker.depth(Queue::Mp3).await.unwrap(), 0);
    assert_eq!(seen.len(), verdicts.len() + 1);
    seen.all()
}

fn attempts(sightings: &[Sighting]) -> Vec<u32> {
    sightings.iter().map(|(_, delivery)| delivery.attempt).collect()
}

fn gaps(sightings: &[Sighting]) -> Vec<Duration> {
    sightings.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

#[tokio::test]
async fn a_retried_message_climbs_the_ladder_and_comes_back() {
    let world = World::new().await;
    let retry = Verdict::Retry { reason: "not yet".to_owned() };
    let sightings = play(&world, &[retry.clone(), retry.clone(), retry]).await;
    assert_eq!(attempts(&sightings), [1, 2, 3, 4]);
    for (gap, delay) in gaps(&sightings).into_iter().zip([200, 600, 600]) {
        assert!(gap >= Duration::from_millis(delay), "came back after {gap:?} instead of {delay} ms");
    }
    let (first, last) = (&sightings[0].1, &sightings[3].1);
    assert_eq!(first.first_published_at, last.first_published_at);
    assert_eq!(first.message, last.message);
    world.tear_down().await;
}

#[tokio::test]
async fn a_deferred_message_comes_back_as_the_same_attempt() {
    let world = World::new().await;
    let defer = |millis| Verdict::Defer { delay: Duration::from_millis(millis) };
    let retry = Verdict::Retry { reason: "not yet".to_owned() };
    let sightings = play(&world, &[defer(0), retry, defer(201)]).await;
    assert_eq!(attempts(&sightings), [1, 1, 2, 2]);
    for (gap, delay) in gaps(&sightings).into_iter().zip([200, 200, 600]) {
        assert!(gap >= Duration::from_millis(delay), "came back after {gap:?} instead of {delay} ms");
    }
    world.tear_down().await;
}

#[tokio::test]
async fn a_message_handed_back_is_there_at_once_as_the_same_attempt() {
    let world = World::new().await;
    let sightings = play(&world, &[Verdict::HandBack, Verdict::HandBack]).await;
    assert_eq!(attempts(&sightings), [1, 1, 1]);
    assert!(sightings.iter().all(|(_, delivery)| !delivery.redelivered), "a copy is not a redelivery");
    world.tear_down().await;
}

#[tokio::test]
async fn a_rejected_message_is_parked_with_the_reason() {
    let world = World::new().await;
    world.broker.publish(Queue::Account, "mail-1", &note(1)).await.unwrap();
    let consumption = world.consume(Queue::Account, 1, |_| async {
        Verdict::Reject { reason: "nobody lives there".to_owned() }
    });
    wait_until("the message is parked", async || world.broker.dead_depth(Queue::Account).await.unwrap() == 1)
        .await;
    consumption.end().await;

    assert_eq!(world.broker.depth(Queue::Account).await.unwrap(), 0);
    let parked = world.take("account.dead").await.unwrap();
    assert_eq!(parked.data, br#"{"version":1,"number":1}"#);
    assert_eq!(header(&parked, "x-reject-reason").unwrap(), "nobody lives there");
    assert_eq!(parked.properties.message_id().as_ref().unwrap().as_str(), "mail-1");
    world.tear_down().await;
}

#[tokio::test]
async fn malformed_bodies_are_parked_and_never_reach_the_handler() {
    let world = World::new().await;
    let bodies: [(&[u8], &str); 5] = [
        (b"\xff\x00", "not JSON"),
        (b"", "not JSON"),
        (br#"{"number":1}"#, "no version"),
        (br#"{"version":99,"number":1}"#, "version is 99"),
        (br#"{"version":1,"number":"one"}"#, "not what this queue carries"),
    ];
    for (body, _) in bodies {
        world.publish_raw("video", body, BasicProperties::default()).await;
    }
    world.publish_raw("video", br#"{"version":1,"number":5}"#, BasicProperties::default()).await;

    let seen = Seen::new();
    let handled = seen.clone();
    let consumption = world.consume(Queue::Video, 1, move |delivery| {
        handled.push(delivery.message.number);
        async { Verdict::Done }
    });
    wait_until("the good message is handled", async || seen.len() == 1).await;
    wait_until("the others are parked", async || world.broker.dead_depth(Queue::Video).await.unwrap() == 5)
        .await;
    consumption.end().await;

    assert_eq!(seen.all(), [5]);
    for (body, reason) in bodies {
        let parked = world.take("video.dead").await.unwrap();
        assert_eq!(parked.data, body);
        let said = header(&parked, "x-reject-reason").unwrap();
        assert!(said.contains(reason), "{said}");
    }
    world.tear_down().await;
}

#[tokio::test]
async fn a_message_whose_handler_panics_is_retried() {
    let world = World::new().await;
    world.broker.publish(Queue::Video, "job-1", &note(1)).await.unwrap();
    let seen = Seen::new();
    let handled = seen.clone();
    let consumption = world.consume(Queue::Video, 1, move |delivery| {
        // Once before the future exists and once inside it.
        assert!(handled.push(delivery.attempt) != 1, "the first attempt panics");
        async move {
            assert!(delivery.attempt != 2, "the second attempt panics");
            Verdict::Done
        }
    });
    wait_until("the third attempt is made", async || seen.len() == 3).await;
    consumption.end().await;
    assert_eq!(seen.all(), [1, 2, 3]);
    assert_eq!(world.broker.depth(Queue::Video).await.unwrap(), 0);
    world.tear_down().await;
}

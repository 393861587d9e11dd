use std::time::Duration;

use broker::{Broker, BrokerConfig, InvalidConfig, PublishError, Verdict};
use contracts::Queue;
use time::OffsetDateTime;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::world::{Seen, TIMEOUT, World, config, header, note, wait_until};

#[tokio::test]
async fn a_published_message_reaches_its_handler_and_is_gone_when_done() {
    let world = World::new().await;
    world.broker.publish(Queue::Video, "job-1", &note(1)).await.unwrap();
    assert_eq!(world.broker.depth(Queue::Video).await.unwrap(), 1);

    let seen = Seen::new();
    let handled = seen.clone();
    let consumption = world.consume(Queue::Video, 1, move |delivery| {
        handled.push(delivery);
        async { Verdict::Done }
    });
    wait_until("the message is handled", async || seen.len() == 1).await;
    consumption.end().await;

    let delivery = seen.all().remove(0);
    assert_eq!((delivery.message, delivery.attempt, delivery.redelivered), (note(1), 1, false));
    assert!((OffsetDateTime::now_utc() - delivery.first_published_at).abs() < TIMEOUT);
    assert_eq!(world.broker.depth(Queue::Video).await.unwrap(), 0);
    world.tear_down().await;
}

#[tokio::test]
async fn messages_are_persistent_json_with_an_identifier() {
    let world = World::new().await;
    world.broker.publish(Queue::Mp3, "job-7", &note(7)).await.unwrap();
    let message = world.take("mp3").await.unwrap();
    assert_eq!(message.data, br#"{"version":1,"number":7}"#);
    assert_eq!(message.properties.delivery_mode(), &Some(2));
    assert_eq!(message.properties.content_type().as_ref().unwrap().as_str(), "application/json");
    assert_eq!(message.properties.message_id().as_ref().unwrap().as_str(), "job-7");
    assert_eq!(header(&message, "x-attempt").unwrap(), "1");
    world.tear_down().await;
}

#[tokio::test]
async fn a_message_without_a_queue_is_an_error_and_the_queue_comes_back() {
    let world = World::new().await;
    world.delete("video").await;
    let refused = world.broker.publish(Queue::Video, "job-1", &note(1)).await;
    assert!(matches!(refused, Err(PublishError::Unroutable)), "{refused:?}");
    world.broker.publish(Queue::Video, "job-1", &note(1)).await.unwrap();
    assert_eq!(world.broker.depth(Queue::Video).await.unwrap(), 1);
    world.tear_down().await;
}

#[tokio::test]
async fn among_many_at_once_exactly_the_confirmed_messages_are_there() {
    let world = World::new().await;
    world.delete("mp3").await;
    let mut publishing = JoinSet::new();
    for number in 0..200 {
        let broker = world.broker.clone();
        let queue = if number % 2 == 0 { Queue::Video } else { Queue::Mp3 };
        publishing.spawn(async move { (queue, broker.publish(queue, "job", &note(number)).await) });
    }
    let outcomes = publishing.join_all().await;
    let confirmed =
        |wanted| outcomes.iter().filter(|(queue, outcome)| *queue == wanted && outcome.is_ok()).count();
    assert_eq!(confirmed(Queue::Video), 100);
    assert!(confirmed(Queue::Mp3) < 100, "the queue was missing");
    for queue in [Queue::Video, Queue::Mp3] {
        let depth = world.broker.depth(queue).await.unwrap();
        assert_eq!(usize::try_from(depth).unwrap(), confirmed(queue), "{queue}");
    }
    world.tear_down().await;
}

#[tokio::test]
async fn publishing_fails_in_time_while_rabbitmq_is_away() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config =
        BrokerConfig { publish_timeout: Duration::from_millis(500), ..config(&format!("amqp://{nobody}")) };
    let broker = Broker::new(&config, "broker tests", CancellationToken::new()).unwrap();
    assert!(!broker.is_ready());
    let start = Instant::now();
    let refused = broker.publish(Queue::Video, "job-1", &note(1)).await;
    assert!(matches!(refused, Err(PublishError::Unavailable)), "{refused:?}");
    assert!((500..5_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert!(broker.ready(Duration::from_millis(10)).await.is_err());
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", mute.local_addr().unwrap());
    let config = BrokerConfig { publish_timeout: Duration::from_millis(200), ..config(&url) };
    let broker = Broker::new(&config, "broker tests", CancellationToken::new()).unwrap();
    let (mut attempt, _) = mute.accept().await.unwrap();
    let refused = broker.publish(Queue::Video, "job-1", &note(1)).await;
    assert!(matches!(refused, Err(PublishError::Unavailable)), "{refused:?}");

    let mut said = Vec::new();
    let ended = timeout(TIMEOUT, attempt.read_to_end(&mut said)).await;
    assert!(ended.is_ok(), "the first attempt must not stay open");
    timeout(TIMEOUT, mute.accept()).await.expect("there must be another attempt").unwrap();
}

#[tokio::test]
async fn a_broker_that_was_shut_down_fails_at_once() {
    let world = World::new().await;
    world.shutdown.cancel();
    timeout(TIMEOUT, world.broker.closed()).await.unwrap();
    assert!(!world.broker.is_ready());
    let start = Instant::now();
    let refused = world.broker.publish(Queue::Video, "job-1", &note(1)).await;
    assert!(matches!(refused, Err(PublishError::Unavailable)), "{refused:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
    world.tear_down().await;
}

#[tokio::test]
async fn settings_that_can_never_work_are_refused() {
    let refused = |config: &BrokerConfig| Broker::new(config, "broker tests", CancellationToken::new()).err();
    assert_eq!(refused(&config("localhost:5672")), Some(InvalidConfig::Url));
    let config = BrokerConfig { queue_prefix: "x".repeat(201), ..config("amqp://localhost") };
    assert_eq!(refused(&config), Some(InvalidConfig::QueuePrefix));
}

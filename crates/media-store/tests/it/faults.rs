//! MongoDB is away, slow, or carries out commands that were abandoned long ago.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use media_store::{MediaStore, StoreError};
use mongodb::Client;
use mongodb::options::ClientOptions;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::held_commands::HeldCommands;
use crate::world::{CHUNK, SOON, World, noise};

const A_MOMENT: Duration = Duration::from_millis(700);

/// The world's store over a bad network.
async fn store_behind_proxy(world: &World) -> (HeldCommands, MediaStore) {
    let mut options = ClientOptions::parse(&test_kit::shared().mongodb_url).await.unwrap();
    let commands = HeldCommands::start(options.hosts[0].to_string()).await;
    options.hosts = vec![commands.address()];
    // Otherwise the client would ask the replica set for its addresses and bypass the proxy.
    options.direct_connection = Some(true);
    options.repl_set_name = None;
    // Otherwise the server would usually refuse a late command, because its session has written since. That
    // is luck, not a guarantee.
    options.retry_writes = Some(false);
    let database = Client::with_options(options).unwrap().database(world.database.name());
    (commands, MediaStore::new(database, world.tasks.clone()).with_deadline(A_MOMENT))
}

#[tokio::test]
async fn a_dead_server_is_unavailable() {
    // Bound but not listening: it refuses connections, and no other process can take the port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("mongodb://{}/?directConnection=true", socket.local_addr().unwrap());
    let mut options = ClientOptions::parse(&url).await.unwrap();
    options.server_selection_timeout = Some(Duration::from_millis(200));
    assert_unavailable(&Client::with_options(options).unwrap(), SOON).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_unavailable_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mongodb://{}/?directConnection=true", listener.local_addr().unwrap());
    assert_unavailable(&Client::with_uri_str(&url).await.unwrap(), A_MOMENT).await;
}

async fn assert_unavailable(client: &Client, deadline: Duration) {
    let healthy = World::new().await;
    let file = healthy.stored(&noise(CHUNK)).await;
    let store = MediaStore::new(client.database("media"), TaskTracker::new()).with_deadline(deadline);
    let start = Instant::now();
    let results = [
        store.ensure_indexes().await,
        store.begin("video.mp4", "video/mp4").await.map(drop),
        store.open(file.fid).await.map(drop),
        store.read(&file, 0..1).try_collect::<Vec<_>>().await.map(drop),
        store.delete(file.fid).await,
        store.sweep_unfinished(Duration::ZERO).await.map(drop),
        store.files_older_than(Duration::ZERO, None, 1).await.map(drop),
    ];
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    for result in results {
        assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn an_insert_that_arrives_after_its_upload_was_given_up_is_swept_away() {
    let world = World::new().await;
    let (commands, store) = store_behind_proxy(&world).await;
    let mut upload = store.begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    commands.hold("insert", "fs.chunks");
    upload.write(noise(2 * CHUNK)).await.unwrap();
    commands.holds_one().await;
    let error = upload.finish().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    world.background_work_has_ended().await;
    // The chunks were deleted, but the two that are held have not arrived yet.
    assert_eq!(world.marker_state(fid).await.as_deref(), Some("sweeping"));

    commands.let_go();
    test_kit::wait_until("the insert has arrived", SOON, async || world.traces(fid).await[1] == 2).await;
    assert_eq!(world.store.sweep_unfinished(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(world.traces(fid).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_failed_write_is_reported_and_the_upload_cannot_finish() {
    let world = World::new().await;
    let (commands, store) = store_behind_proxy(&world).await;
    let mut upload = store.begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    commands.hold("insert", "fs.chunks");
    // More than can be in flight, so the write has to wait for the first insert, which fails.
    let error = upload.write(noise(20 * CHUNK)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    commands.let_go();
    assert!(matches!(upload.finish().await, Err(StoreError::Incomplete)));
    world.background_work_has_ended().await;
    assert_eq!(world.store.sweep_unfinished(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(world.traces(fid).await, [0, 0, 0]);
}

#[tokio::test]
async fn an_upload_that_is_swept_before_its_description_arrives_fails() {
    let world = World::new().await;
    let (commands, store) = store_behind_proxy(&world).await;
    let mut upload = store.with_deadline(SOON).begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    upload.write(noise(3 * CHUNK)).await.unwrap();
    commands.hold("findAndModify", "fs.files");
    let finish = tokio::spawn(upload.finish());
    commands.holds_one().await;
    assert_eq!(world.marker_state(fid).await.as_deref(), Some("finishing"));
    assert_eq!(world.store.sweep_unfinished(Duration::ZERO).await.unwrap(), 1);
    commands.let_go();
    let error = finish.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Incomplete), "{error:?}");
    world.background_work_has_ended().await;
    assert_eq!(world.traces(fid).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_file_whose_marker_a_sweeper_took_at_the_last_moment_is_not_promised() {
    let world = World::new().await;
    let (commands, store) = store_behind_proxy(&world).await;
    let mut upload = store.with_deadline(SOON).begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    upload.write(noise(3 * CHUNK)).await.unwrap();
    commands.hold("delete", "fs.pending");
    let finish = tokio::spawn(upload.finish());
    commands.holds_one().await;
    assert_eq!(world.traces(fid).await, [1, 3, 1]);
    world.store.delete(fid).await.unwrap();
    commands.let_go();
    let error = finish.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Lost), "{error:?}");
    world.background_work_has_ended().await;
    assert_eq!(world.traces(fid).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_reader_that_pauses_longer_than_the_deadline_goes_on_reading() {
    let world = World::new().await;
    let content = noise(30 * CHUNK);
    let file = world.stored(&content).await;
    let client = Client::with_uri_str(&test_kit::shared().mongodb_url).await.unwrap();
    let database = client.database(world.database.name());
    let store = MediaStore::new(database, TaskTracker::new()).with_deadline(A_MOMENT);
    let mut download = Box::pin(store.read(&file, 0..file.bytes));
    let mut read = download.try_next().await.unwrap().unwrap().to_vec();
    // The pause itself is tested; it is not a wait for an event.
    tokio::time::sleep(A_MOMENT * 2).await;
    while let Some(piece) = download.try_next().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert_eq!(read, content);
}

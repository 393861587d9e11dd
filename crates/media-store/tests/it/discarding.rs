//! Discarded uploads and deleted files leave nothing.

use contracts::FileId;
use media_store::StoreError;

use crate::world::{CHUNK, World, noise};

#[tokio::test]
async fn a_discarded_upload_leaves_nothing() {
    let world = World::new().await;
    for bytes in [0, 1, 7 * CHUNK] {
        let mut upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
        let fid = upload.fid();
        upload.write(noise(bytes)).await.unwrap();
        upload.discard().await;
        assert_eq!(world.traces(fid).await, [0, 0, 0], "{bytes} bytes");
    }
}

#[tokio::test]
async fn a_dropped_upload_leaves_nothing_once_the_background_work_has_ended() {
    let world = World::new().await;
    let mut upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    upload.write(noise(7 * CHUNK)).await.unwrap();
    assert_eq!(world.marker_state(fid).await.as_deref(), Some("open"));
    drop(upload);
    world.background_work_has_ended().await;
    assert_eq!(world.traces(fid).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_finished_upload_is_not_discarded_by_its_drop() {
    let world = World::new().await;
    let file = world.stored(&noise(CHUNK)).await;
    world.background_work_has_ended().await;
    assert_eq!(world.traces(file.fid).await, [1, 1, 0]);
}

#[tokio::test]
async fn deleting_a_file_leaves_nothing_of_it_and_everything_of_others() {
    let world = World::new().await;
    let (file, other) = (world.stored(&noise(3 * CHUNK)).await, world.stored(&noise(CHUNK)).await);
    world.store.delete(file.fid).await.unwrap();
    assert_eq!(world.traces(file.fid).await, [0, 0, 0]);
    assert_eq!(world.store.open(file.fid).await.unwrap(), None);
    assert_eq!(world.read_all(&other).await.unwrap(), noise(CHUNK));
    // A second time, and a file that never existed.
    world.store.delete(file.fid).await.unwrap();
    world.store.delete(FileId::from_bytes([1; 12])).await.unwrap();
    assert_eq!(world.traces(FileId::from_bytes([1; 12])).await, [0, 0, 0]);
}

#[tokio::test]
async fn an_upload_that_is_deleted_under_way_cannot_finish() {
    let world = World::new().await;
    let mut upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    upload.write(noise(3 * CHUNK)).await.unwrap();
    world.store.delete(fid).await.unwrap();
    assert!(matches!(upload.finish().await, Err(StoreError::Lost)));
    world.background_work_has_ended().await;
    assert_eq!(world.traces(fid).await, [0, 0, 0]);
}

//! What is given up or deleted leaves nothing.

use contracts::FileId;
use media_store::StoreError;

use crate::{CHUNK, fixture, noise};

#[tokio::test]
async fn a_discarded_upload_leaves_nothing() {
    let fixture = fixture().await;
    for bytes in [0, 1, 7 * CHUNK] {
        let mut upload = fixture.store.begin("video.mp4", "video/mp4").await.unwrap();
        let fid = upload.fid();
        upload.write(noise(bytes)).await.unwrap();
        upload.discard().await;
        assert_eq!(fixture.traces(fid).await, [0, 0, 0], "{bytes} bytes");
    }
}

#[tokio::test]
async fn a_dropped_upload_leaves_nothing_once_the_background_work_has_ended() {
    let fixture = fixture().await;
    let mut upload = fixture.store.begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    upload.write(noise(7 * CHUNK)).await.unwrap();
    assert_eq!(fixture.marker_state(fid).await.as_deref(), Some("open"));
    drop(upload);
    fixture.background_work_has_ended().await;
    assert_eq!(fixture.traces(fid).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_finished_upload_is_not_discarded_by_its_drop() {
    let fixture = fixture().await;
    let file = fixture.stored(&noise(CHUNK)).await;
    fixture.background_work_has_ended().await;
    assert_eq!(fixture.traces(file.fid).await, [1, 1, 0]);
}

#[tokio::test]
async fn deleting_a_file_leaves_nothing_of_it_and_everything_of_others() {
    let fixture = fixture().await;
    let (file, other) = (fixture.stored(&noise(3 * CHUNK)).await, fixture.stored(&noise(CHUNK)).await);
    fixture.store.delete(file.fid).await.unwrap();
    assert_eq!(fixture.traces(file.fid).await, [0, 0, 0]);
    assert_eq!(fixture.store.open(file.fid).await.unwrap(), None);
    assert_eq!(fixture.read_all(&other).await.unwrap(), noise(CHUNK));
    // Again, and what never was.
    fixture.store.delete(file.fid).await.unwrap();
    fixture.store.delete(FileId::from_bytes([1; 12])).await.unwrap();
    assert_eq!(fixture.traces(FileId::from_bytes([1; 12])).await, [0, 0, 0]);
}

#[tokio::test]
async fn an_upload_that_is_deleted_under_way_cannot_finish() {
    let fixture = fixture().await;
    let mut upload = fixture.store.begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    upload.write(noise(3 * CHUNK)).await.unwrap();
    fixture.store.delete(fid).await.unwrap();
    assert!(matches!(upload.finish().await, Err(StoreError::Lost)));
    fixture.background_work_has_ended().await;
    assert_eq!(fixture.traces(fid).await, [0, 0, 0]);
}

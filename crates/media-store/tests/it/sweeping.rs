//! The sweep deletes what killed processes leave, and nothing that is alive.

use std::time::Duration;

use media_store::StoreError;
use mongodb::bson::doc;

use crate::world::{CHUNK, World, id, killed, noise};

const A_QUARTER: Duration = Duration::from_mins(15);

#[tokio::test]
async fn the_upload_of_a_killed_process_is_swept_away() {
    let world = World::new().await;
    let mut upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    upload.write(noise(4 * CHUNK + 5)).await.unwrap();
    killed(&world, upload, 4).await;
    assert_eq!(world.store.sweep_unfinished(A_QUARTER).await.unwrap(), 0, "it may be alive");
    assert_eq!(world.traces(fid).await, [0, 4, 1]);
    assert_eq!(world.store.sweep_unfinished(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(world.traces(fid).await, [0, 0, 0]);
}

#[tokio::test]
async fn files_are_never_swept() {
    let world = World::new().await;
    let file = world.stored(&noise(2 * CHUNK)).await;
    assert_eq!(world.store.sweep_unfinished(Duration::ZERO).await.unwrap(), 0);
    assert_eq!(world.traces(file.fid).await, [1, 2, 0]);
}

#[tokio::test]
async fn an_upload_that_was_swept_cannot_finish_and_leaves_nothing() {
    let world = World::new().await;
    let mut upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    upload.write(noise(4 * CHUNK)).await.unwrap();
    assert_eq!(world.store.sweep_unfinished(Duration::ZERO).await.unwrap(), 1);
    upload.write(noise(4 * CHUNK)).await.unwrap();
    assert!(matches!(upload.finish().await, Err(StoreError::Lost)));
    world.background_work_has_ended().await;
    assert_eq!(world.traces(fid).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_deletion_that_was_interrupted_is_carried_on() {
    let world = World::new().await;
    let pending = world.collection("fs.pending");
    let steps = ["marked", "description gone", "chunks half gone", "chunks gone"];
    for step in 0..steps.len() {
        let fid = world.stored(&noise(3 * CHUNK)).await.fid;
        let marker = doc! { "$set": { "state": "sweeping", "touched_at": "$$NOW" } };
        pending.update_one(doc! { "_id": id(fid) }, vec![marker]).upsert(true).await.unwrap();
        if step >= 1 {
            world.collection("fs.files").delete_one(doc! { "_id": id(fid) }).await.unwrap();
        }
        let gone = [0, 0, 2, 3][step];
        world
            .collection("fs.chunks")
            .delete_many(doc! { "files_id": id(fid), "n": { "$lt": gone } })
            .await
            .unwrap();
        assert_eq!(world.store.sweep_unfinished(A_QUARTER).await.unwrap(), 0);
        assert_eq!(world.store.sweep_unfinished(Duration::ZERO).await.unwrap(), 1, "{}", steps[step]);
        assert_eq!(world.traces(fid).await, [0, 0, 0], "{}", steps[step]);
    }
}

#[tokio::test]
async fn a_process_killed_while_finishing_leaves_a_whole_file_or_nothing() {
    let world = World::new().await;
    let pending = world.collection("fs.pending");
    let finishing = vec![doc! { "$set": { "state": "finishing", "touched_at": "$$NOW" } }];

    // Killed before the description was written.
    let mut upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    upload.write(noise(2 * CHUNK)).await.unwrap();
    killed(&world, upload, 2).await;
    pending.update_one(doc! { "_id": id(fid) }, finishing.clone()).await.unwrap();
    assert_eq!(world.store.sweep_unfinished(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(world.traces(fid).await, [0, 0, 0]);

    // Killed after the description was written, with a chunk lost.
    let fid = world.stored(&noise(2 * CHUNK)).await.fid;
    world.collection("fs.chunks").delete_one(doc! { "files_id": id(fid), "n": 0 }).await.unwrap();
    pending.update_one(doc! { "_id": id(fid) }, finishing.clone()).upsert(true).await.unwrap();
    assert_eq!(world.store.sweep_unfinished(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(world.traces(fid).await, [0, 0, 0]);

    // Killed after the description was written, with every chunk: the client may have been told.
    let fid = world.stored(&noise(2 * CHUNK)).await.fid;
    pending.update_one(doc! { "_id": id(fid) }, finishing).upsert(true).await.unwrap();
    assert_eq!(world.store.sweep_unfinished(Duration::ZERO).await.unwrap(), 0);
    assert_eq!(world.traces(fid).await, [1, 2, 0]);
}

#[tokio::test]
async fn two_sweepers_sweep_each_upload_once() {
    let world = World::new().await;
    let mut fids = Vec::new();
    for _ in 0..10 {
        let upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
        fids.push(upload.fid());
        std::mem::forget(upload);
    }
    // Older than any pause between the two sweepers. So a marker that one has taken looks fresh to the other.
    let an_hour_ago = doc! { "$set": { "touched_at": { "$subtract": ["$$NOW", 3_600_000] } } };
    world.collection("fs.pending").update_many(doc! {}, vec![an_hour_ago]).await.unwrap();
    let sweep = || world.store.sweep_unfinished(A_QUARTER);
    let (one, other) = tokio::join!(sweep(), sweep());
    assert_eq!(one.unwrap() + other.unwrap(), 10);
    for fid in fids {
        assert_eq!(world.traces(fid).await, [0, 0, 0]);
    }
}

/// One side refers to a file, as a job does, and then checks whether the file stays.
#[tokio::test]
async fn a_file_that_is_referred_to_and_deleted_at_once_is_noticed_by_one_of_the_two() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let world = World::new().await;
    for _ in 0..30 {
        let fid = world.stored(&noise(CHUNK)).await.fid;
        let is_referred_to = AtomicBool::new(false);
        let sweeping = world
            .store
            .delete_unless(fid, async { Ok::<_, StoreError>(is_referred_to.load(Ordering::SeqCst)) });
        let referring = async {
            is_referred_to.store(true, Ordering::SeqCst);
            world.store.is_kept(fid).await.unwrap()
        };
        let (is_swept, is_kept) = tokio::join!(sweeping, referring);
        assert!(!(is_swept.unwrap() && is_kept), "both believe that they won");
    }
}

#[tokio::test]
async fn a_file_that_is_needed_after_all_stays_and_a_doubt_that_was_left_is_taken_back() {
    let world = World::new().await;
    let file = world.stored(&noise(CHUNK)).await;
    let fid = file.fid;
    let kept = world.store.delete_unless(fid, async {
        assert!(!world.store.is_kept(fid).await?, "it is in doubt");
        Ok::<_, StoreError>(true)
    });
    assert!(!kept.await.unwrap());
    assert!(world.store.is_kept(fid).await.unwrap());
    // The state that a sweeper leaves if it is killed during its check.
    let doubted = vec![doc! { "$set": { "state": "doubted", "touched_at": "$$NOW" } }];
    world.collection("fs.pending").update_one(doc! { "_id": id(fid) }, doubted).upsert(true).await.unwrap();
    assert_eq!(world.store.sweep_unfinished(Duration::ZERO).await.unwrap(), 0);
    assert_eq!(world.traces(fid).await, [1, 1, 0]);
    assert_eq!(world.read_all(&file).await.unwrap(), noise(CHUNK));

    assert!(world.store.delete_unless(fid, async { Ok::<_, StoreError>(false) }).await.unwrap());
    assert_eq!(world.traces(fid).await, [0, 0, 0]);
    assert!(!world.store.is_kept(fid).await.unwrap());
}

#[tokio::test]
async fn an_upload_under_way_is_not_doubted() {
    let world = World::new().await;
    let mut upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    upload.reserve("a right".to_owned());
    upload.write(noise(CHUNK)).await.unwrap();
    assert!(!world.store.delete_unless(fid, async { Ok::<_, StoreError>(false) }).await.unwrap());
    upload.finish().await.unwrap();
    assert_eq!(world.store.right(fid).await.unwrap().as_deref(), Some("a right"));
}

//! What was written can be read, and nothing else.

use bytes::Bytes;
use contracts::FileId;
use futures_util::future::try_join_all;
use media_store::{StoreError, StoredFile};
use mongodb::bson::doc;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use time::OffsetDateTime;

use crate::world::{CHUNK, World, id, noise};

#[tokio::test]
async fn files_of_every_size_around_a_chunk_border_come_back_as_they_were() {
    let world = World::new().await;
    for bytes in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 5 * 1024 * 1024] {
        let content = noise(bytes);
        let file = world.stored(&content).await;
        assert_eq!(file.bytes, bytes as u64);
        assert_eq!(world.read_all(&file).await.unwrap(), content, "{bytes} bytes");
        assert_eq!(world.traces(file.fid).await, [1, bytes.div_ceil(CHUNK) as u64, 0], "{bytes} bytes");
    }
}

#[test]
fn the_sizes_of_the_writes_do_not_matter() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let sizes = prop::collection::vec(prop_oneof![0..100_usize, 0..CHUNK, 0..3 * CHUNK], 0..12);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(24));
    runner
        .run(&sizes, |sizes| {
            let content = noise(sizes.iter().sum());
            let file = runtime.block_on(stored_in_pieces(&world, content.clone(), &sizes));
            prop_assert_eq!(runtime.block_on(world.read_all(&file)).unwrap(), content);
            Ok(())
        })
        .unwrap();
}

async fn stored_in_pieces(world: &World, mut content: Bytes, sizes: &[usize]) -> StoredFile {
    let mut upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
    for (n, size) in sizes.iter().enumerate() {
        upload.write(content.split_to(*size)).await.unwrap();
        assert_eq!(upload.bytes(), sizes[..=n].iter().sum::<usize>() as u64);
    }
    upload.finish().await.unwrap()
}

#[tokio::test]
async fn a_file_is_described_as_it_was_begun() {
    let world = World::new().await;
    // Texts that an update would take for expressions.
    let mut upload = world.store.begin("$length.mp4", "$$NOW").await.unwrap();
    let fid = upload.fid();
    upload.write(noise(10)).await.unwrap();
    let before = OffsetDateTime::now_utc();
    let file = upload.finish().await.unwrap();
    assert_eq!((file.fid, &*file.name, file.content_type.as_deref()), (fid, "$length.mp4", Some("$$NOW")));
    assert!((file.stored_at - before).abs() < time::Duration::minutes(1), "{}", file.stored_at);
    assert_eq!(world.store.open(fid).await.unwrap(), Some(file));
}

#[tokio::test]
async fn what_is_attached_comes_and_goes_with_the_file() {
    let world = World::new().await;
    let mut upload = world.store.begin("talk.mp3", "audio/mpeg").await.unwrap();
    let fid = upload.fid();
    upload.attach(Bytes::from_static(b"{}"));
    upload.attach_picture(noise(1 << 20));
    upload.write(noise(10)).await.unwrap();
    assert_eq!(world.store.sidecar(fid).await.unwrap(), None);
    upload.finish().await.unwrap();
    assert_eq!(world.store.sidecar(fid).await.unwrap(), Some(Bytes::from_static(b"{}")));
    assert_eq!(world.store.picture(fid).await.unwrap(), Some(noise(1 << 20)));
    world.store.delete(fid).await.unwrap();
    assert_eq!(world.store.sidecar(fid).await.unwrap(), None);
    let plain = world.stored(&noise(10)).await;
    assert_eq!(world.store.sidecar(plain.fid).await.unwrap(), None);
    assert_eq!(world.store.picture(plain.fid).await.unwrap(), None);
}

#[tokio::test]
async fn an_unfinished_upload_is_not_a_file() {
    let world = World::new().await;
    let mut upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
    upload.write(noise(3 * CHUNK)).await.unwrap();
    assert_eq!(world.store.open(upload.fid()).await.unwrap(), None);
    assert_eq!(world.store.open(FileId::from_bytes([7; 12])).await.unwrap(), None);
}

#[tokio::test]
async fn uploads_at_the_same_time_do_not_mix() {
    let world = World::new().await;
    let contents: Vec<Bytes> = (0..12).map(|n| noise(CHUNK * 4 + n)).collect();
    let uploads = contents.iter().map(async |content| {
        let mut upload = world.store.begin("video.mp4", "video/mp4").await?;
        for piece in content.chunks(100_000) {
            upload.write(Bytes::copy_from_slice(piece)).await?;
        }
        upload.finish().await
    });
    let files = try_join_all(uploads).await.unwrap();
    for (file, content) in files.iter().zip(&contents) {
        assert_eq!(world.read_all(file).await.unwrap(), content);
    }
}

#[tokio::test]
async fn an_upload_that_lost_a_chunk_to_a_rollback_does_not_become_a_file() {
    let world = World::new().await;
    let mut upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
    let fid = upload.fid();
    upload.write(noise(5 * CHUNK)).await.unwrap();
    let chunks = world.collection("fs.chunks");
    test_kit::wait_until("the second chunk has arrived", crate::world::SOON, async || {
        chunks.delete_one(doc! { "files_id": id(fid), "n": 1 }).await.unwrap().deleted_count == 1
    })
    .await;
    assert!(matches!(upload.finish().await, Err(StoreError::Incomplete)));
    world.background_work_has_ended().await;
    assert_eq!(world.traces(fid).await, [0, 0, 0]);
}

#[tokio::test]
async fn after_a_write_was_cut_off_the_upload_cannot_finish() {
    let world = World::new().await;
    let mut upload = world.store.begin("video.mp4", "video/mp4").await.unwrap();
    // Too much to be in flight at once, so the write has to wait, and is dropped while it waits.
    let write = upload.write(noise(30 * CHUNK));
    assert!(tokio::time::timeout(std::time::Duration::ZERO, write).await.is_err());
    assert!(matches!(upload.write(noise(1)).await, Err(StoreError::Incomplete)));
    assert!(matches!(upload.finish().await, Err(StoreError::Incomplete)));
}

#[tokio::test]
async fn old_files_are_listed_page_by_page() {
    let world = World::new().await;
    let mut stored = Vec::new();
    for _ in 0..5 {
        stored.push(world.stored(&noise(1)).await.fid);
    }
    let unfinished = world.store.begin("video.mp4", "video/mp4").await.unwrap();
    let page = async |after| world.store.files_older_than(std::time::Duration::ZERO, after, 2).await.unwrap();
    assert_eq!(page(None).await, stored[..2]);
    assert_eq!(page(Some(stored[1])).await, stored[2..4]);
    assert_eq!(page(Some(stored[3])).await, stored[4..]);
    assert_eq!(page(Some(stored[4])).await, []);
    assert!(unfinished.fid() > stored[4]);

    let hour = std::time::Duration::from_hours(1);
    assert_eq!(world.store.files_older_than(hour, None, 10).await.unwrap(), []);
}

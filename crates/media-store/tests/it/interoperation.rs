//! Other programs read our GridFS files, and we read theirs.

use bytes::Bytes;
use contracts::FileId;
use futures_util::{AsyncReadExt as _, AsyncWriteExt as _};
use mongodb::bson::{Bson, DateTime, doc};
use mongodb::options::GridFsUploadOptions;

use crate::world::{CHUNK, World, id, noise};

#[tokio::test]
async fn the_drivers_own_bucket_reads_what_we_write() {
    let world = World::new().await;
    let bucket = world.database.gridfs_bucket(None);
    for bytes in [0, 1, CHUNK, 3 * CHUNK + 17] {
        let content = noise(bytes);
        let file = world.stored(&content).await;
        let mut read = Vec::new();
        let mut download = bucket.open_download_stream(id(file.fid).into()).await.unwrap();
        download.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, content, "{bytes} bytes");
        let found =
            bucket.find_one(doc! { "filename": "video.mp4", "_id": id(file.fid) }).await.unwrap().unwrap();
        assert_eq!(found.length, bytes as u64);
        assert_eq!(found.metadata, Some(doc! { "contentType": "video/mp4" }));
        let stored_at = file.stored_at.unix_timestamp_nanos() / 1_000_000;
        assert_eq!(i128::from(found.upload_date.timestamp_millis()), stored_at);
    }
}

#[tokio::test]
async fn we_read_what_the_drivers_own_bucket_writes() {
    let world = World::new().await;
    let bucket = world.database.gridfs_bucket(None);
    for chunk_bytes in [1000, 255 * 1024, 3 * 1024 * 1024] {
        let content = noise(4 * 1024 * 1024 + 5);
        let options = GridFsUploadOptions::builder().chunk_size_bytes(chunk_bytes).build();
        let mut upload = bucket.open_upload_stream("theirs.mp4").with_options(options).await.unwrap();
        upload.write_all(&content).await.unwrap();
        upload.close().await.unwrap();
        let fid = FileId::from_bytes(upload.id().as_object_id().unwrap().bytes());
        let file = world.store.open(fid).await.unwrap().unwrap();
        assert_eq!((&*file.name, file.content_type.as_deref()), ("theirs.mp4", None));
        assert_eq!(world.read_all(&file).await.unwrap(), content, "chunks of {chunk_bytes}");
        assert_eq!(world.read(&file, 999..3_500_001).await.unwrap(), content.slice(999..3_500_001));
    }
}

#[tokio::test]
async fn numbers_of_other_types_and_a_missing_name_are_understood() {
    let world = World::new().await;
    let fid = FileId::from_bytes([9; 12]);
    let file =
        doc! { "_id": id(fid), "length": 3.0, "chunkSize": 2_i64, "uploadDate": DateTime::from_millis(1500) };
    world.collection("fs.files").insert_one(file).await.unwrap();
    let data = |bytes: &[u8]| mongodb::bson::Binary {
        subtype: mongodb::bson::spec::BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    };
    let chunks = [
        doc! { "files_id": id(fid), "n": Bson::Double(0.0), "data": data(b"ab") },
        doc! { "files_id": id(fid), "n": 1_i64, "data": data(b"c") },
    ];
    world.collection("fs.chunks").insert_many(chunks).await.unwrap();
    let file = world.store.open(fid).await.unwrap().unwrap();
    assert_eq!((&*file.name, file.stored_at.unix_timestamp_nanos()), ("", 1_500_000_000));
    assert_eq!(world.read_all(&file).await.unwrap(), Bytes::from_static(b"abc"));
}

#[tokio::test]
async fn files_under_identifiers_of_other_types_are_left_alone() {
    let world = World::new().await;
    let theirs =
        doc! { "_id": "a text", "length": 0_i64, "chunkSize": 1, "uploadDate": DateTime::from_millis(0) };
    world.collection("fs.files").insert_one(theirs).await.unwrap();
    let ours = world.stored(&noise(1)).await.fid;
    let old = world.store.files_older_than(std::time::Duration::ZERO, None, 10).await.unwrap();
    assert_eq!(old, [ours]);
}

#[tokio::test]
async fn one_chunk_cannot_be_stored_twice() {
    let world = World::new().await;
    let file = world.stored(&noise(1)).await;
    let twin = doc! { "files_id": id(file.fid), "n": 0 };
    assert!(world.collection("fs.chunks").insert_one(twin).await.is_err());
    // Again, as the next start of a service does.
    world.store.ensure_indexes().await.unwrap();
}

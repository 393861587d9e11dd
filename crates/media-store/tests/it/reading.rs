//! Ranges, and files that are damaged or deleted.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use media_store::{Damage, StoreError};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, doc};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use test_kit::wait_until;

use crate::world::{CHUNK, World, id, noise};

#[tokio::test]
async fn every_range_is_what_that_part_of_the_file_is() {
    let world = World::new().await;
    let bytes = 9 * CHUNK + 1234;
    let content = noise(bytes);
    let file = world.stored(&content).await;
    let borders = [
        0,
        1,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        4 * CHUNK - 1,
        4 * CHUNK,
        4 * CHUNK + 1,
        9 * CHUNK,
        bytes - 1,
        bytes,
    ];
    let mut random = SmallRng::seed_from_u64(1);
    let chance = (0..100).map(|_| (random.random_range(0..=bytes), random.random_range(0..=bytes)));
    let all = borders.iter().flat_map(|start| borders.iter().map(|end| (*start, *end))).chain(chance);
    for (start, end) in all {
        let expected = content.get(start..end).unwrap_or_default();
        assert_eq!(world.read(&file, start as u64..end as u64).await.unwrap(), expected, "{start}..{end}");
        let offered: Vec<Bytes> =
            world.store.offer(&file, start as u64..end as u64).try_collect().await.unwrap();
        assert_eq!(offered.concat(), expected, "{start}..{end}");
        assert!(offered.iter().all(|piece| piece.len() <= CHUNK / 4), "a piece is small");
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_stops_there() {
    let world = World::new().await;
    let content = noise(CHUNK + 10);
    let file = world.stored(&content).await;
    assert_eq!(world.read(&file, 5..u64::MAX).await.unwrap(), content.slice(5..));
    assert_eq!(world.read(&file, u64::MAX - 1..u64::MAX).await.unwrap(), Bytes::new());
}

#[tokio::test]
async fn a_missing_chunk_is_an_error_and_not_a_gap() {
    let world = World::new().await;
    for n in [0_u32, 3, 6] {
        let content = noise(6 * CHUNK + 1);
        let file = world.stored(&content).await;
        world.collection("fs.chunks").delete_one(doc! { "files_id": id(file.fid), "n": n }).await.unwrap();
        let error = world.read_all(&file).await.unwrap_err();
        let StoreError::Corrupt { fid, damage: Damage::MissingChunk(missing) } = error else {
            panic!("{error:?}");
        };
        assert_eq!((fid, missing), (file.fid, u64::from(n)));
        // The rest of the file can still be read.
        let rest = content.len().min((n as usize + 1) * CHUNK)..content.len();
        assert_eq!(world.read(&file, rest.start as u64..u64::MAX).await.unwrap(), content.slice(rest));
    }
}

#[tokio::test]
async fn a_chunk_of_the_wrong_length_is_an_error() {
    let world = World::new().await;
    for length in [0, CHUNK - 1, CHUNK + 1] {
        let file = world.stored(&noise(3 * CHUNK)).await;
        let data = Binary { subtype: BinarySubtype::Generic, bytes: noise(length).to_vec() };
        let second = doc! { "files_id": id(file.fid), "n": 1 };
        world.collection("fs.chunks").update_one(second, doc! { "$set": { "data": data } }).await.unwrap();
        let error = world.read_all(&file).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt { damage: Damage::WrongChunkLength(1), .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_description_that_makes_no_sense_is_an_error() {
    let world = World::new().await;
    let file = world.stored(&noise(1)).await;
    let this = doc! { "_id": id(file.fid) };
    for nonsense in [doc! { "length": -1 }, doc! { "chunkSize": 0 }, doc! { "uploadDate": "yesterday" }] {
        world.collection("fs.files").update_one(this.clone(), doc! { "$set": nonsense }).await.unwrap();
        let error = world.store.open(file.fid).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { damage: Damage::Description, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_download_that_is_overtaken_by_the_deletion_says_so() {
    let world = World::new().await;
    let file = world.stored(&noise(40 * CHUNK)).await;
    let mut download = Box::pin(world.store.read(&file, 0..file.bytes));
    download.try_next().await.unwrap().unwrap();
    world.store.delete(file.fid).await.unwrap();
    let end = download.try_fold((), |(), _| std::future::ready(Ok(()))).await;
    assert!(matches!(end, Err(StoreError::Deleted(fid)) if fid == file.fid), "{end:?}");
}

#[tokio::test]
async fn a_download_ends_at_its_first_error() {
    let world = World::new().await;
    let file = world.stored(&noise(20 * CHUNK)).await;
    world.collection("fs.chunks").delete_one(doc! { "files_id": id(file.fid), "n": 5 }).await.unwrap();
    let results: Vec<_> = world.store.read(&file, 0..file.bytes).collect().await;
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    assert!(results.last().unwrap().is_err());
}

#[tokio::test]
async fn a_reader_that_pauses_gets_what_is_stored_when_it_goes_on() {
    let world = World::new().await;
    let content = noise(CHUNK);
    let changed: Bytes = content.iter().map(|byte| !byte).collect();
    let file = world.stored(&content).await;
    let store_chunk = async |bytes: &Bytes| {
        let data = Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() };
        let update = doc! { "$set": { "data": data } };
        world
            .collection("fs.chunks")
            .update_one(doc! { "files_id": id(file.fid), "n": 0 }, update)
            .await
            .unwrap();
    };
    // After the pause nothing that was fetched with the first piece is kept: the rest is read from the store
    // again.
    let mut pause = Duration::from_millis(500);
    wait_until("a pause is long enough", Duration::from_mins(1), async || {
        store_chunk(&content).await;
        let mut download = Box::pin(world.store.offer(&file, 0..file.bytes));
        let first = download.try_next().await.unwrap().unwrap();
        assert_eq!(first, content.slice(..first.len()));
        store_chunk(&changed).await;
        pause *= 2;
        tokio::time::sleep(pause).await;
        let rest: Vec<Bytes> = download.try_collect().await.unwrap();
        rest.concat() == changed.slice(first.len()..)
    })
    .await;
}

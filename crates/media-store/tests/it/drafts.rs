//! Files that arrive in several parts.

use std::time::Duration;

use bytes::Bytes;
use contracts::FileId;
use media_store::{Draft, DraftDiscarded, DraftState, DraftWriter, NewDraft, Resumed, StoreError};
use mongodb::bson::{DateTime, doc};

use crate::world::{CHUNK, SOON, World, id, noise};

const A_DAY: Duration = Duration::from_hours(24);

async fn begun(world: &World, bytes: usize, lasts: Duration) -> Draft {
    let bytes = bytes as u64;
    // Texts that an aggregation would take for fields.
    let new =
        NewDraft { name: "$name.mp4", content_type: "$$NOW", bytes, owner: "ada", about: "$about", lasts };
    world.store.begin_draft(new).await.unwrap()
}

async fn writer(world: &World, fid: FileId, offset: u64) -> DraftWriter {
    match world.store.resume_draft(fid, offset).await.unwrap() {
        Resumed::Writing(writer) => *writer,
        other => panic!("{other:?}"),
    }
}

async fn standing(world: &World, fid: FileId) -> (DraftState, u64) {
    let draft = world.store.draft(fid).await.unwrap().unwrap();
    (draft.state, draft.offset)
}

async fn drafts(world: &World) -> u64 {
    world.collection("fs.drafts").count_documents(doc! {}).await.unwrap()
}

/// As if the writer had been silent for longer than its lease.
async fn let_the_lease_run_out(world: &World, fid: FileId) {
    let past = doc! { "$set": { "lease.until": DateTime::from_millis(0) } };
    let leased = doc! { "_id": id(fid), "lease": { "$exists": true } };
    let updated = world.collection("fs.drafts").update_one(leased, past).await.unwrap();
    assert_eq!(updated.matched_count, 1, "there is no lease");
}

#[tokio::test]
async fn a_draft_grows_by_pieces_of_any_size_into_the_file_that_was_sent() {
    let world = World::new().await;
    let pieces = [1, CHUNK - 1, CHUNK, 0, CHUNK + 1, 3 * CHUNK + 7, 100, 100];
    let content = noise(pieces.iter().sum());
    let draft = begun(&world, content.len(), A_DAY).await;
    assert_eq!((draft.state, draft.offset, draft.about.as_str()), (DraftState::Open, 0, "$about"));
    let mut rest = content.clone();
    for piece in pieces {
        let offset = (content.len() - rest.len()) as u64;
        let mut writer = writer(&world, draft.fid, offset).await;
        writer.write(rest.split_to(piece)).await.unwrap();
        if rest.is_empty() {
            let file = writer.finish().await.unwrap();
            assert_eq!((file.name.as_str(), file.content_type.as_deref()), ("$name.mp4", Some("$$NOW")));
            assert_eq!(world.read_all(&file).await.unwrap(), content);
        } else {
            let paused = writer.pause().await.unwrap();
            assert_eq!(paused.offset, offset + piece as u64);
            assert_eq!(standing(&world, draft.fid).await, (DraftState::Open, paused.offset));
            assert_eq!(world.store.open(draft.fid).await.unwrap(), None, "it is a file already");
        }
    }
    assert_eq!(standing(&world, draft.fid).await.0, DraftState::Stored);
    assert!(world.store.is_draft(draft.fid).await.unwrap());
    world.store.settle_draft(draft.fid).await.unwrap();
    assert_eq!(standing(&world, draft.fid).await, (DraftState::Settled, content.len() as u64));
    assert!(!world.store.is_draft(draft.fid).await.unwrap());
    assert_eq!(world.traces(draft.fid).await, [1, content.len().div_ceil(CHUNK) as u64, 0]);
}

#[tokio::test]
async fn what_is_stored_counts_at_each_tick_though_the_writer_is_killed_then() {
    let world = World::new().await;
    let content = noise(9 * CHUNK + 10);
    let draft = begun(&world, content.len(), A_DAY).await;
    let mut killed = writer(&world, draft.fid, 0).await;
    killed.write(content.slice(..8 * CHUNK + 5)).await.unwrap();
    test_kit::wait_until("a tick counts every full chunk that was sent", SOON, async || {
        killed.tick().await.unwrap();
        standing(&world, draft.fid).await == (DraftState::Open, 8 * CHUNK as u64)
    })
    .await;
    std::mem::forget(killed);
    let_the_lease_run_out(&world, draft.fid).await;
    let mut next = writer(&world, draft.fid, 8 * CHUNK as u64).await;
    next.write(content.slice(8 * CHUNK..)).await.unwrap();
    let file = next.finish().await.unwrap();
    assert_eq!(world.read_all(&file).await.unwrap(), content);
}

#[tokio::test]
async fn a_wrong_offset_changes_nothing_and_does_not_interrupt_the_writer() {
    let world = World::new().await;
    let draft = begun(&world, 2 * CHUNK, A_DAY).await;
    let mut first = writer(&world, draft.fid, 0).await;
    first.write(noise(10)).await.unwrap();
    assert_eq!(first.pause().await.unwrap().offset, 10);
    let mut writing = writer(&world, draft.fid, 10).await;
    for wrong in [0, 9, 11, u64::MAX] {
        assert!(matches!(world.store.resume_draft(draft.fid, wrong).await.unwrap(), Resumed::Elsewhere(10)));
    }
    assert!(!writing.tick().await.unwrap(), "the writer was asked to stop");
    assert_eq!(writing.pause().await.unwrap().offset, 10);
    assert!(matches!(world.store.resume_draft(FileId::from_bytes([1; 12]), 0).await.unwrap(), Resumed::Gone));
}

#[tokio::test]
async fn a_writer_that_is_asked_to_lets_the_next_one_go_on() {
    let world = World::new().await;
    let content = noise(3 * CHUNK);
    let draft = begun(&world, content.len(), A_DAY).await;
    let mut first = writer(&world, draft.fid, 0).await;
    let store = world.store.clone();
    let fid = draft.fid;
    let second = tokio::spawn(async move { store.resume_draft(fid, 0).await.unwrap() });
    test_kit::wait_until("the first is asked to stop", SOON, async || first.tick().await.unwrap()).await;
    assert!(!second.is_finished());
    drop(first.pause().await.unwrap());
    let Resumed::Writing(mut second) = second.await.unwrap() else { panic!("it was not let in") };
    second.write(content.clone()).await.unwrap();
    let file = second.finish().await.unwrap();
    assert_eq!(world.read_all(&file).await.unwrap(), content);
}

#[tokio::test]
async fn a_straggler_cannot_put_its_bytes_into_another_writers_file() {
    let world = World::new().await;
    let bytes = 12 * CHUNK;
    let (mine, others) = (noise(bytes), Bytes::from(vec![7; bytes]));
    let draft = begun(&world, bytes, A_DAY).await;
    let mut straggler = writer(&world, draft.fid, 0).await;
    straggler.write(others.slice(..4 * CHUNK)).await.unwrap();
    let_the_lease_run_out(&world, draft.fid).await;

    let mut owner = writer(&world, draft.fid, 0).await;
    // The straggler does not know yet, and its chunks have the numbers that the owner's will have.
    straggler.write(others.slice(4 * CHUNK..8 * CHUNK)).await.unwrap_or_else(|error| {
        assert!(matches!(error, StoreError::Taken), "{error:?}");
    });
    let written = async {
        owner.write(mine.clone()).await?;
        owner.finish().await
    };
    let file = match written.await {
        Ok(file) => file,
        Err(StoreError::Taken) => {
            let _ = straggler.pause().await;
            let_the_lease_run_out(&world, draft.fid).await;
            let mut again = writer(&world, draft.fid, 0).await;
            again.write(mine.clone()).await.unwrap();
            let file = again.finish().await.unwrap();
            assert_eq!(world.read_all(&file).await.unwrap(), mine);
            return;
        }
        Err(error) => panic!("{error:?}"),
    };
    assert!(matches!(straggler.tick().await, Err(StoreError::Taken)));
    assert!(matches!(straggler.pause().await, Err(StoreError::Taken | StoreError::Incomplete)));
    assert_eq!(world.read_all(&file).await.unwrap(), mine);
}

#[tokio::test]
async fn a_late_chunk_of_another_writer_makes_the_write_fail() {
    let world = World::new().await;
    let draft = begun(&world, 4 * CHUNK, A_DAY).await;
    let mut writing = writer(&world, draft.fid, 0).await;
    let late = doc! { "files_id": id(draft.fid), "n": 1, "data": mongodb::bson::Binary {
        subtype: mongodb::bson::spec::BinarySubtype::Generic, bytes: vec![7; CHUNK],
    } };
    world.collection("fs.chunks").insert_one(late).await.unwrap();
    let written = async {
        writing.write(noise(4 * CHUNK)).await?;
        writing.finish().await
    };
    assert!(matches!(written.await, Err(StoreError::Taken)));
    let_the_lease_run_out(&world, draft.fid).await;
    let (_, offset) = standing(&world, draft.fid).await;
    let mut again = writer(&world, draft.fid, offset).await;
    again.write(noise(4 * CHUNK).slice(usize::try_from(offset).unwrap()..)).await.unwrap();
    let file = again.finish().await.unwrap();
    assert_eq!(world.read_all(&file).await.unwrap(), noise(4 * CHUNK));
}

#[tokio::test]
async fn undone_writes_leave_no_trace() {
    let world = World::new().await;
    let content = noise(5 * CHUNK);
    let draft = begun(&world, content.len(), A_DAY).await;
    let mut first = writer(&world, draft.fid, 0).await;
    first.write(content.slice(..CHUNK + 10)).await.unwrap();
    let offset = first.pause().await.unwrap().offset;

    let mut wrong = writer(&world, draft.fid, offset).await.counting_at_the_end();
    wrong.write(noise(3 * CHUNK)).await.unwrap();
    wrong.tick().await.unwrap();
    assert_eq!(standing(&world, draft.fid).await, (DraftState::Open, offset));
    wrong.undo().await.unwrap();
    assert_eq!(world.traces(draft.fid).await, [0, 1, 0]);

    let mut right = writer(&world, draft.fid, offset).await;
    right.write(content.slice(CHUNK + 10..)).await.unwrap();
    let file = right.finish().await.unwrap();
    assert_eq!(world.read_all(&file).await.unwrap(), content);
}

#[tokio::test]
async fn chunks_that_the_database_lost_are_asked_for_again() {
    let world = World::new().await;
    let content = noise(4 * CHUNK + 1);
    let draft = begun(&world, content.len(), A_DAY).await;
    let mut first = writer(&world, draft.fid, 0).await;
    first.write(content.clone()).await.unwrap();
    assert_eq!(first.pause().await.unwrap().state, DraftState::Received);
    let lost = doc! { "files_id": id(draft.fid), "n": 2 };
    world.collection("fs.chunks").delete_one(lost).await.unwrap();
    assert_eq!(standing(&world, draft.fid).await, (DraftState::Open, 2 * CHUNK as u64));
    assert_eq!(world.store.finish_draft(draft.fid).await.unwrap(), None);
    let_the_lease_run_out(&world, draft.fid).await;
    let mut again = writer(&world, draft.fid, 2 * CHUNK as u64).await;
    again.write(content.slice(2 * CHUNK..)).await.unwrap();
    let file = again.finish().await.unwrap();
    assert_eq!(world.read_all(&file).await.unwrap(), content);
}

#[tokio::test]
async fn a_draft_whose_writer_died_at_the_last_byte_is_found_and_finished_by_another() {
    let world = World::new().await;
    let content = noise(2 * CHUNK + 3);
    let draft = begun(&world, content.len(), A_DAY).await;
    let mut first = writer(&world, draft.fid, 0).await;
    first.write(content.clone()).await.unwrap();
    drop(first.pause().await.unwrap());
    assert_eq!(standing(&world, draft.fid).await, (DraftState::Received, content.len() as u64));
    for wrong in [0, 1] {
        let resumed = world.store.resume_draft(draft.fid, wrong).await.unwrap();
        assert!(matches!(resumed, Resumed::Elsewhere(at) if at == content.len() as u64));
    }
    assert_eq!(world.store.forsaken_drafts(10).await.unwrap(), [draft.fid]);
    // Twice, as if the process had died again after the first time.
    for _ in 0..2 {
        let file = world.store.finish_draft(draft.fid).await.unwrap().unwrap();
        assert_eq!(world.read_all(&file).await.unwrap(), content);
        assert_eq!(world.store.finish_draft(draft.fid).await.unwrap(), None, "two were at it");
        assert_eq!(world.store.forsaken_drafts(10).await.unwrap(), []);
        let_the_lease_run_out(&world, draft.fid).await;
    }
    assert_eq!(world.store.discard_draft(draft.fid).await.unwrap(), DraftDiscarded::Busy);
    world.store.settle_draft(draft.fid).await.unwrap();
    assert_eq!(world.store.forsaken_drafts(10).await.unwrap(), []);
    assert_eq!(world.store.finish_draft(draft.fid).await.unwrap(), None);
    assert_eq!(world.store.discard_draft(draft.fid).await.unwrap(), DraftDiscarded::Forgotten);
    assert_eq!(world.traces(draft.fid).await, [1, 3, 0], "the file went with it");
    assert_eq!(drafts(&world).await, 0);
}

#[tokio::test]
async fn a_discarded_draft_leaves_nothing() {
    let world = World::new().await;
    let draft = begun(&world, 5 * CHUNK, A_DAY).await;
    let mut paused = writer(&world, draft.fid, 0).await;
    paused.write(noise(3 * CHUNK)).await.unwrap();
    drop(paused.pause().await.unwrap());
    assert_eq!(world.store.discard_draft(draft.fid).await.unwrap(), DraftDiscarded::Deleted);
    assert_eq!((world.traces(draft.fid).await, drafts(&world).await), ([0, 0, 0], 0));
    assert_eq!(world.store.discard_draft(draft.fid).await.unwrap(), DraftDiscarded::Gone);
    assert_eq!(world.store.draft(draft.fid).await.unwrap(), None);
}

#[tokio::test]
async fn a_draft_that_is_discarded_under_its_writer_leaves_nothing_either() {
    let world = World::new().await;
    let draft = begun(&world, 9 * CHUNK, A_DAY).await;
    let mut writing = writer(&world, draft.fid, 0).await;
    writing.write(noise(3 * CHUNK)).await.unwrap();
    assert_eq!(world.store.discard_draft(draft.fid).await.unwrap(), DraftDiscarded::Deleted);
    writing.write(noise(4 * CHUNK)).await.unwrap();
    assert!(matches!(writing.pause().await, Err(StoreError::Lost)));
    assert_eq!((world.traces(draft.fid).await[..2].to_vec(), drafts(&world).await), (vec![0, 0], 0));
    // The sweeper looks once more for chunks that could have arrived late.
    world.store.sweep_unfinished(Duration::ZERO).await.unwrap();
    assert_eq!(world.traces(draft.fid).await, [0, 0, 0]);
}

#[tokio::test]
async fn drafts_whose_time_is_over_are_swept_with_their_chunks_and_others_stay() {
    let world = World::new().await;
    let paused_at = async |draft: &Draft, bytes| {
        let mut paused = writer(&world, draft.fid, 0).await;
        paused.write(noise(bytes)).await.unwrap();
        paused.pause().await.unwrap()
    };
    let (old, young) =
        (begun(&world, 5 * CHUNK, Duration::ZERO).await, begun(&world, 5 * CHUNK, A_DAY).await);
    paused_at(&old, 3 * CHUNK).await;
    paused_at(&young, 3 * CHUNK).await;
    // A writer holds this one.
    let held = begun(&world, 5 * CHUNK, Duration::ZERO).await;
    let mut holder = writer(&world, held.fid, 0).await;
    // This one will become a file, however long that takes.
    let received = begun(&world, CHUNK, Duration::ZERO).await;
    paused_at(&received, CHUNK).await;

    let swept = async || world.store.sweep_drafts().await.unwrap();
    test_kit::wait_until("a millisecond has passed", SOON, async || swept().await == 1).await;
    assert_eq!(world.traces(old.fid).await, [0, 0, 0]);
    assert_eq!(world.store.draft(old.fid).await.unwrap(), None);
    assert_eq!(standing(&world, young.fid).await, (DraftState::Open, 3 * CHUNK as u64));
    holder.write(noise(CHUNK)).await.unwrap();
    assert_eq!(holder.pause().await.unwrap().offset, CHUNK as u64);
    assert_eq!(standing(&world, received.fid).await.0, DraftState::Received);

    // The state that a sweeper leaves if it dies in the middle.
    let dying = doc! { "$set": { "state": "discarded" } };
    world.collection("fs.drafts").update_one(doc! { "_id": id(young.fid) }, dying).await.unwrap();
    assert_eq!(world.store.draft(young.fid).await.unwrap(), None);
    assert_eq!(swept().await, 2);
    assert_eq!((world.traces(young.fid).await, world.traces(held.fid).await), ([0, 0, 0], [0, 0, 0]));
}

#[tokio::test]
async fn a_settled_draft_is_forgotten_when_its_time_is_over_and_its_file_stays() {
    let world = World::new().await;
    let draft = begun(&world, 10, Duration::ZERO).await;
    let mut writing = writer(&world, draft.fid, 0).await;
    writing.write(noise(10)).await.unwrap();
    let file = writing.finish().await.unwrap();
    world.store.sweep_drafts().await.unwrap();
    assert_eq!(standing(&world, draft.fid).await.0, DraftState::Stored);
    world.store.settle_draft(draft.fid).await.unwrap();
    test_kit::wait_until("it is forgotten", SOON, async || {
        world.store.sweep_drafts().await.unwrap();
        drafts(&world).await == 0
    })
    .await;
    assert_eq!(world.read_all(&file).await.unwrap(), noise(10));
}

#[tokio::test]
async fn a_writer_that_slept_takes_nothing_from_the_file_that_another_made() {
    let world = World::new().await;
    let content = noise(3 * CHUNK);
    let draft = begun(&world, content.len(), A_DAY).await;
    let mut undoing = writer(&world, draft.fid, 0).await.counting_at_the_end();
    undoing.write(noise(CHUNK)).await.unwrap();
    let_the_lease_run_out(&world, draft.fid).await;
    let mut pausing = writer(&world, draft.fid, 0).await;
    let_the_lease_run_out(&world, draft.fid).await;
    let mut quick = writer(&world, draft.fid, 0).await;
    quick.write(content.clone()).await.unwrap();
    let file = quick.finish().await.unwrap();
    assert!(matches!(undoing.undo().await, Err(StoreError::Taken)));
    world.store.settle_draft(draft.fid).await.unwrap();
    assert_eq!(world.store.discard_draft(draft.fid).await.unwrap(), DraftDiscarded::Forgotten);
    assert!(matches!(pausing.tick().await, Err(StoreError::Lost)));
    assert_eq!(world.read_all(&file).await.unwrap(), content);
}

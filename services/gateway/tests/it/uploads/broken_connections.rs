//! Clients that disconnect, and gateways that die, in the middle of an upload.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use test_kit::proxy::{Proxy, Traffic};
use test_kit::shared;

use super::*;

const PIECE: u64 = 1 << 20;

/// Long enough for a gibibyte on a machine with a busy disk.
const LONG: Duration = Duration::from_mins(8);

/// The bytes of a file in which no two places are alike.
fn content(range: Range<u64>) -> Bytes {
    let word = |number: u64| (number ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    let words = (range.start / 8..range.end.div_ceil(8)).flat_map(word);
    let skipped = usize::try_from(range.start % 8).unwrap_or(0);
    let length = usize::try_from(range.end - range.start).unwrap_or(0);
    words.skip(skipped).take(length).collect()
}

fn pieces(range: Range<u64>) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    let starts = (range.start..range.end).step_by(1 << 20);
    stream::iter(starts.map(move |start| Ok(content(start..range.end.min(start + PIECE)))))
}

/// Sends only these bytes, but does not end the request.
fn unending(range: Range<u64>) -> Body {
    Body::wrap_stream(pieces(range).chain(stream::pending()))
}

fn hash_of(bytes: u64) -> Vec<u8> {
    let mut hash = Sha256::new();
    for start in (0..bytes).step_by(1 << 20) {
        hash.update(content(start..bytes.min(start + PIECE)));
    }
    hash.finalize().to_vec()
}

async fn wait_for_offset(user: &User, path: &str, wanted: u64) -> u64 {
    wait_until("the bytes count", PATIENCE, async || {
        let offset = offset_of(user, path).await?;
        ensure!(offset >= wanted, "the offset is {offset}");
        Ok(offset)
    })
    .await
}

/// Resumes until every byte is stored, as a client does: asks for the offset, sends, and asks again after a
/// refusal.
async fn go_on_to_the_end(user: &User, path: &str, bytes: u64) -> Result<JobId> {
    let ended = async {
        loop {
            let offset = offset_of(user, path).await?;
            let rest = patch(user, path, offset, Body::wrap_stream(pieces(offset..bytes)));
            let answer = rest.header("content-length", bytes - offset).timeout(LONG).send().await?;
            match answer.status().as_u16() {
                204 => return job_in(&answer),
                409 | 423 => {}
                status => anyhow::bail!("the rest was answered with {status}"),
            }
        }
    };
    tokio::time::timeout(LONG, ended).await.context("it does not end")?
}

#[tokio::test]
async fn a_gibibyte_survives_a_gateway_that_is_killed_in_the_middle_and_another_goes_on() -> Result<()> {
    const BYTES: u64 = 1 << 30;
    const SENT: u64 = 600 << 20;
    let mut mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    let path = begin(&user, BYTES).await?;
    let sending = tokio::spawn(patch(&user, &path, 0, unending(0..SENT)).timeout(LONG).send());
    let counted = wait_for_offset(&user, &path, 200 << 20).await;
    mixdown.service(Service::Gateway)?.kill_hard().await;
    assert!(sending.await?.is_err(), "a dead gateway gave an answer");

    let another = mixdown.start_another(Service::Gateway).await?;
    let user = user.at(&another.public_url());
    let offset = offset_of(&user, &path).await?;
    assert!((counted..=SENT).contains(&offset), "{counted} bytes counted before, and {offset} now");
    let job = user.job(go_on_to_the_end(&user, &path, BYTES).await?).await?;
    assert_eq!(job.source.bytes, BYTES);
    assert_eq!(stored_hash(&mixdown, &job).await?, hash_of(BYTES));
    assert_eq!(user.jobs().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn what_a_client_sent_before_it_went_away_is_kept_to_the_byte() -> Result<()> {
    const BYTES: u64 = 8 * PIECE;
    const SENT: u64 = 3 * PIECE + 12_345;
    let mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    let path = begin(&user, BYTES).await?;
    let sending =
        tokio::spawn(patch(&user, &path, 0, unending(0..SENT)).header("content-length", BYTES).send());
    wait_for_offset(&user, &path, 2 * PIECE).await;
    sending.abort();
    assert!(sending.await.is_err_and(|error| error.is_cancelled()), "the upload had ended before");
    assert_eq!(wait_for_offset(&user, &path, SENT).await, SENT);
    let job = user.job(go_on_to_the_end(&user, &path, BYTES).await?).await?;
    assert_eq!(stored_hash(&mixdown, &job).await?, hash_of(BYTES));
    Ok(())
}

#[tokio::test]
async fn a_client_that_pauses_is_let_go_and_goes_on_later() -> Result<()> {
    let plan = Plan::new().with("UPLOAD_IDLE_TIMEOUT", "1s").only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let path = begin(&user, 4 * PIECE).await?;
    let slow = patch(&user, &path, 0, unending(0..PIECE + 1)).send().await?;
    assert_problem("a client that sends nothing", slow, ProblemCode::RequestTimeout).await?;
    assert_eq!(offset_of(&user, &path).await?, PIECE + 1);
    let job = user.job(go_on_to_the_end(&user, &path, 4 * PIECE).await?).await?;
    assert_eq!(stored_hash(&mixdown, &job).await?, hash_of(4 * PIECE));
    Ok(())
}

#[tokio::test]
async fn a_part_with_a_checksum_that_breaks_off_does_not_count() -> Result<()> {
    let plan = Plan::new().with("UPLOAD_IDLE_TIMEOUT", "1s").only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let path = begin(&user, 4 * PIECE).await?;
    assert_eq!(patch(&user, &path, 0, content(0..100)).send().await?.status(), 204);
    let sum = format!("sha256 {}", STANDARD.encode(Sha256::digest(content(100..2 * PIECE))));
    let broken =
        patch(&user, &path, 100, unending(100..PIECE)).header("upload-checksum", &sum).send().await?;
    assert_problem("a part that breaks off", broken, ProblemCode::RequestTimeout).await?;
    assert_eq!(offset_of(&user, &path).await?, 100);
    let whole =
        patch(&user, &path, 100, content(100..2 * PIECE)).header("upload-checksum", &sum).send().await?;
    assert_eq!(offset_in(&whole)?, 2 * PIECE);
    let job = user.job(go_on_to_the_end(&user, &path, 4 * PIECE).await?).await?;
    assert_eq!(stored_hash(&mixdown, &job).await?, hash_of(4 * PIECE));
    Ok(())
}

#[tokio::test]
async fn a_stuck_connection_gives_way_to_the_next() -> Result<()> {
    let mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    let path = begin(&user, 4 * PIECE).await?;
    // As after a change of networks: the gateway still waits for more.
    let stuck = tokio::spawn(patch(&user, &path, 0, unending(0..2 * PIECE + 5)).send());
    wait_for_offset(&user, &path, PIECE).await;
    let job = user.job(go_on_to_the_end(&user, &path, 4 * PIECE).await?).await?;
    assert_problem("the connection before", stuck.await??, ProblemCode::UploadLocked).await?;
    assert_eq!(stored_hash(&mixdown, &job).await?, hash_of(4 * PIECE));
    Ok(())
}

#[tokio::test]
async fn two_clients_on_one_upload_make_one_file_and_one_job_of_it() -> Result<()> {
    const BYTES: u64 = 24 * PIECE + 7;
    let mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    let another = mixdown.start_another(Service::Gateway).await?;
    let path = begin(&user, BYTES).await?;
    let client = async |user: User, part: u64| {
        let mut told_off = 0;
        loop {
            let offset = offset_of(&user, &path).await?;
            let end = BYTES.min(offset + part);
            let answer = patch(&user, &path, offset, content(offset..end)).send().await?;
            match answer.status().as_u16() {
                204 if end == BYTES => return Ok((job_in(&answer)?, told_off)),
                204 => {}
                409 | 423 => told_off += 1,
                status => anyhow::bail!("a part was answered with {status}"),
            }
        }
    };
    let both = async {
        tokio::try_join!(client(user.clone(), 700_001), client(user.at(&another.public_url()), 1_000_003))
    };
    let (first, second) = tokio::time::timeout(PATIENCE, both).await??;
    assert_eq!(first.0, second.0);
    assert!(first.1 + second.1 > 0, "they never met");
    let job = user.job(first.0).await?;
    assert_eq!(stored_hash(&mixdown, &job).await?, hash_of(BYTES));
    assert_eq!(user.jobs().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_ends_keeps_what_it_has_and_says_so() -> Result<()> {
    let mut mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    let path = begin(&user, 4 * PIECE).await?;
    let sending = tokio::spawn(patch(&user, &path, 0, unending(0..2 * PIECE + 5)).send());
    wait_for_offset(&user, &path, PIECE).await;
    mixdown.service(Service::Gateway)?.stop().await;
    assert_problem("the upload", sending.await??, ProblemCode::Unavailable).await?;
    mixdown.service(Service::Gateway)?.restart().await?;
    assert_eq!(offset_of(&user, &path).await?, 2 * PIECE + 5);
    let job = user.job(go_on_to_the_end(&user, &path, 4 * PIECE).await?).await?;
    assert_eq!(stored_hash(&mixdown, &job).await?, hash_of(4 * PIECE));
    Ok(())
}

/// An upload whose gateway was killed after it stored the job, before it announced the job or answered.
struct HalfMade {
    mixdown: Mixdown,
    user: User,
    path: String,
    job: Job,
    // The connection to RabbitMQ goes through this proxy.
    _proxy: Proxy,
}

async fn half_made() -> Result<HalfMade> {
    let (url, proxy) = Proxy::before(&shared().rabbitmq_url).await?;
    let plan = Plan::new().on_rabbitmq(&url).only(&[Service::Auth, Service::Gateway]);
    let mut mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let path = begin(&user, PIECE).await?;
    // The gateway stores the job, and then waits for a confirm that does not come.
    proxy.set(Traffic::Stall);
    let sending = tokio::spawn(patch(&user, &path, 0, content(0..PIECE)).send());
    let job = wait_until("the job is stored", PATIENCE, async || {
        let jobs = user.jobs().await?;
        ensure!(jobs.len() == 1, "there are {}", jobs.len());
        Ok(jobs[0].clone())
    })
    .await;
    assert!(!sending.is_finished(), "the client was answered before the announcement");
    mixdown.service(Service::Gateway)?.kill_hard().await;
    assert!(sending.await?.is_err(), "a dead gateway gave an answer");
    proxy.cut();
    proxy.set(Traffic::Pass);
    mixdown.service(Service::Gateway)?.restart().await?;
    Ok(HalfMade { mixdown, user, path, job, _proxy: proxy })
}

#[tokio::test]
async fn a_client_learns_of_the_job_that_a_dead_gateway_stored() -> Result<()> {
    let HalfMade { mixdown, user, path, job, .. } = &half_made().await?;
    let looked = head(user, path).await?;
    assert_eq!((looked.status().as_u16(), job_in(&looked)?), (200, job.id));
    assert_eq!(user.jobs().await?.len(), 1);
    assert_eq!(stored_hash(mixdown, job).await?, hash_of(PIECE));
    Ok(())
}

#[tokio::test]
async fn an_upload_that_a_dead_gateway_left_is_completed_without_a_request() -> Result<()> {
    let HalfMade { mixdown, user, job, .. } = &half_made().await?;
    wait_until("the reconciler comes", PATIENCE, async || {
        mixdown.log(Service::Gateway).is_ok_and(|log| log.contains("completed a forsaken upload"))
    })
    .await;
    assert_eq!(user.jobs().await?.len(), 1);
    assert_eq!(stored_hash(mixdown, job).await?, hash_of(PIECE));
    Ok(())
}

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::Job;
use futures_util::future::{join_all, try_join_all};
use reqwest::Method;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Mixdown, User};

/// The timeout of a request: users do not wait longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two requests of one client.
const PAUSE: Duration = Duration::from_millis(50);

/// Ordinary users.
pub(crate) struct Honest {
    people: Vec<(User, Job)>,
}

/// Their results during an attack.
pub(crate) struct Report {
    answered: usize,
    requests: usize,
    last_failure: Option<String>,
}

impl Report {
    pub(crate) fn is_good(&self) -> bool {
        self.requests > 0 && self.answered * 100 >= self.requests * 99
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} honest requests were answered", self.answered, self.requests)?;
        self.last_failure.as_ref().map_or(Ok(()), |failure| write!(f, "; the last that was not: {failure}"))
    }
}

impl Honest {
    pub(crate) async fn new(mixdown: &Mixdown) -> Result<Self> {
        let video = Sample::Mp4.file(Duration::from_secs(2)).await;
        let person = async |_| {
            let user = mixdown.user().await?;
            let job = user.upload(&video).await?;
            let job = user.wait_for_outcome(job.id).await;
            Ok::<_, anyhow::Error>((user, job))
        };
        Ok(Self { people: try_join_all((0..4).map(person)).await? })
    }

    /// Lets `clients` clients work while the storm lasts.
    pub(crate) async fn work_during<T>(&self, clients: usize, storm: impl Future<Output = T>) -> (T, Report) {
        let (answered, requests) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let last_failure = std::sync::Mutex::new(None);
        let client = async |number: usize| {
            let (user, job) = &self.people[number % self.people.len()];
            for round in number.. {
                let done = tokio::time::timeout(PATIENCE, step(user, job, round)).await;
                requests.fetch_add(1, Ordering::Relaxed);
                match done.context("it took too long").and_then(|done| done) {
                    Ok(()) => _ = answered.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        *last_failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                            Some(format!("step {}: {error:#}", round % STEPS));
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let working = join_all((0..clients).map(client));
        let outcome = tokio::select! {
            outcome = storm => outcome,
            _ = working => unreachable!("they work for ever"),
        };
        let last_failure = last_failure.into_inner().unwrap_or_default();
        let report =
            Report { answered: answered.into_inner(), requests: requests.into_inner(), last_failure };
        (outcome, report)
    }
}

const STEPS: usize = 6;

/// One request. The kind alternates.
async fn step(user: &User, job: &Job, round: usize) -> Result<()> {
    let (answer, expected) = match round % STEPS {
        0 => (user.get("/jobs").await?, 200),
        1 => (user.get(&format!("/jobs/{}", job.id)).await?, 200),
        2 => {
            let fid = job.audio.as_ref().context("it was converted")?.fid;
            (user.get(&format!("/download?fid={fid}")).await?, 200)
        }
        3 => (user.get("/me/usage").await?, 200),
        4 => (user.request(Method::GET, &format!("/jobs/{}/peaks", job.id)).send().await?, 200),
        _ => {
            let answer = user.post(Form::default().file("a.mp4", &vec![7; 300_000])).await?;
            ensure!(answer.status() == 202, "an upload was answered with {}", answer.status());
            let uploaded: Job = answer.json().await?;
            (user.delete(&format!("/jobs/{}", uploaded.id)).await?, 204)
        }
    };
    let status = answer.status();
    ensure!(status == expected, "it was answered with {status}");
    answer.bytes().await.context("the answer broke off")?;
    Ok(())
}

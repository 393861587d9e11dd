//! What goes out: files, archives, news of jobs, the browser page.

mod archive;
mod feed;
mod job_view;
mod media_answer;
pub(crate) mod page;
mod watching;
mod zip;

use contracts::LinkKey;
use media_store::MediaStore;

pub(crate) use archive::Archive;
pub(crate) use feed::JobFeed;
pub(crate) use job_view::JobView;
pub(crate) use media_answer::{Disposition, audio_answer, content_disposition};
pub(crate) use watching::{AllJobsWatcher, JobNews, JobWatcher};
pub(crate) use zip::{Entry, archive_bytes, distinct_names};

/// Finished files, the links to them, and the changes of jobs.
pub(crate) struct Delivery {
    pub(crate) mp3s: MediaStore,
    pub(crate) links: LinkKey,
    pub(crate) feed: JobFeed,
}

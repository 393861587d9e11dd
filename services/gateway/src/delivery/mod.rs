//! What goes out: files, archives, news of jobs, the browser page.

pub(crate) mod feed;
pub(crate) mod media_answer;
pub(crate) mod page;
pub(crate) mod zip;

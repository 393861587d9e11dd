use contracts::{Job, JobStatus};
use serde::Serialize;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::identity::PublicSite;

/// A job as its owner sees it, with the addresses of what belongs to it.
#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    #[serde(flatten)]
    job: Job,
    links: JobLinks,
}

/// Addresses of what belongs to a job. They need its owner's token or API key.
#[derive(Debug, Serialize, ToSchema)]
struct JobLinks {
    /// The job itself.
    #[serde(rename = "self")]
    own: String,
    /// Its changes, as Server-Sent Events.
    events: String,
    /// The audio file, while it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<String>,
    /// The waveform of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    peaks: Option<String>,
    /// The picture in it, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cover: Option<String>,
}

impl JobView {
    pub(crate) fn new(job: Job, site: &PublicSite) -> Self {
        let address = |part: &str| site.address(&format!("/jobs/{}{part}", job.id));
        let audio = job.audio.as_ref().filter(|_| job.status == JobStatus::Converted);
        let links = JobLinks {
            own: address(""),
            events: address("/events"),
            audio: audio.map(|_| address("/audio")),
            peaks: audio.map(|_| address("/peaks")),
            cover: audio.filter(|audio| audio.has_cover).map(|_| address("/cover")),
        };
        Self { job, links }
    }
}

// By hand: a derived schema turns a flattened field into `allOf`, and generated clients make two types of
// that.
impl PartialSchema for JobView {
    fn schema() -> RefOr<Schema> {
        let mut schema = Job::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.properties.insert("links".to_owned(), Ref::from_schema_name(JobLinks::name()).into());
            object.required.push("links".to_owned());
        }
        schema
    }
}

impl ToSchema for JobView {
    fn name() -> std::borrow::Cow<'static, str> {
        Job::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Job::schemas(schemas);
        schemas.push((JobLinks::name().into_owned(), JobLinks::schema()));
    }
}

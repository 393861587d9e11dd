use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::{ProblemCode, UPLOAD_OPTIONS};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::delivery::JobView;
use crate::error::Error;
use crate::identity::{Caller, Upload};
use crate::state::Gateway;

/// What an upload's form may hold: the video, and the options that `contracts` lists.
struct UploadForm;

impl PartialSchema for UploadForm {
    fn schema() -> RefOr<Schema> {
        let file = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some("The video; the field may have any name. Exactly one."));
        let form = ObjectBuilder::new().property("file", file).required("file");
        let form =
            UPLOAD_OPTIONS.iter().fold(form, |form, option| form.property(option.name, option.schema()));
        form.description(Some("What an upload's form may hold.")).into()
    }
}

impl ToSchema for UploadForm {}

/// Upload a video to be converted.
#[utoipa::path(
    post, path = "/upload", tag = "jobs", security(("token" = [])),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 202, description = "Accepted: the job", body = JobView, headers(("location", description = "Address of the job"))),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NoFile, ProblemCode::SeveralFiles, ProblemCode::EmptyFile, ProblemCode::IncompleteUpload, ProblemCode::UnknownOption, ProblemCode::BadOption, ProblemCode::AddressNotVerified, ProblemCode::StorageFull, ProblemCode::TooManyJobs, ProblemCode::DailyLimit, ProblemCode::InsufficientStorage]))),
)]
pub(crate) async fn upload_video(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Upload>,
    request: Request,
) -> Result<Response, Error> {
    let job = gateway.intake.take_upload(owner, request).await?;
    let location = [(header::LOCATION, format!("/jobs/{}", job.id))];
    Ok((StatusCode::ACCEPTED, location, Json(gateway.view(job))).into_response())
}

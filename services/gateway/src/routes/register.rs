use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use contracts::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, Empty, Nothing, nothing};
use crate::Gateway;
use crate::error::Error;
use crate::identity::caller::ClientAddress;
use crate::openapi::ProblemAnswer;

/// An e-mail address and a password for a new account.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Registration {
    /// Where its mails go.
    #[schema(format = Email, example = "ada@example.org")]
    email: String,
    /// The password: 8 to 128 characters.
    #[schema(format = Password, min_length = 8, max_length = 128)]
    password: Secret,
}

/// Make an account. A mail asks to confirm the address. The answer is the same whether or not the address has one already.
#[utoipa::path(
    post, path = "/register", tag = "accounts", request_body = Registration,
    responses(
        (status = 201, description = "Done, or the address has an account already", body = Empty),
        (status = 400, description = "`bad_email`, `bad_password`, `common_password`, `bad_request`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn register(
    State(gateway): State<Arc<Gateway>>,
    ClientAddress(client): ClientAddress,
    Body(registration): Body<Registration>,
) -> Result<(StatusCode, Nothing), Error> {
    gateway.limits.credentials(client)?;
    gateway.accounts.post("/register", &registration).await?;
    Ok((StatusCode::CREATED, nothing()))
}

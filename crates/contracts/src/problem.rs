use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! problems {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $status:literal, $title:literal;)+) => {
        /// Everything that can go wrong for a client: the `code` of a `application/problem+json` body (RFC 9457).
        /// Codes are stable; a client may depend on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ProblemCode {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $variant,)+
        }

        impl ProblemCode {
            /// Every code, in the order of its status.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable code.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The HTTP status that it comes with.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// A short sentence, the same for every occurrence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

problems! {
    /// The request could not be understood at all.
    BadRequest = "bad_request", 400, "The request could not be understood";
    /// An upload without a file.
    NoFile = "no_file", 400, "The upload has no file";
    /// An upload with more than one file.
    SeveralFiles = "several_files", 400, "The upload has more than one file";
    /// An upload whose file has no bytes.
    EmptyFile = "empty_file", 400, "The file is empty";
    /// The upload ended before the file did.
    IncompleteUpload = "incomplete_upload", 400, "The upload broke off";
    /// An option that does not exist.
    UnknownOption = "unknown_option", 400, "There is no such option";
    /// An option with a value that it does not take.
    BadOption = "bad_option", 400, "The option does not take this value";
    /// A page cursor that was not given out.
    BadCursor = "bad_cursor", 400, "The cursor is not one that was given out";
    /// An address that no mail can be sent to.
    BadEmail = "bad_email", 400, "The e-mail address is not valid";
    /// A password of the wrong length.
    BadPassword = "bad_password", 400, "The password must have 8 to 128 characters";
    /// A password that everyone tries first.
    CommonPassword = "common_password", 400, "The password is one of the most common ones";
    /// A token out of a mail that was not given out, was used, or whose time is over.
    BadOrExpiredToken = "bad_or_expired_token", 400, "The link is not valid any more";
    /// The sign-in at another provider did not work.
    OidcFailed = "oidc_failed", 400, "The sign-in did not work, try again";
    /// Somebody changed their mind at the other provider.
    OidcDenied = "oidc_denied", 400, "The sign-in was called off";
    /// No token.
    NoToken = "no_token", 401, "The request needs a token";
    /// A token that is forged, changed, or not meant for this.
    InvalidToken = "invalid_token", 401, "The token is not valid";
    /// A token whose time is over.
    ExpiredToken = "expired_token", 401, "The token has expired";
    /// The address and password do not go together.
    WrongCredentials = "wrong_credentials", 401, "The e-mail address or the password is wrong";
    /// A refresh token that was not given out, was used before, or whose session has ended.
    InvalidRefreshToken = "invalid_refresh_token", 401, "The session has ended, sign in again";
    /// The account's password, asked for again, is another.
    WrongPassword = "wrong_password", 403, "The password is wrong";
    /// An operator has closed the account.
    AccountDisabled = "account_disabled", 403, "The account is closed";
    /// Uploading needs an address that its owner has confirmed.
    AddressNotVerified = "address_not_verified", 403, "The e-mail address is not confirmed yet";
    /// A page of another site tried to use the browser's cookie.
    CrossSite = "cross_site", 403, "The request comes from another site";
    /// The API key is not for this.
    ScopeMissing = "scope_missing", 403, "The API key may not do this";
    /// Only for administrators.
    AdminOnly = "admin_only", 403, "This is for administrators";
    /// The user's files take up all the room that they may.
    StorageFull = "storage_full", 403, "Your files take up all the room that you have";
    /// Nothing at this address, or nothing that is yours.
    NotFound = "not_found", 404, "There is nothing here";
    /// The address takes other methods.
    MethodNotAllowed = "method_not_allowed", 405, "The method is not allowed here";
    /// The request's body did not arrive in time.
    RequestTimeout = "request_timeout", 408, "The request took too long to arrive";
    /// Only a failed job whose video is still there can be tried again.
    NotRetryable = "not_retryable", 409, "The job cannot be tried again";
    /// The bytes sent do not begin where the upload stands.
    WrongOffset = "wrong_offset", 409, "The upload goes on at another place";
    /// The account has as many API keys as it can.
    TooManyKeys = "too_many_keys", 409, "There are too many API keys, delete one";
    /// A link or file whose time is over.
    Gone = "gone", 410, "The link has expired";
    /// The client speaks another version of the tus protocol, or does not say which.
    UnsupportedTusVersion = "unsupported_tus_version", 412, "The tus protocol is spoken in version 1.0.0";
    /// The body is larger than allowed.
    TooLarge = "too_large", 413, "The upload is too large";
    /// The body is of another type than expected.
    UnsupportedMediaType = "unsupported_media_type", 415, "The body is not of the expected type";
    /// The range lies outside the file.
    RangeNotSatisfiable = "range_not_satisfiable", 416, "The range lies outside the file";
    /// Another connection is sending to this upload.
    UploadLocked = "upload_locked", 423, "Another connection is sending to this upload";
    /// Too many requests.
    TooManyRequests = "too_many_requests", 429, "Too many requests, try again later";
    /// The user has as many unfinished jobs as they may.
    TooManyJobs = "too_many_jobs", 429, "You have too many jobs that have not ended";
    /// The user has converted as much as is allowed in a day.
    DailyLimit = "daily_limit", 429, "You have converted as much as is allowed in a day";
    /// What arrived is not what the checksum was made of.
    ChecksumMismatch = "checksum_mismatch", 460, "The bytes do not match their checksum";
    /// A bug, or a state that should not be.
    Internal = "internal", 500, "Something went wrong on our side";
    /// A part of the system is away for the moment.
    Unavailable = "unavailable", 503, "A part of the service is away, try again soon";
    /// The service's own disks are as good as full. Unlike `storage_full` this is nothing that the user could change.
    InsufficientStorage = "insufficient_storage", 507, "The service has no room at the moment, try again later";
}

// By hand: the derive does not see names that a macro generates.
impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        let codes = Self::ALL.iter().map(|code| code.as_str());
        let description =
            "Everything that can go wrong for a client. Codes are stable; a client may depend on them.";
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes));
        schema.description(Some(description)).into()
    }
}

impl ToSchema for ProblemCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_in_json_is_the_code() {
        for code in ProblemCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn the_schema_has_the_codes() {
        let schema = serde_json::to_value(ProblemCode::schema()).unwrap();
        let codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(schema["enum"], serde_json::json!(codes));
    }

    #[test]
    fn codes_are_unique_and_in_order_of_status() {
        let statuses: Vec<u16> = ProblemCode::ALL.iter().map(|code| code.status()).collect();
        assert!(statuses.is_sorted());
        let mut codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ProblemCode::ALL.len());
    }
}

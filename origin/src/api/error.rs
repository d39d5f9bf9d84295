//! The one place where errors become HTTP: problem details (RFC 9457) with a stable code, never internals.

use http::StatusCode;
use serde::Serialize;

use crate::database::DatabaseError;

/// Why a request gets no ordinary answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Nothing is here.
    #[error("there is nothing at this address")]
    NotFound,
    /// The path exists, not with this method.
    #[error("this address takes {0}")]
    MethodNotAllowed(String),
    /// Query parameters that are unknown, repeated or wrong.
    #[error("the query is wrong")]
    BadParameters(Vec<FieldError>),
    /// The body is no JSON, or not the JSON that is wanted here.
    #[error("the body is wrong")]
    BadBody(Vec<FieldError>),
    /// A change was sent without the version that it was decided on.
    #[error("If-Match must name the version that this was decided on")]
    PreconditionRequired,
    /// Nobody is logged in, and somebody must be.
    #[error("this needs a log-in")]
    NotLoggedIn,
    /// Whoever is logged in may not do this.
    #[error("{0}")]
    NotPermitted(&'static str),
    /// The body is of a type that is not taken here.
    #[error("this address takes {0}, without Content-Encoding")]
    UnsupportedMediaType(&'static str),
    /// A header field that must be there is missing or wrong.
    #[error("{0}")]
    BadHeader(&'static str),
    /// The shop's rules say no.
    #[error("{detail}")]
    Refused {
        /// 409 where it may be otherwise later, 422 where the request itself must change.
        status: StatusCode,
        /// Stable; programs may decide by it.
        code: &'static str,
        /// For people.
        detail: String,
        /// Where.
        fields: Vec<FieldError>,
    },
    /// The body has more than so many bytes.
    #[error("the body has more than {0} bytes")]
    BodyTooLarge(usize),
    /// The body did not come in time, or broke off.
    #[error("the body did not arrive")]
    BodyMissing,
    /// It took too long.
    #[error("the answer took too long")]
    TimedOut,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Staff let customers only look for now.
    #[error("the shop only lets you look for now; please come back in a while")]
    ReadOnly,
    /// A defect of ours.
    #[error("internal: {0}")]
    Internal(String),
}

/// One wrong field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong and what would be accepted.
    pub detail: String,
    /// Stable; programs may decide by it.
    pub code: &'static str,
}

/// Where a wrong value stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the query, under this name.
    Parameter(String),
    /// In the body, at this JSON pointer (RFC 6901).
    Pointer(String),
}

impl FieldError {
    /// A wrong value in the body.
    pub fn at(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            place: Place::Pointer(pointer.into()),
            detail: detail.into(),
            code,
        }
    }
}

/// The body of an error answer.
#[derive(Debug, Serialize)]
pub struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    instance: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

impl ApiError {
    /// A defect of ours; the text goes to the log, not to the client.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::Internal(text.into())
    }

    /// Status and stable code.
    pub fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::BadParameters(fields) => (
                StatusCode::BAD_REQUEST,
                fields.first().map_or("invalid_parameter", |f| f.code),
            ),
            Self::BadBody(fields) => (
                StatusCode::BAD_REQUEST,
                fields.first().map_or("malformed_body", |f| f.code),
            ),
            Self::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            Self::PreconditionRequired => {
                (StatusCode::PRECONDITION_REQUIRED, "precondition_required")
            }
            Self::NotLoggedIn => (StatusCode::UNAUTHORIZED, "not_logged_in"),
            Self::NotPermitted(_) => (StatusCode::FORBIDDEN, "not_permitted"),
            Self::BadHeader(_) => (StatusCode::BAD_REQUEST, "invalid_header"),
            Self::Refused { status, code, .. } => (*status, code),
            Self::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyMissing => (StatusCode::REQUEST_TIMEOUT, "body_missing"),
            Self::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timed_out"),
            Self::Database(error) => of_database(error),
            Self::ReadOnly => (StatusCode::SERVICE_UNAVAILABLE, "read_only"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// The problem for the client who sent request `request_id`.
    pub fn problem<'a>(&'a self, request_id: &'a str) -> Problem<'a> {
        let (status, code) = self.status_and_code();
        let detail = if status.is_server_error() && !matches!(self, Self::ReadOnly) {
            "The shop cannot answer this now. Please try again in a moment.".to_owned()
        } else {
            self.to_string()
        };
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            instance: request_id,
            code,
            errors: match self {
                Self::BadParameters(fields)
                | Self::BadBody(fields)
                | Self::Refused { fields, .. } => fields,
                _ => &[],
            },
        }
    }
}

fn of_database(error: &DatabaseError) -> (StatusCode, &'static str) {
    match error {
        DatabaseError::Unavailable(_)
        | DatabaseError::PoolTimeout
        | DatabaseError::QueryTimeout(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
        }
        DatabaseError::ReadOnly(_) => (StatusCode::SERVICE_UNAVAILABLE, "read_only"),
        DatabaseError::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
        DatabaseError::VersionConflict { .. } => {
            (StatusCode::PRECONDITION_FAILED, "version_conflict")
        }
        DatabaseError::StockTooLow(_) => (StatusCode::CONFLICT, "stock_too_low"),
        DatabaseError::NoSuchStep(_) => (StatusCode::CONFLICT, "no_such_step"),
        DatabaseError::AlreadyExists(_) => (StatusCode::CONFLICT, "already_exists"),
        DatabaseError::NewerSchema { .. }
        | DatabaseError::Corrupt(_)
        | DatabaseError::Driver(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_tells_the_client_nothing_of_our_insides() {
        let error = ApiError::Database(DatabaseError::Driver("SELECT secret".to_owned()));
        let problem = serde_json::to_string(&error.problem("request-1")).unwrap();
        assert!(!problem.contains("secret"), "{problem}");
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        let error = ApiError::BadParameters(vec![FieldError {
            place: Place::Parameter("colour".to_owned()),
            detail: "is not known here".to_owned(),
            code: "unknown_parameter",
        }]);
        insta::assert_json_snapshot!(error.problem("request-1"));
    }
}

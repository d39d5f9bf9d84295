//! What clients are told when no origin answered.

use http::StatusCode;
use pingora::{Error, ErrorSource, ErrorType};

use crate::accept::body::BadBody;
use crate::cache::fetch::FetchError;
use crate::respond::Problem;

/// Without a slot.
pub(super) fn overloaded(retry_after_seconds: u32) -> Problem {
    let detail = "The shop is very busy right now.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
        .retry_after(retry_after_seconds)
}

fn unavailable() -> Problem {
    let detail = "The shop cannot be reached right now.";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "origin_unavailable",
        detail,
    )
    .retry_after(5)
}

/// What a client is told of a fetch that brought nothing.
pub(super) fn of_fetch(error: &FetchError) -> Problem {
    match error {
        FetchError::Overloaded {
            retry_after_seconds,
        } => overloaded(*retry_after_seconds),
        FetchError::Unreachable(_) => unavailable(),
        FetchError::Timeout => too_slow(),
        FetchError::Broken(_) => broken(),
        FetchError::Said {
            status,
            retry_after_seconds,
        } => said(*status, *retry_after_seconds),
    }
}

/// What an origin has said to somebody else who asked the same.
fn said(status: StatusCode, retry_after_seconds: Option<u32>) -> Problem {
    let problem = Problem::new(
        status,
        "origin_failed",
        "The shop cannot answer this right now.",
    );
    match retry_after_seconds {
        Some(seconds) => problem.retry_after(seconds),
        None => problem,
    }
}

/// Of a path that no origin is behind.
pub(super) fn nothing_there() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here.")
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "origin_timeout",
        "The shop took too long to answer.",
    )
}

fn broken() -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "origin_broke_off",
        "The shop broke off its answer.",
    )
}

/// Of a body that did not come, or came too slowly.
pub fn body_too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "request_timeout",
        "The request's body took too long.",
    )
}

/// Whether the connection gave up because the body is longer than it may be.
fn is_too_large(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    let bad = cause.and_then(|cause| cause.get_ref()?.downcast_ref::<BadBody>());
    bad == Some(&BadBody::TooLarge)
}

fn body_too_large() -> Problem {
    let detail = "The request's body is too large.";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "malformed_request", detail)
}

/// Whether the connection gave up because too little came for the time that it took.
fn is_too_slow(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::TimedOut)
}

/// What a client is told of a failure of the proxy.
pub fn problem(error: &Error) -> Problem {
    match (error.etype(), error.esource()) {
        (ErrorType::HTTPStatus(503), _) => unavailable(),
        (ErrorType::HTTPStatus(413), _) => body_too_large(),
        (_, ErrorSource::Downstream) if is_too_large(error) => body_too_large(),
        (ErrorType::HTTPStatus(404), _) => nothing_there(),
        (ErrorType::ReadTimedout | ErrorType::WriteTimedout, ErrorSource::Upstream) => too_slow(),
        (
            ErrorType::ConnectTimedout
            | ErrorType::ConnectRefused
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectError
            | ErrorType::SocketError
            | ErrorType::BindError,
            _,
        ) => unavailable(),
        (_, ErrorSource::Upstream) => broken(),
        (ErrorType::ReadTimedout, ErrorSource::Downstream) => body_too_slow(),
        (_, ErrorSource::Downstream) if is_too_slow(error) => body_too_slow(),
        (_, ErrorSource::Downstream) => Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_request",
            "The request is malformed.",
        ),
        _ => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong on our side.",
        ),
    }
}

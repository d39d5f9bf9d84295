//! JSON bodies: read strictly, and what is wrong named by its place.

use http::header;
use serde::de::DeserializeOwned;

use super::error::{ApiError, FieldError};
use super::objects::Objects;
use super::routes::Call;

/// The body as JSON of type `T`; unknown fields are the type's own business (`deny_unknown_fields`).
///
/// # Errors
/// [`ApiError::UnsupportedMediaType`] for anything but plain JSON, [`ApiError::BadBody`] with the place of the first
/// thing that is wrong.
pub(super) fn json<T: DeserializeOwned>(call: &Call) -> Result<T, ApiError> {
    let content_type = call.headers.get(header::CONTENT_TYPE);
    let essence = content_type
        .and_then(|value| value.to_str().ok()?.split(';').next())
        .map(str::trim);
    let is_json = essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    if !is_json || call.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(ApiError::UnsupportedMediaType("application/json"));
    }
    let mut reader = serde_json::Deserializer::from_slice(&call.body);
    let read = serde_path_to_error::deserialize(Objects(&mut reader)).map_err(|error| {
        let at = pointer(error.path());
        let inner = error.into_inner();
        let code = match inner.classify() {
            serde_json::error::Category::Data => "invalid_field",
            _ => "malformed_body",
        };
        FieldError::at(at, code, inner.to_string())
    });
    let read = read.map_err(|error| ApiError::BadBody(vec![error]))?;
    let end = reader.end();
    end.map_err(|error| {
        let error = FieldError::at("", "malformed_body", error.to_string());
        ApiError::BadBody(vec![error])
    })?;
    Ok(read)
}

/// The body as the bytes of a sheet.
///
/// # Errors
/// [`ApiError::UnsupportedMediaType`] for anything but `text/csv`.
pub(super) fn sheet(call: &Call) -> Result<&[u8], ApiError> {
    let content_type = call.headers.get(header::CONTENT_TYPE);
    let essence = content_type.and_then(|value| value.to_str().ok()?.split(';').next());
    let is_csv = essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/csv"));
    if is_csv && !call.headers.contains_key(header::CONTENT_ENCODING) {
        Ok(&call.body)
    } else {
        Err(ApiError::UnsupportedMediaType("text/csv"))
    }
}

/// A path into the body as a JSON pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            // What stands in one of several choices stands under the name of that choice.
            Segment::Map { key } | Segment::Enum { variant: key } => {
                text.push('/');
                text.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Unknown => {}
        }
    }
    text
}

//! Pictures that are sent: as the body itself, or as a field of a form; known by their content alone, and drawn anew by one of
//! the few threads that do.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use multer::{Constraints, Multipart};

use super::error::{ApiError, FieldError};
use super::routes::Call;
use crate::commerce::images::NoPicture;

/// What is taken, as it says of itself; what it is, its content says.
pub(super) const TYPES: &[&str] = &["image/png", "image/jpeg", "image/webp"];

/// A form with a picture in it.
pub(super) const FORM: &str = "multipart/form-data";

/// Fields of such a form: the picture, and what it shows.
pub(super) const FIELDS: [&str; 2] = ["picture", "alt"];

/// A picture as it was sent.
pub(super) struct Sent {
    /// The file.
    pub(super) picture: Bytes,
    /// What it shows, where the form says so.
    pub(super) alt: Option<String>,
}

/// The picture of a request.
pub(super) async fn sent(call: &Call) -> Result<Sent, ApiError> {
    let said = call.headers.get(header::CONTENT_TYPE);
    let said = said.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = said.split(';').next().unwrap_or("").trim();
    if call.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(other_type());
    }
    if essence.eq_ignore_ascii_case(FORM) {
        let boundary = multer::parse_boundary(said).map_err(|error| broken(&error, ""))?;
        return of_form(call.body.clone(), boundary).await;
    }
    if !is_picture(essence) {
        return Err(other_type());
    }
    Ok(Sent {
        picture: call.body.clone(),
        alt: None,
    })
}

fn is_picture(essence: &str) -> bool {
    TYPES.iter().any(|kind| kind.eq_ignore_ascii_case(essence))
}

/// Each field once, no others. The body is whole already, and no longer than a picture may be.
async fn of_form(body: Bytes, boundary: String) -> Result<Sent, ApiError> {
    let whole = stream::once(async { Ok::<_, std::convert::Infallible>(body) });
    let only = Constraints::new().allowed_fields(FIELDS.to_vec());
    let mut form = Multipart::with_constraints(whole, boundary, only);
    let (mut picture, mut alt) = (None, None);
    while let Some(field) = form
        .next_field()
        .await
        .map_err(|error| broken(&error, ""))?
    {
        let name = field.name().unwrap_or_default().to_owned();
        let place = format!("/{name}");
        let is_again = match name.as_str() {
            "picture" => {
                if !is_picture_field(field.headers()) {
                    return Err(other_type());
                }
                let file = field
                    .bytes()
                    .await
                    .map_err(|error| broken(&error, &place))?;
                picture.replace(file).is_some()
            }
            _ => {
                let text = field.text().await.map_err(|error| broken(&error, &place))?;
                alt.replace(text).is_some()
            }
        };
        if is_again {
            let error = FieldError::at(place, "repeated_field", "expected once");
            return Err(ApiError::BadBody(vec![error]));
        }
    }
    let missing = || FieldError::at("/picture", "missing_field", "expected a picture");
    Ok(Sent {
        picture: picture.ok_or_else(|| ApiError::BadBody(vec![missing()]))?,
        alt,
    })
}

fn is_picture_field(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE);
    let said = said.and_then(|value| value.to_str().ok());
    said.is_some_and(|said| is_picture(said.split(';').next().unwrap_or("").trim()))
}

fn broken(error: &multer::Error, place: &str) -> ApiError {
    let error = FieldError::at(place, "malformed_body", error.to_string());
    ApiError::BadBody(vec![error])
}

fn other_type() -> ApiError {
    ApiError::Refused {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code: "unsupported_media_type",
        detail: "This address takes image/png, image/jpeg or image/webp, as it is or as the field picture of \
                 multipart/form-data, without Content-Encoding."
            .to_owned(),
        fields: Vec::new(),
    }
}

/// What a request is told when files cannot be kept or read now: later may be better.
pub(crate) fn no_storage(error: &std::io::Error) -> ApiError {
    ApiError::Refused {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "storage_unavailable",
        detail: format!("a file cannot be kept or read: {error}"),
        fields: Vec::new(),
    }
}

/// What one of the few threads that draw makes of a picture.
pub(super) async fn drawn<T: Send + 'static>(
    call: &Call,
    picture: Bytes,
    draw: fn(&[u8]) -> Result<T, NoPicture>,
) -> Result<T, ApiError> {
    let places = Arc::clone(&call.app.drawing);
    let place = places.acquire_owned().await;
    let place = place.map_err(|error| ApiError::internal(error.to_string()))?;
    let drawn = tokio::task::spawn_blocking(move || {
        let drawn = draw(&picture);
        // Held until it is done, even where nobody waits for it any more.
        drop(place);
        drawn
    });
    let drawn = drawn
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?;
    drawn.map_err(|why| {
        let fields = vec![FieldError::at("", "invalid_picture", why.to_string())];
        ApiError::Refused {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: "invalid_picture",
            detail: why.to_string(),
            fields,
        }
    })
}

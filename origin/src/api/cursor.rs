//! Cursors: opaque to clients, and good only for the question they were made for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::error::{ApiError, FieldError, Place};
use crate::commerce::products::ProductPosition;

#[derive(Deserialize, Serialize)]
struct Written {
    /// Format, so that a later one can be told apart.
    v: u8,
    /// Checksum of the question.
    of: u64,
    at: ProductPosition,
}

/// The cursor for the page after `position`, for the question `binding`.
pub(super) fn write(position: &ProductPosition, binding: &str) -> String {
    let written = Written {
        v: 1,
        of: checksum(binding),
        at: position.clone(),
    };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&written).unwrap_or_default())
}

/// The position a cursor stands for.
///
/// # Errors
/// [`ApiError::BadParameters`] for a text that is no cursor, or one of another question.
pub(super) fn read(text: &str, binding: &str) -> Result<ProductPosition, ApiError> {
    let written = URL_SAFE_NO_PAD.decode(text).ok();
    let written = written.and_then(|bytes| serde_json::from_slice::<Written>(&bytes).ok());
    let detail = match written {
        Some(written) if written.v == 1 && written.of == checksum(binding) => return Ok(written.at),
        Some(_) => {
            "belongs to another question: begin again without it when filters, words or order change"
        }
        None => "is not a next_cursor of this address",
    };
    Err(ApiError::BadParameters(vec![FieldError {
        place: Place::Parameter("cursor".to_owned()),
        detail: detail.to_owned(),
        code: "invalid_cursor",
    }]))
}

/// FNV-1a, 64 bits: fixed by its definition, so a cursor outlives a restart and fits every origin.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commerce::products::SortKey;

    #[test]
    fn a_cursor_is_good_for_its_own_question_only() {
        let position = ProductPosition {
            key: SortKey::Number(-7),
            id: "a".to_owned(),
        };
        let text = write(&position, "price");
        assert_eq!(read(&text, "price").unwrap(), position);
        assert!(read(&text, "name").is_err());
        assert!(read("?", "price").is_err());
    }
}

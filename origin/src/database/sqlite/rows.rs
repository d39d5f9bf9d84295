//! Between rows and the plain structs of commerce.

use jiff::Timestamp;
use rusqlite::Row;
use serde::de::DeserializeOwned;

use super::super::error::DatabaseError;
use super::Answer;
use crate::commerce::availability::Availability;
use crate::commerce::products::Product;

/// The columns that [`product`] reads, in its order.
pub(super) const PRODUCT: &str = "products.document, products.availability";

/// A product from its document and the word of its stock, which stands beside it.
pub(super) fn product(row: &Row<'_>) -> Answer<Product> {
    let mut product: Product = document(row.get_ref(0)?.as_str().map_err(column)?)?;
    let word = row.get_ref(1)?.as_str().map_err(column)?;
    product.availability = Availability::parse(word)
        .ok_or_else(|| DatabaseError::Corrupt(format!("availability {word:?}")))?;
    Ok(product)
}

/// Any of our structs from its JSON document.
pub(super) fn document<T: DeserializeOwned>(text: &str) -> Answer<T> {
    serde_json::from_str(text).map_err(|error| DatabaseError::Corrupt(error.to_string()))
}

/// The JSON document of any of our structs.
pub(super) fn to_document(value: &impl serde::Serialize) -> Answer<String> {
    serde_json::to_string(value).map_err(|error| DatabaseError::Corrupt(error.to_string()))
}

/// A time from its column, which counts microseconds since the epoch.
pub(super) fn time(microseconds: i64) -> Answer<Timestamp> {
    Timestamp::from_microsecond(microseconds)
        .map_err(|error| DatabaseError::Corrupt(error.to_string()))
}

fn column(error: rusqlite::types::FromSqlError) -> DatabaseError {
    DatabaseError::Corrupt(error.to_string())
}

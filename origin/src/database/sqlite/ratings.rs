//! Ratings, counted on together with the review that counts.

use jiff::Timestamp;

use super::{Answer, Sqlite, products, records};
use crate::commerce::ratings::RatingChange;
use crate::commerce::records::Writes;

impl Sqlite {
    /// See [`super::super::Database::rate`].
    pub async fn rate(
        &self,
        product_id: &str,
        change: RatingChange,
        writes: &Writes,
        at: Timestamp,
    ) -> Answer<()> {
        let (id, writes) = (product_id.to_owned(), writes.clone());
        self.write(move |connection| {
            records::write(connection, &writes, at)?;
            let before = products::required(connection, &id)?;
            let mut after = before.clone();
            after.rating = before.rating.changed(change);
            products::put_rated(connection, &before, &after, at)
        })
        .await
    }
}

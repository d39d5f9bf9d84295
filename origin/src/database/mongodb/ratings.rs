//! Ratings, counted on together with the review that counts.

use jiff::Timestamp;

use super::{Answer, Mongo, products, records};
use crate::commerce::ratings::RatingChange;
use crate::commerce::records::Writes;

impl Mongo {
    /// See [`super::super::Database::rate`].
    pub async fn rate(
        &self,
        product_id: &str,
        change: RatingChange,
        writes: &Writes,
        at: Timestamp,
    ) -> Answer<()> {
        let (id, writes) = (product_id.to_owned(), writes.clone());
        self.write(move |this, session| {
            let (id, writes) = (id.clone(), writes.clone());
            Box::pin(async move {
                records::write(this, session, writes, at).await?;
                let before = this.required_product(session, &id).await?;
                let mut after = before.clone();
                after.rating = before.rating.changed(change);
                this.put_product(session, &after).await?;
                products::append_rated(this, session, &before, &after, at).await
            })
        })
        .await
    }
}

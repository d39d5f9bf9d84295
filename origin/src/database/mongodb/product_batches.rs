//! Many products at once: found by what a sheet names, and written in one transaction.

use jiff::Timestamp;
use mongodb::ClientSession;
use mongodb::bson::doc;

use super::super::error::next_version;
use super::error::Failure;
use super::products::Asked;
use super::{Answer, Mongo, changes, combos, stock};
use crate::commerce::availability::Availability;
use crate::commerce::changes::{NewChange, tags_of_new_product, tags_of_product_change};
use crate::commerce::products::{Product, ProductWrite};

impl Mongo {
    /// See [`super::super::Database::products_by_keys`].
    pub async fn products_by_keys(
        &self,
        skus: &[String],
        slugs: &[String],
    ) -> Answer<Vec<Product>> {
        let either = [
            doc! { "sku": { "$in": skus } },
            doc! { "slug": { "$in": slugs } },
        ];
        let limit = i64::try_from((skus.len() + slugs.len()).max(1)).unwrap_or(i64::MAX);
        let asked = Asked {
            filter: doc! { "$or": either.to_vec() },
            order: doc! { "_id": 1 },
            limit,
            hint: None,
        };
        Ok(Product::each_once(self.products(asked).await?))
    }

    /// See [`super::super::Database::write_products`].
    pub async fn write_products(&self, writes: &[ProductWrite], at: Timestamp) -> Answer<()> {
        let writes = writes.to_vec();
        self.write(move |this, session| {
            let writes = writes.clone();
            Box::pin(async move {
                let mut traces = Vec::with_capacity(writes.len());
                for write in writes {
                    traces.push(this.write_product(session, write, at).await?);
                }
                if traces.is_empty() {
                    return Ok(());
                }
                changes::append_all(this, session, traces, at).await
            })
        })
        .await
    }

    /// Writes one, and gives the change that this is.
    async fn write_product(
        &self,
        session: &mut ClientSession,
        write: ProductWrite,
        at: Timestamp,
    ) -> Result<NewChange, Failure> {
        let (id, tags) = match write {
            ProductWrite::New {
                mut product,
                available,
                low_at,
            } => {
                product.version = 1;
                product.availability = Availability::of(available, low_at);
                let products = self.collection("products");
                let stored = super::products::stored(&product)?;
                products.insert_one(stored).session(&mut *session).await?;
                stock::create(self, session, &product.id, available, low_at, at).await?;
                let tags = tags_of_new_product(&product);
                (product.id, tags)
            }
            ProductWrite::Replace {
                mut product,
                expected_version,
            } => {
                let before = self.required_product(session, &product.id).await?;
                product.version = next_version(Some(before.version), Some(expected_version))?;
                product.availability = before.availability;
                product.rating = before.rating;
                self.put_product(session, &product).await?;
                let combos = combos::with_product(self, session, &product.id).await?;
                let combos: Vec<_> = combos.into_iter().map(|one| (one.id, one.kind)).collect();
                let tags = tags_of_product_change(&before, &product, &combos);
                (product.id, tags)
            }
        };
        Ok(NewChange {
            entity: "product",
            entity_id: id,
            tags,
        })
    }
}

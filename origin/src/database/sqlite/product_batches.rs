//! Many products at once: found by what a sheet names, and written in one transaction.

use jiff::Timestamp;

use super::super::error::{DatabaseError, next_version};
use super::{Answer, Sqlite, products, stock};
use crate::commerce::availability::Availability;
use crate::commerce::changes::tags_of_new_product;
use crate::commerce::products::{Product, ProductWrite};

impl Sqlite {
    /// See [`super::super::Database::products_by_keys`].
    pub async fn products_by_keys(
        &self,
        skus: &[String],
        slugs: &[String],
    ) -> Answer<Vec<Product>> {
        let (skus, slugs) = (skus.to_vec(), slugs.to_vec());
        self.read(move |connection| {
            let of_sku = skus.iter().map(|sku| ("sku = ?1", sku));
            let of_slug = slugs.iter().map(|slug| ("slug = ?1", slug));
            let found = of_sku
                .chain(of_slug)
                .map(|(condition, key)| products::one(connection, condition, key));
            let found: Vec<_> = found.filter_map(Result::transpose).collect::<Answer<_>>()?;
            Ok(Product::each_once(found))
        })
        .await
    }

    /// See [`super::super::Database::write_products`].
    pub async fn write_products(&self, writes: &[ProductWrite], at: Timestamp) -> Answer<()> {
        let writes = writes.to_vec();
        self.write(move |connection| {
            for write in writes {
                match write {
                    ProductWrite::New {
                        mut product,
                        available,
                        low_at,
                    } => {
                        product.version = 1;
                        product.availability = Availability::of(available, low_at);
                        if products::one(connection, "id = ?1", &product.id)?.is_some() {
                            return Err(DatabaseError::AlreadyExists(product.id));
                        }
                        products::put(connection, &product)?;
                        stock::create(connection, &product.id, available, low_at, at)?;
                        let tags = tags_of_new_product(&product);
                        products::append(connection, &product.id, tags, at)?;
                    }
                    ProductWrite::Replace {
                        mut product,
                        expected_version,
                    } => {
                        let before = products::required(connection, &product.id)?;
                        product.version =
                            next_version(Some(before.version), Some(expected_version))?;
                        product.availability = before.availability;
                        product.rating = before.rating;
                        products::put_changed(connection, &before, &product, at)?;
                    }
                }
            }
            Ok(())
        })
        .await
    }
}

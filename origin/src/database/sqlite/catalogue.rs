//! Categories, and a whole catalogue at once.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::{DatabaseError, next_version};
use super::super::{CatalogueBatch, Replace};
use super::{Answer, Sqlite, changes, combos, products, rows, stock};
use crate::commerce::categories::{Category, CategoryCount};
use crate::commerce::changes::{NewChange, tags_of_catalogue, tags_of_category_change};

impl Sqlite {
    /// See [`super::super::Database::categories`].
    pub async fn categories(&self) -> Answer<Vec<Category>> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT document FROM categories ORDER BY position, slug")?;
            let mut found = statement.query([])?;
            let mut categories = Vec::new();
            while let Some(row) = found.next()? {
                categories.push(rows::document(&row.get::<_, String>(0)?)?);
            }
            Ok(categories)
        })
        .await
    }

    /// See [`super::super::Database::put_category`].
    pub async fn put_category(
        &self,
        category: &Category,
        expected_version: Option<i64>,
        at: Timestamp,
    ) -> Answer<Category> {
        let mut category = category.clone();
        self.write(move |connection| {
            let sql = "SELECT document FROM categories WHERE slug = ?1";
            let found: Option<String> = connection
                .prepare_cached(sql)?
                .query_row([&category.slug], |row| row.get(0))
                .optional()?;
            let before: Option<Category> = found.map(|text| rows::document(&text)).transpose()?;
            category.version = next_version(before.map(|one| one.version), expected_version)?;
            put_category(connection, &category)?;
            let change = NewChange {
                entity: "category",
                entity_id: category.slug.clone(),
                tags: tags_of_category_change(&category.slug),
            };
            changes::append(connection, &change, at)?;
            Ok(category)
        })
        .await
    }

    /// See [`super::super::Database::category_counts`].
    pub async fn category_counts(&self) -> Answer<Vec<CategoryCount>> {
        self.read(counts).await
    }

    /// See [`super::super::Database::is_catalogue_empty`].
    pub async fn is_catalogue_empty(&self) -> Answer<bool> {
        self.read(is_empty).await
    }

    /// See [`super::super::Database::write_catalogue`].
    pub async fn write_catalogue(
        &self,
        batch: &CatalogueBatch,
        replace: Replace,
        at: Timestamp,
    ) -> Answer<()> {
        let batch = batch.clone();
        self.write(move |connection| {
            if replace == Replace::Existing {
                connection.execute_batch(
                    "DELETE FROM combo_components; DELETE FROM combos;
                     DELETE FROM stock_movements WHERE product_id IN (SELECT id FROM products);
                     DELETE FROM stock WHERE product_id IN (SELECT id FROM products);
                     DELETE FROM product_tags; DELETE FROM product_sub_categories;
                     DELETE FROM products; DELETE FROM categories;",
                )?;
            } else if !is_empty(connection)? {
                return Err(DatabaseError::AlreadyExists("a catalogue".to_owned()));
            }
            write(connection, &batch, at)
        })
        .await
    }
}

fn put_category(connection: &Connection, category: &Category) -> Answer<()> {
    connection
        .prepare_cached(
            "INSERT INTO categories (slug, position, document) VALUES (?1, ?2, ?3)
             ON CONFLICT (slug) DO UPDATE SET position = ?2, document = ?3",
        )?
        .execute(params![
            category.slug,
            category.position,
            rows::to_document(category)?
        ])?;
    Ok(())
}

fn write(connection: &Connection, batch: &CatalogueBatch, at: Timestamp) -> Answer<()> {
    for category in &batch.categories {
        put_category(connection, category)?;
    }
    for (product, available, low_at) in &batch.products {
        products::put(connection, product)?;
        stock::create(connection, &product.id, *available, *low_at, at)?;
    }
    for combo in &batch.combos {
        combos::put(connection, combo)?;
    }
    let change = NewChange {
        entity: "catalogue",
        entity_id: "all".to_owned(),
        tags: tags_of_catalogue(),
    };
    changes::append(connection, &change, at)
}

fn is_empty(connection: &Connection) -> Answer<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM products) OR EXISTS (SELECT 1 FROM categories)
               OR EXISTS (SELECT 1 FROM combos)";
    let any: bool = connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?;
    Ok(!any)
}

fn counts(connection: &Connection) -> Answer<Vec<CategoryCount>> {
    let mut counts: Vec<CategoryCount> = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT category, count(*) FROM products WHERE active = 1 GROUP BY category ORDER BY category",
    )?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        counts.push(CategoryCount {
            category: row.get(0)?,
            products: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
            by_sub_category: Vec::new(),
        });
    }
    let mut statement = connection.prepare_cached(
        "SELECT category, sub_category, count(*) FROM products
         JOIN product_sub_categories ON product_id = products.id
         WHERE active = 1 GROUP BY category, sub_category ORDER BY category, sub_category",
    )?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let category: String = row.get(0)?;
        let products = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        if let Some(count) = counts.iter_mut().find(|count| count.category == category) {
            count.by_sub_category.push((row.get(1)?, products));
        }
    }
    Ok(counts)
}

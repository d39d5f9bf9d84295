//! Questions about products.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::super::error::{DatabaseError, next_version};
use super::super::order_name;
use super::{Answer, Sqlite, changes, combos, rows, stock};
use crate::commerce::availability::Availability;
use crate::commerce::changes::{NewChange, tags_of_new_product, tags_of_product_change};
use crate::commerce::products::{
    Product, ProductFilter, ProductPatch, ProductQuery, ProductSort, SortKey, StockFilter,
};

impl Sqlite {
    /// See [`super::super::Database::product_page`].
    pub async fn product_page(&self, query: &ProductQuery) -> Answer<Vec<Product>> {
        let query = query.clone();
        self.read(move |connection| {
            let (sql, values) = page_sql(&query);
            all(connection, &sql, values)
        })
        .await
    }

    /// See [`super::super::Database::product_count`].
    pub async fn product_count(&self, filter: &ProductFilter) -> Answer<u64> {
        let filter = filter.clone();
        self.read(move |connection| {
            let mut conditions = Conditions::of(&filter);
            let sql = format!(
                "SELECT count(*) FROM products WHERE {}",
                conditions.take_sql()
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let count: i64 =
                statement.query_row(params_from_iter(conditions.values), |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
        .await
    }

    /// See [`super::super::Database::product_by_id_or_slug`].
    pub async fn product_by_id_or_slug(&self, id_or_slug: &str) -> Answer<Option<Product>> {
        let key = id_or_slug.to_owned();
        self.read(move |connection| one(connection, "(id = ?1 OR slug = ?1) AND active = 1", &key))
            .await
    }

    /// See [`super::super::Database::product_by_any_key`].
    pub async fn product_by_any_key(&self, key: &str) -> Answer<Option<Product>> {
        let key = key.to_owned();
        self.read(move |connection| one(connection, "id = ?1 OR slug = ?1 OR sku = ?1", &key))
            .await
    }

    /// See [`super::super::Database::products_by_ids`].
    pub async fn products_by_ids(&self, ids: &[String]) -> Answer<Vec<Product>> {
        let ids = ids.to_vec();
        self.read(move |connection| {
            let found = ids
                .iter()
                .map(|id| one(connection, "id = ?1 AND active = 1", id));
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// See [`super::super::Database::products_after`].
    pub async fn products_after(&self, after_id: &str, limit: u32) -> Answer<Vec<Product>> {
        let values = vec![Value::from(after_id.to_owned()), Value::from(limit)];
        self.read(move |connection| {
            let sql = format!(
                "SELECT {} FROM products WHERE id > ? ORDER BY id LIMIT ?",
                rows::PRODUCT
            );
            all(connection, &sql, values)
        })
        .await
    }

    /// See [`super::super::Database::patch_product`].
    pub async fn patch_product(
        &self,
        id: &str,
        patch: &ProductPatch,
        expected_version: Option<i64>,
        at: Timestamp,
    ) -> Answer<Product> {
        let (id, patch) = (id.to_owned(), patch.clone());
        self.write(move |connection| patch_in(connection, &id, &patch, expected_version, at))
            .await
    }
}

impl Sqlite {
    /// See [`super::super::Database::create_product`].
    pub async fn create_product(
        &self,
        product: &Product,
        available: i64,
        low_at: i64,
        at: Timestamp,
    ) -> Answer<Product> {
        let mut product = product.clone();
        self.write(move |connection| {
            product.version = 1;
            product.availability = Availability::of(available, low_at);
            if one(connection, "id = ?1", &product.id)?.is_some() {
                return Err(DatabaseError::AlreadyExists(product.id));
            }
            put(connection, &product)?;
            stock::create(connection, &product.id, available, low_at, at)?;
            let tags = tags_of_new_product(&product);
            append(connection, &product.id, tags, at)?;
            Ok(product)
        })
        .await
    }

    /// See [`super::super::Database::replace_product`].
    pub async fn replace_product(
        &self,
        product: &Product,
        expected_version: i64,
        at: Timestamp,
    ) -> Answer<Product> {
        let mut product = product.clone();
        self.write(move |connection| {
            let before = required(connection, &product.id)?;
            product.version = next_version(Some(before.version), Some(expected_version))?;
            product.availability = before.availability;
            product.rating = before.rating;
            put_changed(connection, &before, &product, at)?;
            Ok(product)
        })
        .await
    }
}

fn patch_in(
    connection: &Connection,
    id: &str,
    patch: &ProductPatch,
    expected_version: Option<i64>,
    at: Timestamp,
) -> Answer<Product> {
    let before = required(connection, id)?;
    next_version(
        Some(before.version),
        expected_version.or(Some(before.version)),
    )?;
    let after = patch.applied_to(&before, at);
    put_changed(connection, &before, &after, at)?;
    Ok(after)
}

/// Writes a product that takes the place of another, with the change that this is.
pub(super) fn put_changed(
    connection: &Connection,
    before: &Product,
    after: &Product,
    at: Timestamp,
) -> Answer<()> {
    put(connection, after)?;
    let containing = combos::containing(connection, &after.id)?;
    let tags = tags_of_product_change(before, after, &containing);
    append(connection, &after.id, tags, at)
}

/// Writes a product whose rating alone has changed: combos do not show it.
pub(super) fn put_rated(
    connection: &Connection,
    before: &Product,
    after: &Product,
    at: Timestamp,
) -> Answer<()> {
    put(connection, after)?;
    let tags = tags_of_product_change(before, after, &[]);
    append(connection, &after.id, tags, at)
}

pub(super) fn append(
    connection: &Connection,
    id: &str,
    tags: Vec<String>,
    at: Timestamp,
) -> Answer<()> {
    let change = NewChange {
        entity: "product",
        entity_id: id.to_owned(),
        tags,
    };
    changes::append(connection, &change, at)
}

/// The product with an id, active or not.
pub(super) fn required(connection: &Connection, id: &str) -> Answer<Product> {
    one(connection, "id = ?1", id)?.ok_or_else(|| DatabaseError::NotFound {
        entity: "product",
        id: id.to_owned(),
    })
}

pub(super) fn one(connection: &Connection, condition: &str, key: &str) -> Answer<Option<Product>> {
    let sql = format!(
        "SELECT {} FROM products WHERE {condition} LIMIT 1",
        rows::PRODUCT
    );
    let mut statement = connection.prepare_cached(&sql)?;
    statement
        .query_row([key], |row| Ok(rows::product(row)))
        .optional()?
        .transpose()
}

fn all(connection: &Connection, sql: &str, values: Vec<Value>) -> Answer<Vec<Product>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query(params_from_iter(values))?;
    let mut products = Vec::new();
    while let Some(row) = found.next()? {
        products.push(rows::product(row)?);
    }
    Ok(products)
}

/// Writes a product and all that is derived from it, whether it was there or not.
pub(super) fn put(connection: &Connection, product: &Product) -> Answer<()> {
    let number = |sort: ProductSort| match sort.key(product) {
        SortKey::Number(number) => number,
        SortKey::Text(_) => 0,
    };
    connection
        .prepare_cached(
            "INSERT INTO products (id, slug, sku, category, price, featured, active, availability, order_new,
                order_price, order_price_descending, order_name, order_rating, order_popular, version, document)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (id) DO UPDATE SET slug = ?2, sku = ?3, category = ?4, price = ?5, featured = ?6,
                active = ?7, availability = ?8, order_new = ?9, order_price = ?10, order_price_descending = ?11,
                order_name = ?12, order_rating = ?13, order_popular = ?14, version = ?15, document = ?16",
        )?
        .execute(params![
            product.id,
            product.slug,
            product.sku,
            product.category,
            product.price.0,
            product.featured,
            product.active,
            product.availability.as_str(),
            number(ProductSort::New),
            number(ProductSort::PriceAscending),
            number(ProductSort::PriceDescending),
            product.name.to_lowercase(),
            number(ProductSort::Rating),
            number(ProductSort::Popular),
            product.version,
            rows::to_document(product)?,
        ])?;
    put_words(
        connection,
        "product_tags",
        "tag",
        &product.id,
        &product.tags,
    )?;
    let sub_categories = &product.sub_categories;
    put_words(
        connection,
        "product_sub_categories",
        "sub_category",
        &product.id,
        sub_categories,
    )
}

fn put_words(
    connection: &Connection,
    table: &str,
    column: &str,
    id: &str,
    words: &[String],
) -> Answer<()> {
    connection
        .prepare_cached(&format!("DELETE FROM {table} WHERE product_id = ?1"))?
        .execute([id])?;
    let sql = format!("INSERT OR IGNORE INTO {table} (product_id, {column}) VALUES (?1, ?2)");
    let mut insert = connection.prepare_cached(&sql)?;
    for word in words {
        insert.execute([id, word])?;
    }
    Ok(())
}

/// The statement for one page, and its values. The text depends only on which conditions there are.
pub(super) fn page_sql(query: &ProductQuery) -> (String, Vec<Value>) {
    let mut conditions = Conditions::of(&query.filter);
    let column = order_name(query.sort);
    if let Some(after) = &query.after {
        let key = match &after.key {
            SortKey::Number(number) => Value::from(*number),
            SortKey::Text(text) => Value::from(text.clone()),
        };
        conditions.add(
            &format!("({column}, id) > (?, ?)"),
            [key, Value::from(after.id.clone())],
        );
    }
    let sql = format!(
        "SELECT {} FROM products WHERE {} ORDER BY {column}, id LIMIT ?",
        rows::PRODUCT,
        conditions.take_sql()
    );
    conditions.values.push(Value::from(query.limit));
    (sql, conditions.values)
}

/// The conditions of a filter, as SQL and values.
struct Conditions {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    fn of(filter: &ProductFilter) -> Self {
        let mut conditions = Self {
            sql: vec!["active = 1".to_owned()],
            values: Vec::new(),
        };
        if let Some(category) = &filter.category {
            conditions.add("category = ?", [Value::from(category.clone())]);
        }
        if let Some(sub) = &filter.sub_category {
            conditions.add(
                "EXISTS (SELECT 1 FROM product_sub_categories WHERE product_id = products.id AND sub_category = ?)",
                [Value::from(sub.clone())],
            );
        }
        if let Some(least) = filter.price_min {
            conditions.add("price >= ?", [Value::from(least.0)]);
        }
        if let Some(most) = filter.price_max {
            conditions.add("price <= ?", [Value::from(most.0)]);
        }
        match filter.stock {
            Some(StockFilter::InStock) => conditions.add("availability = 'in_stock'", []),
            Some(StockFilter::Low) => conditions.add("availability = 'low'", []),
            Some(StockFilter::SoldOut) => conditions.add("availability = 'sold_out'", []),
            Some(StockFilter::Available) => conditions.add("availability <> 'sold_out'", []),
            None => {}
        }
        match filter.featured {
            Some(true) => conditions.add("featured = 1", []),
            Some(false) => conditions.add("featured = 0", []),
            None => {}
        }
        for tag in &filter.tags {
            conditions.add(
                "EXISTS (SELECT 1 FROM product_tags WHERE product_id = products.id AND tag = ?)",
                [Value::from(tag.clone())],
            );
        }
        conditions
    }

    fn add<const N: usize>(&mut self, sql: &str, values: [Value; N]) {
        self.sql.push(sql.to_owned());
        self.values.extend(values);
    }

    fn take_sql(&mut self) -> String {
        std::mem::take(&mut self.sql).join(" AND ")
    }
}

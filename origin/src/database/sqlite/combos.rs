//! Questions about bundles and gift boxes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::next_version;
use super::{Answer, Sqlite, changes, rows};
use crate::commerce::availability::Availability;
use crate::commerce::changes::{NewChange, tags_of_combo_change};
use crate::commerce::combos::{
    Combo, ComboKind, ComboPart, ComboWithParts, ComponentStock, availability,
};
use crate::commerce::products::Product;

impl Sqlite {
    /// See [`super::super::Database::combos`].
    pub async fn combos(&self, kind: ComboKind) -> Answer<Vec<ComboWithParts>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT document FROM combos WHERE kind = ?1 AND active = 1 ORDER BY position, slug",
            )?;
            let documents: Vec<String> = statement
                .query_map([kind.as_str()], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            documents.iter().map(|text| with_parts(connection, rows::document(text)?)).collect()
        })
        .await
    }

    /// See [`super::super::Database::combo_by_id_or_slug`].
    pub async fn combo_by_id_or_slug(
        &self,
        kind: ComboKind,
        id_or_slug: &str,
    ) -> Answer<Option<ComboWithParts>> {
        let key = id_or_slug.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT document FROM combos WHERE kind = ?1 AND active = 1 AND (id = ?2 OR slug = ?2) LIMIT 1",
            )?;
            let found: Option<String> =
                statement.query_row([kind.as_str(), &key], |row| row.get(0)).optional()?;
            found.map(|text| with_parts(connection, rows::document(&text)?)).transpose()
        })
        .await
    }
}

impl Sqlite {
    /// See [`super::super::Database::combo_by_id`].
    pub async fn combo_by_id(&self, id: &str) -> Answer<Option<Combo>> {
        let id = id.to_owned();
        self.read(move |connection| by_id(connection, &id)).await
    }

    /// See [`super::super::Database::combos_after`].
    pub async fn combos_after(
        &self,
        kind: ComboKind,
        after_id: &str,
        limit: u32,
    ) -> Answer<Vec<Combo>> {
        let after_id = after_id.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT document FROM combos WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            )?;
            let values = params![kind.as_str(), after_id, limit];
            let found = statement.query_map(values, |row| row.get::<_, String>(0))?;
            found.map(|text| rows::document(&text?)).collect()
        })
        .await
    }

    /// See [`super::super::Database::put_combo`].
    pub async fn put_combo(
        &self,
        combo: &Combo,
        expected_version: Option<i64>,
        at: Timestamp,
    ) -> Answer<Combo> {
        let mut combo = combo.clone();
        self.write(move |connection| {
            let before = by_id(connection, &combo.id)?;
            combo.version = next_version(before.map(|one| one.version), expected_version)?;
            put(connection, &combo)?;
            let change = NewChange {
                entity: "combo",
                entity_id: combo.id.clone(),
                tags: tags_of_combo_change(&combo.id, combo.kind),
            };
            changes::append(connection, &change, at)?;
            Ok(combo)
        })
        .await
    }
}

fn by_id(connection: &Connection, id: &str) -> Answer<Option<Combo>> {
    let mut statement = connection.prepare_cached("SELECT document FROM combos WHERE id = ?1")?;
    let found: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
    found.map(|text| rows::document(&text)).transpose()
}

/// A combo with the names and stock of its components as they are in this snapshot.
fn with_parts(connection: &Connection, combo: Combo) -> Answer<ComboWithParts> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {}, stock.available, stock.low_at FROM products
         JOIN stock ON stock.product_id = products.id WHERE products.id = ?1",
        rows::PRODUCT
    ))?;
    let mut parts = Vec::with_capacity(combo.components.len());
    let mut stocks = Vec::with_capacity(combo.components.len());
    for component in &combo.components {
        let found = statement
            .query_row([&component.product_id], |row| {
                Ok((
                    rows::product(row),
                    row.get::<_, i64>(2)?,
                    row.get::<_, i64>(3)?,
                ))
            })
            .optional()?;
        let Some((product, available, low_at)) = found else {
            stocks.push(None);
            continue;
        };
        let product = product?;
        stocks.push(Some(ComponentStock {
            available,
            low_at,
            quantity: component.quantity,
            sellable: product.active && !product.restricted,
        }));
        parts.push(part(product, component.quantity));
    }
    Ok(ComboWithParts {
        availability: availability(&stocks),
        combo,
        parts,
    })
}

fn part(product: Product, quantity: u32) -> ComboPart {
    ComboPart {
        product_id: product.id,
        slug: product.slug,
        name: product.name,
        pack: product.pack,
        quantity,
    }
}

/// The active combos that contain a product, in order of id.
pub(super) fn containing(
    connection: &Connection,
    product_id: &str,
) -> Answer<Vec<(String, ComboKind)>> {
    let combos = combos_with(connection, product_id)?;
    Ok(combos
        .into_iter()
        .map(|combo| (combo.id, combo.kind))
        .collect())
}

/// The active combos that contain a product, in order of id, each with its public word.
pub(super) fn words_containing(
    connection: &Connection,
    product_id: &str,
) -> Answer<Vec<((String, ComboKind), Availability)>> {
    let combos = combos_with(connection, product_id)?;
    let words = combos.into_iter().map(|combo| {
        let key = (combo.id.clone(), combo.kind);
        Ok((key, with_parts(connection, combo)?.availability))
    });
    words.collect()
}

/// The active combos that contain any of these products, in order of id, each with its public word.
pub(super) fn words_containing_any(
    connection: &Connection,
    product_ids: &[&String],
) -> Answer<Vec<((String, ComboKind), Availability)>> {
    let mut words = BTreeMap::new();
    for id in product_ids {
        for ((combo, kind), word) in words_containing(connection, id)? {
            words.insert(combo.clone(), ((combo, kind), word));
        }
    }
    Ok(words.into_values().collect())
}

fn combos_with(connection: &Connection, product_id: &str) -> Answer<Vec<Combo>> {
    let mut statement = connection.prepare_cached(
        "SELECT document FROM combos JOIN combo_components ON combo_components.combo_id = combos.id
         WHERE combo_components.product_id = ?1 AND active = 1 ORDER BY combos.id",
    )?;
    let mut found = statement.query([product_id])?;
    let mut combos = Vec::new();
    while let Some(row) = found.next()? {
        combos.push(rows::document(&row.get::<_, String>(0)?)?);
    }
    Ok(combos)
}

/// Writes a combo and its components.
pub(super) fn put(connection: &Connection, combo: &Combo) -> Answer<()> {
    connection
        .prepare_cached(
            "INSERT INTO combos (id, kind, slug, sku, active, position, document)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET kind = ?2, slug = ?3, sku = ?4, active = ?5, position = ?6, document = ?7",
        )?
        .execute(params![
            combo.id,
            combo.kind.as_str(),
            combo.slug,
            combo.sku,
            combo.active,
            combo.position,
            rows::to_document(combo)?
        ])?;
    connection
        .prepare_cached("DELETE FROM combo_components WHERE combo_id = ?1")?
        .execute([&combo.id])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO combo_components (combo_id, product_id, quantity) VALUES (?1, ?2, ?3)",
    )?;
    for component in &combo.components {
        insert.execute(params![combo.id, component.product_id, component.quantity])?;
    }
    Ok(())
}

//! From what a customer asks for to what the catalogue says of it now.

use std::collections::BTreeMap;

use super::combos::{Combo, ComboKind};
use super::lines::{COMBO_ORDER_MAX, Goods, LineKey, LineKind, WantedLine};
use super::products::Product;
use crate::database::{Answer, Database};

/// What the catalogue says of each line; `None` for what is not there.
///
/// # Errors
/// What the database fails with.
pub async fn of(database: &Database, wanted: &[WantedLine]) -> Answer<Vec<Option<Goods>>> {
    let mut combos: BTreeMap<&LineKey, Combo> = BTreeMap::new();
    for line in wanted {
        let kind = match line.key.kind {
            LineKind::Product => continue,
            LineKind::Bundle => ComboKind::Bundle,
            LineKind::GiftBox => ComboKind::GiftBox,
        };
        let found = database.combo_by_id_or_slug(kind, &line.key.id).await?;
        if let Some(found) = found.filter(|found| found.combo.id == line.key.id) {
            combos.insert(&line.key, found.combo);
        }
    }
    let of_lines = wanted
        .iter()
        .filter(|line| line.key.kind == LineKind::Product)
        .map(|line| line.key.id.clone());
    let of_combos = combos
        .values()
        .flat_map(|combo| &combo.components)
        .map(|part| part.product_id.clone());
    let mut ids: Vec<_> = of_lines.chain(of_combos).collect();
    ids.sort();
    ids.dedup();
    let mut products: BTreeMap<String, Product> = BTreeMap::new();
    for ids in ids.chunks(500) {
        let found = database.products_by_ids(ids).await?;
        products.extend(found.into_iter().map(|one| (one.id.clone(), one)));
    }
    let goods = wanted.iter().map(|line| match line.key.kind {
        LineKind::Product => products.get(&line.key.id).map(of_product),
        _ => combos
            .get(&line.key)
            .map(|combo| of_combo(&line.key, combo, &products)),
    });
    Ok(goods.collect())
}

fn of_product(product: &Product) -> Goods {
    Goods {
        key: LineKey {
            kind: LineKind::Product,
            id: product.id.clone(),
        },
        sku: product.sku.clone(),
        name: product.name.clone(),
        mrp: product.mrp,
        price: product.price,
        order_min: product.order_min,
        order_max: product.order_max,
        is_sellable: product.active && !product.restricted,
        pieces: BTreeMap::from([(product.id.clone(), 1)]),
    }
}

fn of_combo(key: &LineKey, combo: &Combo, products: &BTreeMap<String, Product>) -> Goods {
    let is_sellable = |id: &String| {
        products
            .get(id)
            .is_some_and(|product| product.active && !product.restricted)
    };
    let mut pieces: BTreeMap<String, u32> = BTreeMap::new();
    for part in &combo.components {
        let sum = pieces.entry(part.product_id.clone()).or_default();
        *sum = sum.saturating_add(part.quantity);
    }
    Goods {
        key: key.clone(),
        sku: combo.sku.clone(),
        name: combo.name.clone(),
        mrp: combo.mrp,
        price: combo.price,
        order_min: 1,
        order_max: COMBO_ORDER_MAX,
        is_sellable: combo.active && !pieces.is_empty() && pieces.keys().all(is_sellable),
        pieces,
    }
}

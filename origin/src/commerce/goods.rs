//! From what a customer asks for to what the catalogue says of it now.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::basis::{Basis, Ground};
use super::combos::{Combo, ComboKind};
use super::known::Catalogue;
use super::lines::{COMBO_ORDER_MAX, Goods, LineKey, LineKind, WantedLine};
use super::products::Product;
use crate::database::Answer;

/// What the catalogue says of each line; `None` for what is not there. What was read is noted in `basis`.
///
/// # Errors
/// What the database fails with.
pub async fn of(
    catalogue: &Catalogue<'_>,
    wanted: &[WantedLine],
    basis: &mut Basis,
) -> Answer<Vec<Option<Goods>>> {
    let mut combos: BTreeMap<&LineKey, Arc<Combo>> = BTreeMap::new();
    for line in wanted {
        let kind = match line.key.kind {
            LineKind::Product => continue,
            LineKind::Bundle => ComboKind::Bundle,
            LineKind::GiftBox => ComboKind::GiftBox,
        };
        if let Some(combo) = catalogue.combo(kind, &line.key.id).await? {
            basis.note(Ground::Combo(combo.id.clone()), combo.version);
            combos.insert(&line.key, combo);
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
    let products = catalogue.products(&ids).await?;
    for product in products.values() {
        basis.note(Ground::Product(product.id.clone()), product.version);
    }
    let goods = wanted.iter().map(|line| match line.key.kind {
        LineKind::Product => products.get(&line.key.id).map(|one| of_product(one)),
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

fn of_combo(key: &LineKey, combo: &Combo, products: &BTreeMap<String, Arc<Product>>) -> Goods {
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

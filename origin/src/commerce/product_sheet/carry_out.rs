//! What a sheet needs to know of the shop, and what it writes.

use jiff::Timestamp;

use super::{Column, Known, Plan, Sheet};
use crate::commerce::products::{Product, ProductWrite};
use crate::database::{Answer, Database};

/// Article numbers, and slugs, asked for at once.
const KEYS_AT_ONCE: usize = 250;
/// Products written in one transaction: short enough that orders for the same products do not wait.
const WRITES_AT_ONCE: usize = 50;

/// Reads what the lines of a sheet are compared with.
///
/// # Errors
/// What the database fails with.
pub async fn known(database: &Database, sheet: &Sheet) -> Answer<Known> {
    let (skus, slugs) = (cells(sheet, Column::Sku), cells(sheet, Column::Slug));
    let chunks = |keys: &[String]| -> Vec<Vec<String>> {
        keys.chunks(KEYS_AT_ONCE).map(<[String]>::to_vec).collect()
    };
    let (mut skus, mut slugs) = (chunks(&skus).into_iter(), chunks(&slugs).into_iter());
    let mut products = Vec::new();
    loop {
        let (of_sku, of_slug) = (skus.next(), slugs.next());
        if of_sku.is_none() && of_slug.is_none() {
            break;
        }
        let (of_sku, of_slug) = (of_sku.unwrap_or_default(), of_slug.unwrap_or_default());
        products.extend(database.products_by_keys(&of_sku, &of_slug).await?);
    }
    Ok(Known {
        products: Product::each_once(products),
        categories: database.categories().await?,
    })
}

/// What stands in a column; nothing where the sheet has none.
fn cells(sheet: &Sheet, column: Column) -> Vec<String> {
    let place = sheet.columns.iter().position(|one| *one == column);
    let lines = sheet.lines.iter();
    let cells = lines.filter_map(|line| Some(super::plain(line.cells.get(place?)?).trim()));
    let cells = cells.filter(|cell| !cell.is_empty());
    cells.map(str::to_owned).collect()
}

/// Writes a plan without problems, some products at a time. Where this breaks off, what was written stays: the same sheet
/// once more finds it unchanged, and writes the rest.
///
/// # Errors
/// What the database fails with; a version conflict where somebody else has changed a product since the plan was made.
pub async fn carry_out(database: &Database, plan: Plan, at: Timestamp) -> Answer<()> {
    let new = plan.new.into_iter().map(|new| ProductWrite::New {
        product: new.product,
        available: new.stock,
        low_at: new.low_at,
    });
    let changed = plan
        .changed
        .into_iter()
        .map(|product| ProductWrite::Replace {
            expected_version: product.version,
            product,
        });
    let writes: Vec<_> = new.chain(changed).collect();
    for some in writes.chunks(WRITES_AT_ONCE) {
        database.write_products(some, at).await?;
    }
    Ok(())
}

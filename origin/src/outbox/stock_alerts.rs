//! Tells staff of stocks that fall. What is owed is found in the `changes` that the follower of steps of orders looks at: a
//! stock that was adjusted, a product that was changed, a public word that an order changed.

use std::collections::BTreeSet;

use crate::app::App;
use crate::commerce::changes::Change;
use crate::commerce::records::Writes;
use crate::commerce::stock::is_of_product;
use crate::commerce::stock_alerts;
use crate::database::Answer;

/// Stocks asked for at once.
const STOCKS_AT_ONCE: usize = 500;

/// Adds the alerts and mails that these changes owe.
pub(super) async fn owed(app: &App, changes: &[Change], mut writes: Writes) -> Answer<Writes> {
    let ids: BTreeSet<_> = changes.iter().flat_map(products_of).collect();
    if ids.is_empty() {
        return Ok(writes);
    }
    let ids: Vec<_> = ids.into_iter().map(str::to_owned).collect();
    let shop = app.shop_settings().await?;
    let shop = shop.map_or_else(String::new, |shop| shop.name.clone());
    let at = app.clock.now();
    for some in ids.chunks(STOCKS_AT_ONCE) {
        writes = stock_alerts::told(&app.database, some, &shop, at, writes).await?;
    }
    Ok(writes)
}

/// The products whose stock may have fallen or risen: an order names by its tags those whose public word it changed.
fn products_of(change: &Change) -> impl Iterator<Item = &str> {
    let is_own = matches!(change.entity.as_str(), "stock" | "product");
    let own = is_own.then_some(change.entity_id.as_str());
    let own = own.filter(|id| is_of_product(id));
    own.into_iter().chain(change.tagged_products())
}

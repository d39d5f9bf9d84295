//! Tells who waits for a product that it is back. What is owed is found in the `changes` that the follower of steps of orders
//! looks at: a product's public word that changed, or somebody who began to wait.

use std::collections::BTreeSet;

use crate::app::App;
use crate::commerce::changes::Change;
use crate::commerce::records::Writes;
use crate::commerce::waiting;
use crate::database::Answer;

/// Adds the mails that these changes owe.
pub(super) async fn owed(app: &App, changes: &[Change], mut writes: Writes) -> Answer<Writes> {
    let begun = changes
        .iter()
        .filter(|change| change.entity == waiting::CHANGE)
        .map(|change| change.entity_id.as_str());
    let tagged = changes.iter().flat_map(Change::tagged_products);
    let products: BTreeSet<_> = begun.chain(tagged).collect();
    if products.is_empty() {
        return Ok(writes);
    }
    let shop = app.shop_settings().await?;
    let shop = shop.map_or_else(String::new, |shop| shop.name.clone());
    let from = (shop.as_str(), app.config.api.public_url.as_str());
    for id in products {
        writes = waiting::told(&app.database, id, from, writes, app.clock.now()).await?;
    }
    Ok(writes)
}

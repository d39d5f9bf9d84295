//! What is owed whether or not `changes` tell of it. They are kept for so many writes only: a follower that has fallen further behind
//! looks at everything there is, once. Whoever was told already is not told again.

use jiff::SignedDuration;

use super::order_mails;
use crate::app::App;
use crate::commerce::orders::OrderQuery;
use crate::commerce::records::Writes;
use crate::commerce::{stock_alerts, waiting};
use crate::database::Answer;

/// Orders, or products, looked at before their mails are written.
const AT_ONCE: u32 = 200;
/// Of older orders nobody is told any more: whoever placed them has asked by now.
const ORDERS_NO_OLDER_THAN: SignedDuration = SignedDuration::from_hours(24 * 60);

/// Writes down the mails that are owed.
pub(super) async fn look_at_everything(app: &App) -> Answer<()> {
    orders(app).await?;
    products(app).await
}

async fn orders(app: &App) -> Answer<()> {
    let mut query = OrderQuery {
        from: Some(app.clock.now() - ORDERS_NO_OLDER_THAN),
        limit: AT_ONCE,
        ..OrderQuery::default()
    };
    loop {
        let found = app.database.orders(&query).await?;
        let Some(last) = found.last() else {
            return Ok(());
        };
        query.before = Some(last.number);
        let writes = order_mails::owed(app, &found, Writes::default()).await?;
        app.database.write_records(&writes, app.clock.now()).await?;
    }
}

async fn products(app: &App) -> Answer<()> {
    let (database, at) = (&app.database, app.clock.now());
    let shop = app.shop_settings().await?;
    let shop = shop.map_or_else(String::new, |shop| shop.name.clone());
    let from = (shop.as_str(), app.config.api.public_url.as_str());
    let mut after = String::new();
    loop {
        let page = database.products_after(&after, AT_ONCE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after.clone_from(&last.id);
        let ids: Vec<_> = page.into_iter().map(|product| product.id).collect();
        let mut writes = Writes::default();
        for id in &ids {
            writes = waiting::told(database, id, from, writes, at).await?;
        }
        writes = stock_alerts::told(database, &ids, &shop, at, writes).await?;
        database.write_records(&writes, at).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commerce::mail::Mail;
    use crate::commerce::seed;
    use crate::commerce::stock::StockAdjustment;
    use crate::database::Replace;

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_further_behind_than_changes_are_kept_is_told_all_the_same_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::in_folder(folder.path(), |config| config.database.changes_kept = 5).await;
        let made = seed::catalogue(150, 1, || ()).batch;
        let (database, at) = (&app.database, app.clock.now());
        let written = database.write_catalogue(&made, Replace::Nothing, at);
        written.await.unwrap();
        order_mails::begin(&app).await.unwrap();
        let sellable = made.products.iter().find(|(_, pieces, _)| *pieces > 0);
        let product = &sellable.unwrap().0.id;
        let order = seed::orders::order_of(&[(product, 1)], at);
        database.place_order(&order).await.unwrap();
        for _ in 0..10 {
            let one = StockAdjustment::By(1);
            let adjusted = database.adjust_stock(product, one, "counted again", at);
            adjusted.await.unwrap();
        }
        for _ in 0..2 {
            while order_mails::look(&app).await.unwrap() {}
            let mails = database.due::<Mail>(at, 100).await.unwrap();
            let to_her = mails
                .iter()
                .filter(|mail| mail.value.to == order.contact.email);
            assert_eq!(to_her.count(), 1);
        }
    }
}

//! A shop on SQLite, and people who order there at once.

use std::path::Path;

use crackers_origin::commerce::orders::Placed;
use crackers_origin::commerce::seed;
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::database::settings::Config;
use crackers_origin::database::{Database, Replace};
use crackers_power_cut::recorder;
use jiff::Timestamp;

/// Pieces of the product.
pub(crate) const STOCK: i64 = 100_000;
const AT: Timestamp = Timestamp::UNIX_EPOCH;

/// The settings of a shop whose file lies in a folder.
pub(crate) fn settings(folder: &Path) -> Config {
    let whole: crackers_origin::config::Config =
        serde_yaml::from_str(crackers_origin::config::DEFAULTS).unwrap();
    let mut config = whole.database;
    config.sqlite.file = folder.join("shop.sqlite");
    // Often enough that checkpoints are cut, too.
    config.sqlite.checkpoint_pages = 500;
    config
}

/// A shop with much of one product; the product's id.
pub(crate) async fn shop(folder: &Path) -> (Database, String) {
    let database = Database::open(&settings(folder)).await.unwrap();
    let made = seed::catalogue(20, 1, || ());
    database
        .write_catalogue(&made.batch, Replace::Nothing, AT)
        .await
        .unwrap();
    let sellable = made
        .batch
        .products
        .iter()
        .find(|(product, _, _)| !product.restricted);
    let id = sellable.unwrap().0.id.clone();
    database
        .adjust_stock(&id, StockAdjustment::To(STOCK), "test", AT)
        .await
        .unwrap();
    (database, id)
}

/// Buyers order at once until there are so many orders, each acknowledged when it is answered.
pub(crate) async fn rush(database: &Database, product: &str, buyers: usize, orders: usize) {
    let each = orders / buyers;
    let buyers: Vec<_> = (0..buyers)
        .map(|_| {
            let (database, product) = (database.clone(), product.to_owned());
            tokio::spawn(async move {
                for _ in 0..each {
                    match database
                        .place_order(&seed::orders::order_of(&[(&product, 2)], AT))
                        .await
                        .unwrap()
                    {
                        Placed::New(order) => recorder::acknowledged(order.number),
                        other => panic!("not placed: {other:?}"),
                    }
                }
            })
        })
        .collect();
    for buyer in buyers {
        buyer.await.unwrap();
    }
}

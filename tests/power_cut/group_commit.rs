//! Orders that arrive together share a sync of the disk: one for each would be as slow as the disk is.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod shop;

use crackers_power_cut::journal::Event;
use crackers_power_cut::recorder;

use self::shop::{STOCK, rush, shop};

const BUYERS: usize = 64;
const ORDERS: usize = 20 * BUYERS;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_buyers_at_once_share_the_syncs_of_the_log() {
    recorder::install();
    let folder = tempfile::tempdir().unwrap();
    let (database, product) = shop(folder.path()).await;
    let begin = recorder::events().len();
    rush(&database, &product, BUYERS, ORDERS).await;
    let (mut syncs, mut orders) = (0, 0);
    for event in &recorder::events()[begin..] {
        match event {
            Event::Sync(path) if path.ends_with("shop.sqlite-wal") => syncs += 1,
            Event::Acknowledged(_) => orders += 1,
            _ => {}
        }
    }
    assert_eq!(orders, ORDERS);
    assert!(syncs > 0 && syncs * 4 < orders, "{syncs}");
    let stock = database.stock(&product).await.unwrap().unwrap().available;
    assert_eq!(stock, STOCK - 2 * i64::try_from(orders).unwrap());
}

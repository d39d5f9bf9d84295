//! The power fails at any moment of a rush on SQLite: every order acknowledged before is there, and stock is its ledger.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod shop;

use crackers_origin::database::Database;
use crackers_power_cut::journal::{Event, Unsynced, lay};
use crackers_power_cut::recorder;

use self::shop::{STOCK, rush, settings, shop};

const BUYERS: usize = 8;

fn number_named(name: &str, or: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(or)
}

/// Opens what a cut left with the real code, and looks for everything that was promised before it.
async fn holds(events: &[Event], unsynced: Unsynced, product: &str) {
    let folder = tempfile::tempdir().unwrap();
    lay(events, unsynced, folder.path()).unwrap();
    let what = format!("cut after {} events, unsynced {unsynced:?}", events.len());
    let database = Database::open(&settings(folder.path())).await.expect(&what);
    let mut promised = 0;
    for event in events {
        if let Event::Acknowledged(number) = event {
            let order = database.order_by_number(*number).await.expect(&what);
            assert!(order.is_some(), "order {number} is lost: {what}");
            promised += 1;
        }
    }
    let rows = database
        .stock_movements(product, 100_000)
        .await
        .expect(&what);
    let sum: i64 = rows.iter().map(|row| row.delta).sum();
    let stock = database
        .stock(product)
        .await
        .expect(&what)
        .unwrap()
        .available;
    assert_eq!(stock, sum, "stock is not its ledger: {what}");
    assert!(
        stock >= 0 && STOCK - stock >= 2 * promised,
        "{stock} left: {what}"
    );
    let connection = rusqlite::Connection::open(folder.path().join("shop.sqlite")).unwrap();
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect(&what);
    assert_eq!(check, "ok", "{what}");
    let kept: i64 = connection
        .query_row("SELECT count(*) FROM orders", [], |row| row.get(0))
        .unwrap();
    assert_eq!(
        STOCK - stock,
        2 * kept,
        "stock is not what the orders took: {what}"
    );
}

/// Places of cuts: spread over the rush, and around each sync of the database file itself (a checkpoint).
fn cuts(events: &[Event], begin: usize, spread: usize) -> Vec<usize> {
    let step = ((events.len() - begin) / spread).max(1);
    let mut cuts: Vec<_> = (begin..events.len()).step_by(step).collect();
    for (index, event) in events.iter().enumerate().skip(begin + 1) {
        if matches!(event, Event::Sync(path) if path.extension().is_some_and(|ending| ending == "sqlite"))
        {
            cuts.extend([index - 1, index, index + 1]);
        }
    }
    cuts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_any_moment_loses_no_acknowledged_order() {
    recorder::install();
    let folder = tempfile::tempdir().unwrap();
    let (database, product) = shop(folder.path()).await;
    let begin = recorder::events().len();
    rush(
        &database,
        &product,
        BUYERS,
        number_named("CRACKERS_CUT_ORDERS", 800),
    )
    .await;
    // Before it is closed, which would write more.
    let events = recorder::events();
    let mine = |event: &Event| match event {
        Event::Write(path, ..)
        | Event::Truncate(path, _)
        | Event::Sync(path)
        | Event::Delete(path) => path.starts_with(folder.path()),
        Event::Acknowledged(_) => true,
    };
    assert!(events.iter().all(mine), "something else was recorded");
    let cuts = cuts(&events, begin, number_named("CRACKERS_CUTS", 40));
    assert!(
        events
            .iter()
            .skip(begin)
            .any(|event| matches!(event, Event::Write(path, ..) if path.ends_with("shop.sqlite"))),
        "no checkpoint was cut"
    );
    for (turn, cut) in cuts.into_iter().enumerate() {
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Diced(turn as u64)] {
            holds(&events[..cut], unsynced, &product).await;
        }
    }
    notices_a_database_that_does_not_sync(&events[..], begin).await;
}

/// The test itself can fail: had nothing been synced in the rush, a cut would take the last acknowledged order with it.
async fn notices_a_database_that_does_not_sync(events: &[Event], begin: usize) {
    let in_setup = events.iter().take(begin);
    let in_rush = events
        .iter()
        .skip(begin)
        .filter(|event| !matches!(event, Event::Sync(_)));
    let without: Vec<_> = in_setup.chain(in_rush).cloned().collect();
    let acknowledged = |event: &Event| match event {
        Event::Acknowledged(number) => Some(*number),
        _ => None,
    };
    let last = without.iter().rev().find_map(acknowledged).unwrap();
    let folder = tempfile::tempdir().unwrap();
    lay(&without, Unsynced::Lost, folder.path()).unwrap();
    let database = Database::open(&settings(folder.path())).await.unwrap();
    assert!(
        database.order_by_number(last).await.unwrap().is_none(),
        "a lost order was not missed"
    );
}

//! Buyers, staff, expiry and adjustments at once.

use crackers_origin::commerce::orders::{Order, OrderQuery, OrderState, Placed};
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::database::DatabaseError;

use crackers_origin::commerce::tallies::{self, Tallies};
use crackers_origin::database::Database;

use crate::Opened;
use crate::orders::{available, event, ledger_holds, order_of, stocked};
use crate::promises::NOW;

pub(crate) async fn any_interleaving_keeps_the_ledger_and_the_states(opened: Opened) {
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 40, 3).await;
    let workers = (0_u32..8).map(|worker| {
        let (database, ids) = (database.clone(), ids.clone());
        tokio::spawn(async move {
            let mut own: Vec<Order> = Vec::new();
            for round in 0..25_u32 {
                let dice = (worker * 7919 + round * 104_729) % 97;
                let product = &ids[(dice % 3) as usize];
                if dice < 50 || own.is_empty() {
                    let order = order_of(&[
                        (product, 1 + dice % 4),
                        (&ids[((dice + 1) % 3) as usize], 1),
                    ]);
                    if let Placed::New(order) = database.place_order(&order).await.unwrap() {
                        own.push(order);
                    }
                } else if dice < 60 {
                    let adjusted = database
                        .adjust_stock(product, StockAdjustment::By(-1), "test", NOW)
                        .await;
                    assert!(
                        matches!(adjusted, Ok(_) | Err(DatabaseError::StockTooLow(_))),
                        "{adjusted:?}"
                    );
                } else {
                    let place = (dice as usize) % own.len();
                    let to =
                        OrderState::ALL[(dice as usize + round as usize) % OrderState::ALL.len()];
                    match database.step_order(&own[place].id, &event(to), None).await {
                        Ok(next) => own[place] = next,
                        Err(DatabaseError::NoSuchStep(step)) => {
                            assert_eq!((step.from, step.to), (own[place].state, to))
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    for id in &ids {
        assert!(available(&database, id).await >= 0);
        ledger_holds(&database, id).await;
    }
    let all = OrderQuery {
        limit: 1000,
        ..OrderQuery::default()
    };
    let orders = database.orders(&all).await.unwrap();
    what_is_counted_is_what_a_recount_finds(&database, &orders).await;
    for order in orders {
        for pair in order.history.windows(2) {
            assert!(
                pair[0].state.followers().contains(&pair[1].state),
                "{order:?}"
            );
        }
    }
}

/// After whatever happened at once, each tally is the sum over all orders as they stand.
async fn what_is_counted_is_what_a_recount_finds(database: &Database, orders: &[Order]) {
    let mut recount = Tallies::new();
    for (tally, by) in orders.iter().flat_map(tallies::of) {
        *recount.entry(tally).or_default() += by;
    }
    let pieces = tallies::pieces_of(&tallies::month_of(NOW));
    let mut counted = Tallies::new();
    for kind in [tallies::BY_STATE, tallies::REVENUE, tallies::SOLD, &pieces] {
        for (key, value) in database.tallies(kind, "", 1000).await.unwrap() {
            counted.insert((kind.to_owned(), key), value);
        }
    }
    counted.retain(|_, value| *value != 0);
    assert_eq!(counted, recount);
    assert!(counted.len() > 3, "{counted:?}");
    let most = database.largest_tallies(&pieces, 2).await.unwrap();
    let largest = recount.iter().filter(|((kind, _), _)| *kind == pieces);
    let largest = largest.map(|(_, value)| *value).max();
    assert_eq!(most.first().map(|(_, value)| *value), largest);
}

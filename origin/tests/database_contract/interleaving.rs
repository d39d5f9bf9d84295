//! Buyers, staff, expiry and adjustments at once.

use crackers_origin::commerce::orders::{Order, OrderQuery, OrderState, Placed};
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::database::DatabaseError;

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
    for order in database.orders(&all).await.unwrap() {
        for pair in order.history.windows(2) {
            assert!(
                pair[0].state.followers().contains(&pair[1].state),
                "{order:?}"
            );
        }
    }
}

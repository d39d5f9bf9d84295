//! What both databases promise of orders.

use crackers_origin::commerce::orders::{
    NewOrder, Order, OrderQuery, OrderState, OrderStep, PaymentMethod, Placed,
};
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::commerce::{ids, seed};
use crackers_origin::database::{Database, DatabaseError};
use jiff::SignedDuration;

use crate::Opened;
use crate::promises::NOW;

/// An order of so many pieces of these products, held for half an hour.
pub(crate) fn order_of(pieces: &[(&str, u32)]) -> NewOrder {
    NewOrder {
        expires_at: Some(NOW + SignedDuration::from_mins(30)),
        ..seed::orders::order_of(pieces, NOW)
    }
}

pub(crate) fn event(state: OrderState) -> OrderStep {
    OrderStep::to(state, NOW, "test", "")
}

/// Numbers of the orders that a query finds.
async fn numbers(database: &Database, query: OrderQuery) -> Vec<i64> {
    let found = database.orders(&query).await.unwrap();
    found.iter().map(|order| order.number).collect()
}

/// Products with this many pieces each.
pub(crate) async fn stocked(database: &Database, pieces: i64, count: usize) -> Vec<String> {
    let made = seed::catalogue(150, 1, || ());
    let sellable = made.batch.products.iter().filter(|(p, _, _)| !p.restricted);
    let ids: Vec<_> = sellable.take(count).map(|(p, _, _)| p.id.clone()).collect();
    for id in &ids {
        let adjusted = database.adjust_stock(id, StockAdjustment::To(pieces), "test", NOW);
        adjusted.await.expect("it is adjusted");
    }
    ids
}

pub(crate) async fn available(database: &Database, id: &str) -> i64 {
    let stock = database.stock(id).await.expect("an answer");
    stock.expect("a stock").available
}

/// Stock is what its ledger adds up to.
pub(crate) async fn ledger_holds(database: &Database, id: &str) {
    let rows = database
        .stock_movements(id, 10_000)
        .await
        .expect("a ledger");
    let sum: i64 = rows.iter().map(|row| row.delta).sum();
    assert_eq!(sum, available(database, id).await, "{id}");
}

fn placed(answer: Placed) -> Order {
    match answer {
        Placed::New(order) => order,
        other => panic!("not placed: {other:?}"),
    }
}

pub(crate) async fn an_order_takes_all_of_its_lines_or_nothing(opened: Opened) {
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 10, 2).await;
    let (a, b) = (ids[0].as_str(), ids[1].as_str());
    let order = placed(
        database
            .place_order(&order_of(&[(a, 4), (b, 10)]))
            .await
            .unwrap(),
    );
    assert_eq!(
        (order.number, order.state, order.version),
        (1, OrderState::AwaitingPayment, 1)
    );
    assert_eq!(
        (available(&database, a).await, available(&database, b).await),
        (6, 0)
    );

    let Placed::Short(short) = database
        .place_order(&order_of(&[(a, 6), (b, 1)]))
        .await
        .unwrap()
    else {
        panic!("it is short");
    };
    assert_eq!(
        (
            short.len(),
            short[0].product_id.as_str(),
            short[0].wanted,
            short[0].available
        ),
        (1, b, 1, 0)
    );
    assert_eq!(available(&database, a).await, 6, "nothing was taken");
    ledger_holds(&database, a).await;
    ledger_holds(&database, b).await;
}

pub(crate) async fn orders_are_numbered_without_gaps_and_found_by_every_key(opened: Opened) {
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 10, 1).await;
    let a = ids[0].as_str();
    let first = order_of(&[(a, 1)]);
    let order = placed(database.place_order(&first).await.unwrap());
    let second = placed(database.place_order(&order_of(&[(a, 1)])).await.unwrap());
    assert_eq!(second.number, 2, "numbers have no gap");
    assert_eq!(
        database.order_by_id(&order.id).await.unwrap().as_ref(),
        Some(&order)
    );
    assert_eq!(
        database.order_by_number(1).await.unwrap().as_ref(),
        Some(&order)
    );
    let by_token = database
        .order_by_tracking_token(&order.tracking_token)
        .await
        .unwrap();
    assert_eq!(by_token.as_ref(), Some(&order));
    assert_eq!(database.order_by_id("nobody").await.unwrap(), None);
    let all = OrderQuery {
        limit: 10,
        ..OrderQuery::default()
    };
    assert_eq!(numbers(&database, all.clone()).await, [2, 1]);
    let waiting = OrderQuery {
        state: Some(OrderState::AwaitingPayment),
        before: Some(2),
        ..all.clone()
    };
    assert_eq!(numbers(&database, waiting.clone()).await, [1]);
    let packed = OrderQuery {
        state: Some(OrderState::Packed),
        ..all.clone()
    };
    assert!(numbers(&database, packed).await.is_empty());
    for (mark, found) in [
        ("phone:9876543210", vec![1]),
        ("email:meena@example.in", vec![1]),
        ("email:nobody@example.in", vec![]),
    ] {
        let marked = OrderQuery {
            mark: Some(mark.to_owned()),
            ..waiting.clone()
        };
        assert_eq!(numbers(&database, marked).await, found, "{mark}");
    }
    let by_key = database.order_by_key(&first.idempotency_key).await.unwrap();
    assert_eq!(by_key, Some(("body".to_owned(), order)));
    assert_eq!(database.order_by_key("nobody").await.unwrap(), None);
}

pub(crate) async fn the_same_key_places_one_order_however_often_it_is_sent(opened: Opened) {
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 100, 1).await;
    let order = order_of(&[(&ids[0], 3)]);
    let sent = (0..20).map(|_| {
        // Every sending has an id of its own, as after a client's retry; the key is what counts.
        let (database, id) = (database.clone(), ids::unguessable());
        let order = NewOrder {
            id,
            tracking_token: ids::unguessable(),
            ..order.clone()
        };
        tokio::spawn(async move { database.place_order(&order).await })
    });
    let (mut new, mut before) = (Vec::new(), Vec::new());
    for one in sent.collect::<Vec<_>>() {
        match one.await.unwrap().unwrap() {
            Placed::New(order) => new.push(order.id),
            Placed::Before(order) => before.push(order.id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new.len(), before.len()), (1, 19));
    assert!(before.iter().all(|id| *id == new[0]));
    assert_eq!(available(&database, &ids[0]).await, 97);
    let other = NewOrder {
        body_hash: "another".to_owned(),
        ..order
    };
    assert_eq!(
        database.place_order(&other).await.unwrap(),
        Placed::OtherBody
    );
    assert_eq!(available(&database, &ids[0]).await, 97);
}

pub(crate) async fn a_rush_on_one_product_sells_exactly_what_there_is(opened: Opened) {
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 50, 1).await;
    let rush = (0..300).map(|_| {
        let (database, order) = (database.clone(), order_of(&[(&ids[0], 1)]));
        tokio::spawn(async move { database.place_order(&order).await })
    });
    let (mut numbers, mut short) = (Vec::new(), 0);
    for one in rush.collect::<Vec<_>>() {
        match one.await.unwrap().unwrap() {
            Placed::New(order) => numbers.push(order.number),
            Placed::Short(_) => short += 1,
            other => panic!("{other:?}"),
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    assert_eq!((short, available(&database, &ids[0]).await), (250, 0));
    ledger_holds(&database, &ids[0]).await;
}

pub(crate) async fn a_cancelled_order_gives_its_stock_back_once(opened: Opened) {
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 10, 1).await;
    let order = placed(
        database
            .place_order(&order_of(&[(&ids[0], 10)]))
            .await
            .unwrap(),
    );
    let tries = (0..10).map(|_| {
        let (database, id) = (database.clone(), order.id.clone());
        tokio::spawn(async move {
            database
                .step_order(&id, &event(OrderState::Cancelled), None)
                .await
        })
    });
    let mut done = 0;
    for one in tries.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(cancelled) => {
                done += 1;
                assert_eq!(
                    (cancelled.state, cancelled.version),
                    (OrderState::Cancelled, 2)
                );
            }
            Err(DatabaseError::NoSuchStep(step)) => assert_eq!(step.from, OrderState::Cancelled),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((done, available(&database, &ids[0]).await), (1, 10));
    ledger_holds(&database, &ids[0]).await;
    let stale = database
        .step_order(&order.id, &event(OrderState::Confirmed), Some(1))
        .await;
    assert!(matches!(
        stale,
        Err(DatabaseError::VersionConflict {
            expected: 1,
            actual: 2
        })
    ));
    let nobody = database
        .step_order("nobody", &event(OrderState::Confirmed), None)
        .await;
    assert!(matches!(nobody, Err(DatabaseError::NotFound { .. })));
}

pub(crate) async fn orders_that_were_not_paid_in_time_are_due(opened: Opened) {
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 10, 1).await;
    let waits = placed(
        database
            .place_order(&order_of(&[(&ids[0], 1)]))
            .await
            .unwrap(),
    );
    let paid = placed(
        database
            .place_order(&order_of(&[(&ids[0], 1)]))
            .await
            .unwrap(),
    );
    database
        .step_order(&paid.id, &event(OrderState::PaymentReview), None)
        .await
        .unwrap();
    let on_delivery = NewOrder {
        payment: PaymentMethod::CashOnDelivery,
        ..order_of(&[(&ids[0], 1)])
    };
    assert_eq!(
        placed(database.place_order(&on_delivery).await.unwrap()).state,
        OrderState::Confirmed
    );
    let expires_at = waits.expires_at.unwrap();
    let just_before = expires_at - SignedDuration::from_secs(1);
    assert!(
        database
            .orders_due(just_before, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        database.orders_due(expires_at, 10).await.unwrap(),
        std::slice::from_ref(&waits.id)
    );
    database
        .step_order(&waits.id, &event(OrderState::Expired), None)
        .await
        .unwrap();
    assert!(
        database
            .orders_due(expires_at, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(available(&database, &ids[0]).await, 8);
}

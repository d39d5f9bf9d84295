//! Lists of orders by time: what they show, and what they look at for it.

use ::mongodb::Client;
use ::mongodb::bson::{Document, doc};
use crackers_origin::commerce::orders::{NewOrder, OrderQuery, OrderState, PaymentMethod, Placed};
use crackers_origin::database::Database;
use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};

use crate::orders::{order_of, stocked};
use crate::promises::NOW;
use crate::{Opened, mongodb as on_mongodb};

/// When orders 1, 2, … are placed, in hours: the clocks of those who place them differ, and some show the same time.
const HOURS: [i64; 9] = [0, 2, 1, 2, 5, 4, 4, 9, 9];

fn hour(hours: i64) -> Timestamp {
    NOW + SignedDuration::from_hours(hours)
}

/// Every third order is confirmed at once, the others wait for their payment.
fn state_of(number: i64) -> OrderState {
    match number % 3 {
        0 => OrderState::Confirmed,
        _ => OrderState::AwaitingPayment,
    }
}

async fn placed(database: &Database) {
    let ids = stocked(database, 100, 1).await;
    for (number, hours) in (1..).zip(HOURS) {
        let payment = match state_of(number) {
            OrderState::Confirmed => PaymentMethod::CashOnDelivery,
            _ => PaymentMethod::BankTransfer,
        };
        let order = NewOrder {
            at: hour(hours),
            payment,
            ..order_of(&[(&ids[0], 1)])
        };
        let placed = database.place_order(&order).await.unwrap();
        assert!(matches!(placed, Placed::New(order) if order.number == number));
    }
}

async fn numbers(database: &Database, query: &OrderQuery) -> Vec<i64> {
    let found = database.orders(query).await.unwrap();
    found.iter().map(|order| order.number).collect()
}

/// Every page of a query, two orders at a time.
async fn walk(database: &Database, query: &OrderQuery) -> Vec<i64> {
    let mut all = Vec::new();
    loop {
        let query = OrderQuery {
            before: all.last().copied(),
            limit: 2,
            ..query.clone()
        };
        let page = numbers(database, &query).await;
        let is_last = page.len() < 2;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

pub(crate) async fn orders_of_a_time_are_paged_newest_first(opened: Opened) {
    let database = opened.seeded().await.database;
    placed(&database).await;
    let states = [
        None,
        Some(OrderState::Confirmed),
        Some(OrderState::AwaitingPayment),
        Some(OrderState::Packed),
    ];
    let windows = (0..=10).flat_map(|from| (from..=10).map(move |to| (Some(from), Some(to))));
    let open = (0..=10).flat_map(|at| [(Some(at), None), (None, Some(at))]);
    for (from, to) in windows.chain(open) {
        for state in states {
            let mut wanted: Vec<_> = (1..)
                .zip(HOURS)
                .filter(|(_, at)| from.is_none_or(|from| from <= *at))
                .filter(|(_, at)| to.is_none_or(|to| *at < to))
                .filter(|(number, _)| state.is_none_or(|state| state == state_of(*number)))
                .map(|(number, at)| (at, number))
                .collect();
            wanted.sort_unstable();
            let wanted: Vec<_> = wanted.into_iter().rev().map(|(_, number)| number).collect();
            let query = OrderQuery {
                state,
                from: from.map(hour),
                to: to.map(hour),
                ..OrderQuery::default()
            };
            assert_eq!(walk(&database, &query).await, wanted, "{query:?}");
        }
    }
    let all = OrderQuery {
        from: Some(hour(0)),
        limit: 2,
        ..OrderQuery::default()
    };
    for (before, wanted) in [(i64::MAX, vec![9, 8]), (0, vec![]), (i64::MIN, vec![])] {
        let before = Some(before);
        let query = OrderQuery {
            before,
            ..all.clone()
        };
        assert_eq!(numbers(&database, &query).await, wanted, "{before:?}");
    }
}

pub(crate) async fn keys_of_orders_are_forgotten_when_they_are_old_and_no_sooner(opened: Opened) {
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 100, 1).await;
    let mut orders = Vec::new();
    for hours in 0..4 {
        let order = NewOrder {
            at: hour(hours),
            ..order_of(&[(&ids[0], 1)])
        };
        let placed = database.place_order(&order).await.unwrap();
        assert!(matches!(placed, Placed::New(_)));
        orders.push(order);
    }
    for (forgotten, left) in [(1, 3), (1, 2), (0, 2)] {
        let gone = database.forget_order_keys(hour(2), 1).await.unwrap();
        assert_eq!(gone, forgotten);
        let mut known = Vec::new();
        for order in &orders {
            known.extend(database.order_by_key(&order.idempotency_key).await.unwrap());
        }
        assert_eq!(known.len(), left);
    }
    // Who comes a day later with the same key wants another order; the first one stands.
    for (order, is_new) in orders.iter().zip([true, true, false, false]) {
        let again = NewOrder {
            idempotency_key: order.idempotency_key.clone(),
            ..order_of(&[(&ids[0], 1)])
        };
        let placed = database.place_order(&again).await.unwrap();
        assert_eq!(matches!(placed, Placed::New(_)), is_new, "{placed:?}");
        let first = database.order_by_id(&order.id).await.unwrap();
        assert!(first.is_some());
    }
}

/// The server's own account of what it did.
#[tokio::test(flavor = "multi_thread")]
async fn lists_of_orders_by_time_look_at_what_they_show_and_at_no_more() {
    let Some(opened) = on_mongodb().await else {
        return;
    };
    let opened = opened.seeded().await;
    placed(&opened.database).await;
    let settings = &opened.config.mongodb;
    let client = Client::with_uri_str(&settings.uri).await.unwrap();
    let server = client.database(&settings.database);
    server.run_command(doc! { "profile": 2 }).await.unwrap();
    let waiting = Some(OrderState::AwaitingPayment);
    // From, to, state, goes on after, and what is shown then.
    let cases = [
        (None, Some(2), None, None, vec![3, 1]),
        (Some(1), Some(5), None, None, vec![7, 6]),
        (Some(1), Some(5), None, Some(2), vec![3]),
        (Some(1), Some(5), waiting, None, vec![7, 4]),
        (Some(6), Some(9), None, None, vec![]),
        (Some(0), Some(0), waiting, None, vec![]),
    ];
    for (from, to, state, before, shown) in &cases {
        let query = OrderQuery {
            state: *state,
            from: from.map(hour),
            to: to.map(hour),
            before: *before,
            limit: 2,
            ..OrderQuery::default()
        };
        assert_eq!(numbers(&opened.database, &query).await, *shown, "{query:?}");
    }
    server.run_command(doc! { "profile": 0 }).await.unwrap();
    let seen = server.collection::<Document>("system.profile");
    let by_time = doc! { "command.find": "orders", "command.sort.placed_at": -1 };
    let seen = seen.find(by_time).sort(doc! { "ts": 1 }).await;
    let seen: Vec<_> = seen.unwrap().try_collect().await.unwrap();
    assert_eq!(seen.len(), cases.len());
    for (each, (.., shown)) in seen.iter().zip(&cases) {
        let walked = each.get_str("planSummary").unwrap();
        assert!(walked.starts_with("IXSCAN"), "{each}");
        let looked_at = each.get_i32("docsExamined").unwrap();
        // Where it goes on after an order, it looks at those that were placed in the same microsecond again.
        let again = match each.get_document("command").unwrap().get_document("filter") {
            Ok(filter) if filter.contains_key("$or") => 2,
            _ => 0,
        };
        assert_eq!(
            usize::try_from(looked_at).unwrap(),
            shown.len() + again,
            "{each}"
        );
        assert!(!each.contains_key("hasSortStage"), "{each}");
    }
}

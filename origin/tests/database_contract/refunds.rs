//! What both databases promise of money that goes back.

use crackers_origin::commerce::money::Paise;
use crackers_origin::commerce::orders::{Order, OrderQuery, OrderState, Placed};
use crackers_origin::commerce::payments::{Payment, PaymentState};
use crackers_origin::commerce::refunds::{Part, id_of, step};
use crackers_origin::commerce::tallies::{self, REVENUE};
use crackers_origin::database::{Database, DatabaseError};

use crate::Opened;
use crate::orders::{event, order_of, stocked};
use crate::promises::NOW;

/// An order that is paid, and in this state.
async fn paid(database: &Database, product: &str, state: OrderState) -> Order {
    let placed = database.place_order(&order_of(&[(product, 1)])).await;
    let Placed::New(order) = placed.unwrap() else {
        panic!("it is not placed");
    };
    let mut confirmed = event(OrderState::Confirmed);
    confirmed.payment = Some(Payment {
        id: "payment".to_owned(),
        reference: "UTR123456".to_owned(),
        amount: order.quote.total,
        proof: None,
        state: PaymentState::Approved,
        submitted_at: NOW,
        decided_by: None,
        by_gateway: false,
        given_back: Vec::new(),
    });
    let order = database.step_order(&order.id, &confirmed, None).await;
    let order = order.unwrap();
    if order.state == state {
        return order;
    }
    database
        .step_order(&order.id, &event(state), None)
        .await
        .unwrap()
}

/// One who sends a part back again and again, each time of what was read, until no more is due; answers with the
/// parts that were written. It ends: each conflict is a part that somebody else wrote.
async fn sends_back(database: Database, id: String, amount: i64) -> Vec<(String, i64)> {
    let mut sent = Vec::new();
    loop {
        let order = database.order_by_id(&id).await.unwrap().unwrap();
        let part = Part {
            id: id_of(&order.payments[0]),
            amount: Paise(amount),
            by: "test".to_owned(),
            note: String::new(),
            at: NOW,
        };
        let Ok(step) = step(&order, "payment", &part, "test") else {
            return sent;
        };
        // A request that is repeated names the version that it was decided on.
        for _ in 0..2 {
            let written = database.step_order(&id, &step, Some(order.version)).await;
            match written {
                Ok(_) => sent.push((part.id.clone(), amount)),
                Err(DatabaseError::VersionConflict { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

pub(crate) async fn parts_of_a_payment_never_exceed_it_whoever_sends_them_back(opened: Opened) {
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 40, 1).await;
    for state in [OrderState::RefundDue, OrderState::Confirmed] {
        let order = paid(&database, &ids[0], state).await;
        let total = order.quote.total.0;
        // Together they would send back several times what was paid.
        let shares = [total / 3, total / 4, total / 5, total / 7, 1, total / 9];
        let senders = shares.map(|share| {
            let (database, id) = (database.clone(), order.id.clone());
            tokio::spawn(sends_back(database, id, share))
        });
        let mut sent = Vec::new();
        for sender in senders {
            sent.extend(sender.await.unwrap());
        }
        let now = database.order_by_id(&order.id).await.unwrap().unwrap();
        let payment = &now.payments[0];
        let mut rows: Vec<_> = payment.given_back.iter().collect();
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        let rows: Vec<_> = rows
            .iter()
            .map(|row| (row.id.clone(), row.amount.0))
            .collect();
        sent.sort();
        assert_eq!(rows, sent, "each part is in the ledger, once");
        let sum: i64 = sent.iter().map(|(_, amount)| amount).sum();
        // The one who sends a paisa fills up what is left: all of it, or all but the last paisa of an order still to be sent.
        let kept = i64::from(state == OrderState::Confirmed);
        assert_eq!(sum, total - kept, "of {total}");
        assert_eq!(payment.refunded().0, sum);
        assert_eq!(now.state == OrderState::Refunded, kept == 0);
    }
    // What is sold is less what went back of it, as a recount finds, too.
    let all = OrderQuery {
        limit: 100,
        ..OrderQuery::default()
    };
    let recount = database.orders(&all).await.unwrap();
    let recount = recount.iter().flat_map(tallies::of);
    let recount = recount.filter(|((kind, _), _)| kind == REVENUE);
    let recount: i64 = recount.map(|(_, value)| value).sum();
    let counted = database.tallies(REVENUE, "", 100).await.unwrap();
    assert_eq!(counted.iter().map(|(_, value)| value).sum::<i64>(), recount);
    assert!(recount > 0);
}

//! Buyers, staff, expiry and adjustments at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crackers_origin::commerce::lines::LineKind;
use crackers_origin::commerce::orders::{
    NewOrder, NoSuchStep, Order, OrderQuery, OrderState, Placed,
};
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::commerce::tallies::{self, Tallies};
use crackers_origin::database::{Database, DatabaseError};
use parking_lot::Mutex;

use crate::Opened;
use crate::orders::{available, event, ledger_holds, order_of, stocked};
use crate::promises::NOW;

/// Pieces of each product before anything happens.
const BEGINNING: i64 = 40;
const WORKERS: u32 = 8;
const ROUNDS: u32 = 25;
/// What expiry, staff and customers want of the same order at the same moment.
const RIVALS: [OrderState; 4] = [
    OrderState::Expired,
    OrderState::Confirmed,
    OrderState::Cancelled,
    OrderState::RefundDue,
];

/// What the workers share.
#[derive(Default)]
struct Seen {
    /// Ids of the orders that were placed.
    orders: Vec<String>,
    /// What adjustments added to each product.
    adjusted: BTreeMap<String, i64>,
}

/// One of those who work at once.
#[derive(Clone)]
struct Worker {
    database: Database,
    ids: Vec<String>,
    seen: Arc<Mutex<Seen>>,
}

impl Worker {
    async fn work(self, worker: u32) {
        for round in 0..ROUNDS {
            let dice = (worker * 7919 + round * 104_729) % 97;
            match dice {
                0..40 => self.place(dice).await,
                40..50 => self.adjust(dice).await,
                _ => self.step(dice, round).await,
            }
        }
    }

    async fn place(&self, dice: u32) {
        let order = with_bundle(&self.ids, dice);
        if let Placed::New(order) = self.database.place_order(&order).await.unwrap() {
            self.seen.lock().orders.push(order.id);
        }
    }

    async fn adjust(&self, dice: u32) {
        let product = &self.ids[(dice % 3) as usize];
        let by = StockAdjustment::By(-1);
        match self.database.adjust_stock(product, by, "test", NOW).await {
            Ok(_) => {
                *self
                    .seen
                    .lock()
                    .adjusted
                    .entry(product.clone())
                    .or_default() -= 1
            }
            Err(DatabaseError::StockTooLow(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }

    /// Takes an order that anybody placed a step on: half of the time one of the newest, where all others are at work.
    async fn step(&self, dice: u32, round: u32) {
        let is_rival = dice.is_multiple_of(2);
        let id = {
            let orders = &self.seen.lock().orders;
            let back = if is_rival { dice % 3 } else { dice } as usize;
            let Some(id) = orders.iter().rev().cycle().nth(back) else {
                return;
            };
            id.clone()
        };
        let any = (dice + round) as usize;
        let to = match is_rival {
            true => RIVALS[any % RIVALS.len()],
            false => OrderState::ALL[any % OrderState::ALL.len()],
        };
        match self.database.step_order(&id, &event(to), None).await {
            Ok(next) => assert_eq!(next.state, to),
            Err(DatabaseError::NoSuchStep(NoSuchStep { from, to: wanted })) => {
                assert_eq!(wanted, to);
                assert!(!from.followers().contains(&to), "{from:?} {to:?}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// An order of one product, and of bundles that hold it and the next one.
fn with_bundle(ids: &[String], dice: u32) -> NewOrder {
    let (first, next) = (&ids[(dice % 3) as usize], &ids[((dice + 1) % 3) as usize]);
    let quantity = 1 + dice % 2;
    let mut order = order_of(&[(first, 1 + dice % 3), ("bundle", quantity)]);
    let bundle = order.quote.lines.last_mut().unwrap();
    bundle.key.kind = LineKind::Bundle;
    bundle.pieces = BTreeMap::from([(first.clone(), quantity), (next.clone(), 2 * quantity)]);
    order
}

pub(crate) async fn any_interleaving_keeps_the_ledger_and_the_states(opened: Opened) {
    let database = opened.seeded().await.database;
    let worker = Worker {
        ids: stocked(&database, BEGINNING, 3).await,
        database: database.clone(),
        seen: Arc::default(),
    };
    let workers = (0..WORKERS).map(|number| tokio::spawn(worker.clone().work(number)));
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let all = OrderQuery {
        limit: 1000,
        ..OrderQuery::default()
    };
    let orders = database.orders(&all).await.unwrap();
    let seen = std::mem::take(&mut *worker.seen.lock());
    assert_eq!(orders.len(), seen.orders.len());
    nothing_was_given_back_twice(&worker, &orders, &seen.adjusted).await;
    what_is_counted_is_what_a_recount_finds(&database, &orders).await;
    for order in orders {
        assert_eq!(order.version, i64::try_from(order.history.len()).unwrap());
        for pair in order.history.windows(2) {
            let follows = pair[0].state.followers().contains(&pair[1].state);
            assert!(follows, "{order:?}");
        }
    }
}

/// Each stock is what there was and was adjusted, less what orders took and did not give back: those that hold stock, and
/// those that were delivered once, whose goods staff look at first.
async fn nothing_was_given_back_twice(
    worker: &Worker,
    orders: &[Order],
    adjusted: &BTreeMap<String, i64>,
) {
    let is_out = |order: &&Order| {
        let mut events = order.history.iter();
        order.state.holds_stock() || events.any(|event| event.state == OrderState::Delivered)
    };
    let mut out: BTreeMap<String, i64> = BTreeMap::new();
    for (id, pieces) in orders.iter().filter(is_out).flat_map(|o| o.quote.pieces()) {
        *out.entry(id).or_default() += i64::from(pieces);
    }
    let of = |all: &BTreeMap<String, i64>, id: &str| all.get(id).copied().unwrap_or_default();
    for id in &worker.ids {
        let left = BEGINNING + of(adjusted, id) - of(&out, id);
        assert!(left >= 0, "{id}");
        assert_eq!(available(&worker.database, id).await, left, "{id}");
        ledger_holds(&worker.database, id).await;
    }
    let given_back = orders.iter().filter(|order| !is_out(order)).count();
    assert!(given_back > 3, "{given_back} of {}", orders.len());
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

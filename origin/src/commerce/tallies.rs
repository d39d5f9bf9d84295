//! What is counted of orders, so that nobody counts it again each time that somebody looks. What an order adds depends on
//! how it stands now, and on nothing else: a step adds what it adds afterwards less what it added before, in the same
//! transaction, and all tallies together are always those of a recount.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::orders::{Order, OrderState};
use super::refunds::given_back_of_total;
use super::stock::is_of_product;

/// India has one time and no summer time.
const SHOP_TIME: SignedDuration = SignedDuration::from_mins(5 * 60 + 30);

/// How many orders stand in a state; the key is its word.
pub const BY_STATE: &str = "orders_by_state";
/// Paise of the orders that were placed on a day and are sold, less what went back of them; the key is the day.
pub const REVENUE: &str = "revenue_by_day";
/// How many orders were placed on a day and are sold; the key is the day.
pub const SOLD: &str = "sold_by_day";

/// Pieces of each product in the orders that were placed in a month and are sold; the key is the product.
pub fn pieces_of(month: &str) -> String {
    format!("pieces:{month}")
}

/// The day in the shop's time, `2026-11-08`.
pub fn day_of(at: Timestamp) -> String {
    (at + SHOP_TIME).strftime("%Y-%m-%d").to_string()
}

/// The month in the shop's time, `2026-11`.
pub fn month_of(at: Timestamp) -> String {
    (at + SHOP_TIME).strftime("%Y-%m").to_string()
}

/// Amounts by kind and key.
pub type Tallies = BTreeMap<(String, String), i64>;

/// Whether an order in this state is sold: it will be sent or was, and no money is owed back.
fn is_sold(state: OrderState) -> bool {
    use OrderState as S;
    matches!(
        state,
        S::Confirmed | S::Packed | S::Dispatched | S::Delivered
    )
}

/// What an order adds as it stands.
pub fn of(order: &Order) -> Tallies {
    let mut tallies = Tallies::new();
    let mut add = |kind: &str, key: &str, by: i64| {
        *tallies
            .entry((kind.to_owned(), key.to_owned()))
            .or_default() += by;
    };
    add(BY_STATE, order.state.as_str(), 1);
    if is_sold(order.state) {
        let day = day_of(order.placed_at);
        let kept = order.quote.total.0 - given_back_of_total(order).0;
        add(REVENUE, &day, kept);
        add(SOLD, &day, 1);
        let pieces = pieces_of(&month_of(order.placed_at));
        for (product, count) in order.quote.pieces() {
            if is_of_product(&product) {
                add(&pieces, &product, i64::from(count));
            }
        }
    }
    tallies
}

/// What a step, or placing an order, adds.
pub fn between(before: Option<&Order>, after: &Order) -> Tallies {
    let mut tallies = of(after);
    for (tally, by) in before.map(of).unwrap_or_default() {
        *tallies.entry(tally).or_default() -= by;
    }
    tallies.retain(|_, by| *by != 0);
    tallies
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An order of one product in a state.
    fn order(state: OrderState) -> Order {
        let text = format!(
            r#"{{"id":"a","number":7,"tracking_token":"b","state":"{}",
            "contact":{{"name":"N","phone":"9876543210","email":"m@example.in"}},
            "address":{{"line1":"1","line2":"","city":"c","state":"s","pincode":"626123"}},"payment":"bank_transfer",
            "quote":{{"lines":[{{"key":{{"kind":"product","id":"p"}},"sku":"S","name":"N","price":300,"quantity":3,
            "total":900,"pieces":{{"p":3}}}}],"goods":900,"saved":0,"packing":0,"rounding":0,"total":900,
            "coupon":{{"code":"DIWALI","discount":0,"is_counted":true}}}},"history":[],
            "placed_at":"2026-11-08T18:30:00Z","expires_at":null,"version":1}}"#,
            state.as_str()
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn whatever_way_an_order_goes_it_adds_what_it_is_in_the_end() {
        for from in OrderState::ALL {
            for to in from.followers() {
                let (from, to) = (order(from), order(*to));
                let mut added = between(None, &from);
                for (tally, by) in between(Some(&from), &to) {
                    *added.entry(tally).or_default() += by;
                }
                added.retain(|_, by| *by != 0);
                assert_eq!(added, of(&to), "{:?} → {:?}", from.state, to.state);
            }
        }
        let sold = of(&order(OrderState::Packed));
        let amounts: Vec<_> = sold
            .iter()
            .map(|((kind, key), by)| (kind.as_str(), key.as_str(), *by))
            .collect();
        // The coupon's uses are no product.
        assert_eq!(
            amounts,
            [
                ("orders_by_state", "packed", 1),
                ("pieces:2026-11", "p", 3),
                ("revenue_by_day", "2026-11-09", 900),
                ("sold_by_day", "2026-11-09", 1),
            ]
        );
    }

    #[test]
    fn days_begin_at_midnight_in_the_shop() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(day_of(at("2026-11-08T18:29:59Z")), "2026-11-08");
        assert_eq!(day_of(at("2026-11-08T18:30:00Z")), "2026-11-09");
        assert_eq!(month_of(at("2026-10-31T18:30:00Z")), "2026-11");
    }
}

//! Lists of orders by time.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::order_window::OrderWindow;
use super::{Answer, orders};
use crate::commerce::orders::{Order, OrderQuery, OrderState};

/// One page of a query that asks by time.
pub(super) fn page(connection: &Connection, query: &OrderQuery) -> Answer<Vec<Order>> {
    let shown_at = match query.before {
        Some(number) => placed_at(connection, number)?,
        None => None,
    };
    let window = OrderWindow::of(query, shown_at);
    let (before_at, before_number) = window.before;
    let mut statement = connection.prepare_cached(sql(query.state))?;
    let values = params![
        window.from,
        before_at,
        before_number,
        query.limit,
        query.state.map_or("", OrderState::as_str),
    ];
    let found = statement.query_map(values, |row| Ok(orders::order(row)))?;
    found.map(|order| order?).collect()
}

fn sql(state: Option<OrderState>) -> &'static str {
    match state {
        Some(_) => {
            "SELECT document FROM orders
             WHERE state = ?5 AND placed_at >= ?1 AND (placed_at, number) < (?2, ?3)
             ORDER BY placed_at DESC, number DESC LIMIT ?4"
        }
        None => {
            "SELECT document FROM orders
             WHERE ?5 = '' AND placed_at >= ?1 AND (placed_at, number) < (?2, ?3)
             ORDER BY placed_at DESC, number DESC LIMIT ?4"
        }
    }
}

fn placed_at(connection: &Connection, number: i64) -> Answer<Option<i64>> {
    let mut statement =
        connection.prepare_cached("SELECT placed_at FROM orders WHERE number = ?1")?;
    Ok(statement.query_row([number], |row| row.get(0)).optional()?)
}

#[cfg(test)]
mod tests {
    use super::super::migrations;
    use super::*;

    #[test]
    fn lists_by_time_walk_an_index_from_the_newest_on_and_sort_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::run(&mut connection).unwrap();
        let plan = |state| {
            let explain = format!("EXPLAIN QUERY PLAN {}", sql(state));
            let mut statement = connection.prepare(&explain).unwrap();
            let values = params![0, 1, 2, 25, "packed"];
            let steps = statement.query_map(values, |row| row.get::<_, String>(3));
            steps.unwrap().collect::<Result<Vec<_>, _>>().unwrap()
        };
        assert_eq!(
            plan(None),
            ["SEARCH orders USING INDEX orders_placed (placed_at>? AND placed_at<?)"]
        );
        assert_eq!(
            plan(Some(OrderState::Packed)),
            [
                "SEARCH orders USING INDEX orders_state_placed (state=? AND placed_at>? AND placed_at<?)"
            ]
        );
    }
}

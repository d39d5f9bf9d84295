//! Lists of orders by time: which part of a time is still to be shown. Both databases walk an index of times, so that a list
//! costs what it shows, however long ago its time is and whatever came afterwards.

use crate::commerce::orders::OrderQuery;

/// Orders from a moment on, up to a place that is not among them. Their order is by moment and number: two origins may
/// write down orders in another order than that of their clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrderWindow {
    /// The first microsecond.
    pub(super) from: i64,
    /// The microsecond and the number that all are before.
    pub(super) before: (i64, i64),
}

impl OrderWindow {
    /// Whether a query asks by time; one that asks for a mark or a number as well has fewer orders to look at there.
    pub(super) fn is_asked_by(query: &OrderQuery) -> bool {
        let has_time = query.from.is_some() || query.to.is_some();
        has_time && query.mark.is_none() && query.number.is_none()
    }

    /// What a query asks for, where the order that it goes on after ([`OrderQuery::before`]) was placed at `shown_at`.
    pub(super) fn of(query: &OrderQuery, shown_at: Option<i64>) -> Self {
        let (from, to) = query.microseconds();
        let whole = (to, i64::MIN);
        let before = match (query.before, shown_at) {
            (Some(number), Some(at)) => whole.min((at, number)),
            // Numbers begin at 1 and have no gap: below that is nothing, and everything is below those that are not there yet.
            (Some(number), None) if number < 1 => (i64::MIN, i64::MIN),
            _ => whole,
        };
        Self { from, before }
    }
}

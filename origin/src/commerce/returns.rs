//! When what was delivered may come back.

use jiff::{SignedDuration, Timestamp};

use super::orders::{Order, OrderState};

/// Days after its delivery within which an order may come back.
pub const RETURN_DAYS: i64 = 7;

impl Order {
    /// Whether it may come back at this time: within [`RETURN_DAYS`] of its delivery.
    pub fn may_come_back(&self, at: Timestamp) -> bool {
        let mut events = self.history.iter().rev();
        let delivered = events.find(|event| event.state == OrderState::Delivered);
        let within = SignedDuration::from_hours(24 * RETURN_DAYS);
        delivered.is_some_and(|event| at.duration_since(event.at) <= within)
    }
}

#[cfg(test)]
mod tests {
    use super::super::gateway::tests::order;
    use super::super::orders::OrderEvent;
    use super::*;

    #[test]
    fn what_was_delivered_comes_back_within_seven_days_and_what_was_not_never() {
        let mut order = order(OrderState::Delivered);
        let delivered = Timestamp::UNIX_EPOCH;
        assert!(!order.may_come_back(delivered), "it was never delivered");
        order.history.push(OrderEvent {
            state: OrderState::Delivered,
            at: delivered,
            by: "test".to_owned(),
            note: String::new(),
        });
        let after = |seconds| delivered + SignedDuration::from_secs(seconds);
        let week = 7 * 24 * 60 * 60;
        assert!(order.may_come_back(after(week)));
        assert!(!order.may_come_back(after(week + 1)));
    }
}

//! When what was delivered may come back.

use jiff::{SignedDuration, Timestamp};

use super::orders::{Order, OrderState};

/// Days after its delivery within which an order may come back.
const RETURN_DAYS: i64 = 7;

/// An order that was delivered too long ago to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("An order comes back within {RETURN_DAYS} days of its delivery.")]
pub struct TooLateToReturn;

impl Order {
    /// Whether what was delivered may go on to this state at this time; other steps do not ask for the time.
    ///
    /// # Errors
    /// [`TooLateToReturn`].
    pub fn check_return(&self, to: OrderState, at: Timestamp) -> Result<(), TooLateToReturn> {
        let comes_back = self.state == OrderState::Delivered && to == OrderState::Returned;
        if comes_back && !self.may_come_back(at) {
            return Err(TooLateToReturn);
        }
        Ok(())
    }

    fn may_come_back(&self, at: Timestamp) -> bool {
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
        let back = OrderState::Returned;
        let never = order.check_return(back, delivered);
        assert_eq!(never, Err(TooLateToReturn), "it was never delivered");
        order.history.push(OrderEvent {
            state: OrderState::Delivered,
            at: delivered,
            by: "test".to_owned(),
            note: String::new(),
        });
        let after = |seconds| delivered + SignedDuration::from_secs(seconds);
        let week = 7 * 24 * 60 * 60;
        assert_eq!(order.check_return(back, after(week)), Ok(()));
        let late = order.check_return(back, after(week + 1));
        assert_eq!(late, Err(TooLateToReturn));
    }
}

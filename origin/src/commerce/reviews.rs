//! What buyers write of products. Only who has received a product judges it, once, and may write it anew; everybody sees
//! what staff approved.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accounts::Customer;
use super::orders::{Order, OrderQuery, OrderState};
use super::ratings::RatingChange;
use super::records::{Kept, Stored, Writes};
use super::{ids, messages};
use crate::database::{Answer, Database, DatabaseError};

/// The fewest characters of a review.
const CHARACTERS_MIN: usize = 3;
/// The most.
const CHARACTERS_MAX: usize = 2000;
/// Orders looked through at once for a product.
const ORDERS_AT_ONCE: u32 = 100;
/// How often that is done: who has ordered more than a thousand times calls the shop.
const LOOKS_MAX: u32 = 10;
/// How often a review is written again when somebody else was faster.
const TRIES_MAX: u32 = 5;

/// Where a review stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Staff have not read it.
    Pending,
    /// Everybody sees it, and its stars count.
    Approved,
    /// Only its writer and staff see it.
    Rejected,
}

impl ReviewState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Approved, Self::Rejected];

    /// Its word in queries and keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    /// The state from its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A review.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Review {
    /// Begins with the time.
    pub id: String,
    /// Of which product.
    pub product_id: String,
    /// Who wrote it.
    pub customer_id: String,
    /// Their first name, as everybody sees it.
    pub by: String,
    /// 1 to 5.
    pub stars: u8,
    /// Plain text.
    pub text: String,
    /// Where it stands.
    pub state: ReviewState,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// When it was last written.
    pub written_at: Timestamp,
    /// Which member of staff has decided on it.
    pub decided_by: Option<String>,
}

impl Kept for Review {
    const KIND: &'static str = "review";

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<String> {
        let mut keys = vec![self.state.as_str().to_owned()];
        if self.state == ReviewState::Approved {
            keys.push(Self::of_product(&self.product_id));
        }
        keys
    }

    fn unique_keys(&self) -> Vec<String> {
        vec![Self::of_buyer(&self.product_id, &self.customer_id)]
    }
}

/// What staff say to a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewDecision {
    /// Everybody may see it.
    Approve,
    /// Nobody else sees it.
    Reject,
}

/// It was decided like this before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this review was decided like that already")]
pub struct AlreadyDecided;

impl Review {
    /// What a product's approved reviews are listed by.
    pub fn of_product(product_id: &str) -> String {
        format!("product:{product_id}")
    }

    /// The key that only one review of a product and an account has.
    pub fn of_buyer(product_id: &str, customer_id: &str) -> String {
        format!("of:{product_id}:{customer_id}")
    }

    /// What its product's rating loses when it is no longer shown as it is.
    fn withdrawn(&self) -> RatingChange {
        match self.state {
            ReviewState::Approved => RatingChange::of(-1, self.stars),
            ReviewState::Pending | ReviewState::Rejected => RatingChange::default(),
        }
    }

    /// Written anew: staff read it again before anybody else does.
    fn rewritten(&mut self, written: &Written, at: Timestamp) -> RatingChange {
        let change = self.withdrawn();
        self.by.clone_from(&written.by);
        self.stars = written.stars;
        self.text.clone_from(&written.text);
        self.state = ReviewState::Pending;
        self.reason = None;
        self.decided_by = None;
        self.written_at = at;
        change
    }

    /// Decided on; what its product's rating gains or loses.
    ///
    /// # Errors
    /// [`AlreadyDecided`].
    pub fn decided(
        &mut self,
        decision: ReviewDecision,
        reason: Option<String>,
        by: &str,
    ) -> Result<RatingChange, AlreadyDecided> {
        let next = match decision {
            ReviewDecision::Approve => ReviewState::Approved,
            ReviewDecision::Reject => ReviewState::Rejected,
        };
        if self.state == next {
            return Err(AlreadyDecided);
        }
        let change = match next {
            ReviewState::Approved => RatingChange::of(1, self.stars),
            ReviewState::Pending | ReviewState::Rejected => self.withdrawn(),
        };
        self.state = next;
        self.reason = reason;
        self.decided_by = Some(by.to_owned());
        Ok(change)
    }
}

/// What somebody writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// First name.
    pub by: String,
    /// 1 to 5.
    pub stars: u8,
    /// Plain text.
    pub text: String,
}

/// The text of a review without blanks around it; `None` for what is too short, too long, or no text.
pub fn text(typed: &str) -> Option<String> {
    messages::text(typed, CHARACTERS_MIN, CHARACTERS_MAX)
}

/// The name that everybody sees: the first word of what a customer told.
pub fn shown_name(customer: &Customer) -> String {
    let first = customer.name.split_whitespace().next();
    first.unwrap_or("A buyer").to_owned()
}

/// Whether an order has brought a product to its customer, alone or in a bundle.
fn has_brought(order: &Order, product_id: &str) -> bool {
    let was_delivered = |state| state == OrderState::Delivered;
    order.history.iter().any(|event| was_delivered(event.state))
        && order.quote.pieces().contains_key(product_id)
}

/// Whether an account has received a product.
///
/// # Errors
/// What the database fails with.
pub async fn has_received(
    database: &Database,
    customer_id: &str,
    product_id: &str,
) -> Answer<bool> {
    let mut before = None;
    for _ in 0..LOOKS_MAX {
        let query = OrderQuery {
            mark: Some(Order::customer_mark(customer_id)),
            before,
            limit: ORDERS_AT_ONCE,
            ..OrderQuery::default()
        };
        let orders = database.orders(&query).await?;
        if orders.iter().any(|order| has_brought(order, product_id)) {
            return Ok(true);
        }
        before = orders.last().map(|order| order.number);
        if orders.len() < ORDERS_AT_ONCE as usize {
            break;
        }
    }
    Ok(false)
}

/// Writes an account's review of a product, in the place of the one before it; whether it is the first.
///
/// # Errors
/// What the database fails with.
pub async fn write(
    database: &Database,
    product_id: &str,
    customer_id: &str,
    written: &Written,
    at: Timestamp,
) -> Answer<(Review, bool)> {
    let key = Review::of_buyer(product_id, customer_id);
    for tried in 1.. {
        let before = database.get_by::<Review>(&key).await?;
        let is_first = before.is_none();
        let mut review = before.unwrap_or_else(|| Stored {
            version: 0,
            value: Review {
                id: ids::in_order_of_time(at),
                product_id: product_id.to_owned(),
                customer_id: customer_id.to_owned(),
                by: String::new(),
                stars: 0,
                text: String::new(),
                state: ReviewState::Pending,
                reason: None,
                written_at: at,
                decided_by: None,
            },
        });
        let change = review.value.rewritten(written, at);
        match put(database, &review, change, at).await {
            // Written or decided on in between.
            Err(DatabaseError::VersionConflict { .. } | DatabaseError::AlreadyExists(_))
                if tried < TRIES_MAX => {}
            done => return done.map(|()| (review.value, is_first)),
        }
    }
    Err(DatabaseError::Unavailable(
        "a review that changes".to_owned(),
    ))
}

/// Writes a review in the place of the one of this version (0: there is none), and counts its product's rating on in the
/// same step.
///
/// # Errors
/// [`DatabaseError::VersionConflict`] where somebody else wrote or decided in between, or what the database fails with.
pub async fn put(
    database: &Database,
    review: &Stored<Review>,
    change: RatingChange,
    at: Timestamp,
) -> Answer<()> {
    let writes = Writes::default().change("review", &review.value.id, Vec::new());
    let writes = if review.version == 0 {
        writes.with(&review.value)?
    } else {
        writes.replace(review)?
    };
    if change == RatingChange::default() {
        database.write_records(&writes, at).await
    } else {
        let product_id = &review.value.product_id;
        database.rate(product_id, change, &writes, at).await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::commerce::ratings::Rating;

    fn review() -> Review {
        Review {
            id: "r".to_owned(),
            product_id: "p".to_owned(),
            customer_id: "c".to_owned(),
            by: "Meena".to_owned(),
            stars: 4,
            text: "Bright".to_owned(),
            state: ReviewState::Pending,
            reason: None,
            written_at: Timestamp::UNIX_EPOCH,
            decided_by: None,
        }
    }

    #[test]
    fn a_text_is_bounded_and_plain() {
        assert_eq!(text(" Loud.\nBright. ").as_deref(), Some("Loud.\nBright."));
        for wrong in ["", "ok", "   ", "a\u{0}bc", &"x".repeat(2001)] {
            assert_eq!(text(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_same_decision_twice_counts_once() {
        let mut review = review();
        let first = review.decided(ReviewDecision::Approve, None, "a@b.in");
        assert_eq!(first, Ok(RatingChange::of(1, 4)));
        let again = review.decided(ReviewDecision::Approve, None, "a@b.in");
        assert_eq!(again, Err(AlreadyDecided));
    }

    proptest! {
        /// Whatever is written and decided in whatever order, the rating is the stars of what is shown.
        #[test]
        fn stars_count_exactly_while_they_are_shown(steps in prop::collection::vec((0_u8..3, 1_u8..=5), 0..40)) {
            let (mut review, mut rating) = (review(), Rating::default());
            for (step, stars) in steps {
                let change = match step {
                    0 => {
                        let written = Written { by: "M".to_owned(), stars, text: "Fine".to_owned() };
                        review.rewritten(&written, Timestamp::UNIX_EPOCH)
                    }
                    1 => review.decided(ReviewDecision::Approve, None, "s").unwrap_or_default(),
                    _ => review.decided(ReviewDecision::Reject, None, "s").unwrap_or_default(),
                };
                rating = rating.changed(change);
                let is_shown = review.state == ReviewState::Approved;
                let shown = if is_shown { (1, u32::from(review.stars)) } else { (0, 0) };
                prop_assert_eq!((rating.count, rating.stars.unwrap_or(0)), shown);
            }
        }
    }
}

//! What a customer has put together and not ordered yet, one for each account. Whoever is not logged in keeps theirs in the
//! browser, and brings it along at log-in.

use serde::{Deserialize, Serialize};

use super::lines::{LINES_MAX, LineKey, WantedLine};
use super::records::Kept;

/// The most of one thing in a cart; what an order takes of it, the catalogue says.
pub const QUANTITY_MAX: u32 = 100_000;

/// A customer's cart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Cart {
    /// Whose it is.
    pub customer_id: String,
    /// Each thing once, in the order in which they came.
    pub lines: Vec<WantedLine>,
    /// The coupon's code.
    pub coupon: Option<String>,
}

/// A cart has no more room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cart has at most {LINES_MAX} lines")]
pub struct CartFull;

impl Kept for Cart {
    const KIND: &'static str = "cart";

    fn id(&self) -> &str {
        &self.customer_id
    }
}

impl Cart {
    /// One with nothing in it.
    pub fn empty(customer_id: &str) -> Self {
        Self {
            customer_id: customer_id.to_owned(),
            lines: Vec::new(),
            coupon: None,
        }
    }

    /// Says how many of a thing are wanted, whatever was said before; none takes it out. Said twice it is the same.
    ///
    /// # Errors
    /// [`CartFull`].
    pub fn set(&mut self, key: &LineKey, quantity: u32) -> Result<(), CartFull> {
        if quantity == 0 {
            self.lines.retain(|line| line.key != *key);
            return Ok(());
        }
        if let Some(line) = self.lines.iter_mut().find(|line| line.key == *key) {
            line.quantity = quantity;
            return Ok(());
        }
        if self.lines.len() >= LINES_MAX {
            return Err(CartFull);
        }
        self.lines.push(WantedLine {
            key: key.clone(),
            quantity,
        });
        Ok(())
    }

    /// Takes in what was put together before log-in: of each thing the larger number, so that a second time changes nothing.
    ///
    /// # Errors
    /// [`CartFull`].
    pub fn merge(&mut self, others: &[WantedLine]) -> Result<(), CartFull> {
        for other in others {
            let own = self.lines.iter().find(|line| line.key == other.key);
            let own = own.map_or(0, |line| line.quantity);
            self.set(&other.key, own.max(other.quantity))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::commerce::lines::LineKind;

    fn key(id: u8) -> LineKey {
        LineKey {
            kind: LineKind::Product,
            id: id.to_string(),
        }
    }

    #[test]
    fn a_full_cart_takes_nothing_new_and_still_changes_what_it_has() {
        let mut cart = Cart::empty("meena");
        for id in 0..200 {
            cart.set(&key(id), 1).unwrap();
        }
        assert_eq!(cart.set(&key(200), 1), Err(CartFull));
        assert_eq!(cart.set(&key(0), 7), Ok(()));
        assert_eq!(cart.lines[0].quantity, 7);
    }

    proptest! {
        #[test]
        fn what_is_said_twice_is_said_once(said in prop::collection::vec((0_u8..9, 0_u32..5), 0..40)) {
            let mut once = Cart::empty("meena");
            let mut twice = Cart::empty("meena");
            for (id, quantity) in &said {
                once.set(&key(*id), *quantity).unwrap();
                twice.set(&key(*id), *quantity).unwrap();
                twice.set(&key(*id), *quantity).unwrap();
            }
            prop_assert_eq!(&once, &twice);
            prop_assert!(once.lines.iter().all(|line| line.quantity > 0));
        }

        #[test]
        fn merging_twice_is_merging_once(own in prop::collection::vec((0_u8..9, 1_u32..5), 0..9), other in prop::collection::vec((0_u8..9, 1_u32..5), 0..9)) {
            let mut cart = Cart::empty("meena");
            for (id, quantity) in &own {
                cart.set(&key(*id), *quantity).unwrap();
            }
            let others: Vec<_> = other.iter().map(|(id, quantity)| WantedLine { key: key(*id), quantity: *quantity }).collect();
            cart.merge(&others).unwrap();
            let once = cart.clone();
            cart.merge(&others).unwrap();
            prop_assert_eq!(once, cart);
        }
    }
}

//! What a customer would like some day.

use serde::{Deserialize, Serialize};

use super::records::Kept;

/// The most products of a wishlist.
pub const WISHES_MAX: usize = 200;

/// The products that an account has marked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Wishlist {
    /// Whose it is.
    pub customer_id: String,
    /// The latest first, each once.
    pub product_ids: Vec<String>,
}

impl Kept for Wishlist {
    const KIND: &'static str = "wishlist";

    fn id(&self) -> &str {
        &self.customer_id
    }
}

/// There would be more products than a wishlist has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a wishlist has at most {WISHES_MAX} products")]
pub struct TooManyWishes;

impl Wishlist {
    /// A list without products.
    pub fn empty(customer_id: &str) -> Self {
        Self {
            customer_id: customer_id.to_owned(),
            product_ids: Vec::new(),
        }
    }

    /// Adds a product; one that is there stays where it is.
    ///
    /// # Errors
    /// [`TooManyWishes`].
    pub fn add(&mut self, product_id: &str) -> Result<(), TooManyWishes> {
        if self.product_ids.iter().any(|id| id == product_id) {
            return Ok(());
        }
        if self.product_ids.len() >= WISHES_MAX {
            return Err(TooManyWishes);
        }
        self.product_ids.insert(0, product_id.to_owned());
        Ok(())
    }

    /// Takes a product off, if it is there.
    pub fn remove(&mut self, product_id: &str) {
        self.product_ids.retain(|id| id != product_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_wished_for_once_and_the_latest_stands_first() {
        let mut list = Wishlist::empty("c");
        for id in ["a", "b", "a"] {
            list.add(id).unwrap();
        }
        assert_eq!(list.product_ids, ["b", "a"]);
        list.remove("b");
        list.remove("b");
        assert_eq!(list.product_ids, ["a"]);
    }
}

//! Where a customer's orders go, one book for each account, so that its limit holds whoever writes at the same time.

use serde::{Deserialize, Serialize};

use super::contact::Address;
use super::records::Kept;

/// The most addresses of one customer.
pub const ADDRESSES_MAX: usize = 20;

/// A customer's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct AddressBook {
    /// Whose it is.
    pub customer_id: String,
    /// In the order in which they came.
    pub addresses: Vec<OwnAddress>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct OwnAddress {
    /// Unguessable.
    pub id: String,
    /// What its customer calls it.
    pub label: String,
    /// Where it is.
    pub address: Address,
}

impl Kept for AddressBook {
    const KIND: &'static str = "address_book";

    fn id(&self) -> &str {
        &self.customer_id
    }
}

impl AddressBook {
    /// One with nothing in it.
    pub fn empty(customer_id: &str) -> Self {
        Self {
            customer_id: customer_id.to_owned(),
            addresses: Vec::new(),
        }
    }

    /// One address.
    pub fn find(&self, id: &str) -> Option<&OwnAddress> {
        self.addresses.iter().find(|one| one.id == id)
    }
}

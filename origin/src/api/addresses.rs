//! A customer's addresses.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::asker;
use super::body;
use super::error::{ApiError, FieldError};
use super::orders::{AddressView, conflict, wrong};
use super::response::Reply;
use super::routes::Call;
use crate::commerce::address_book::{ADDRESSES_MAX, AddressBook, OwnAddress};
use crate::commerce::contact::Address;
use crate::commerce::ids;

/// An address with its name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelledAddress {
    /// What its customer calls it, 1 to 40 characters.
    pub label: String,
    /// Where it is.
    pub address: AddressView,
}

/// One of a customer's addresses.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OwnAddressView {
    /// Its id.
    pub id: String,
    /// What its customer calls it.
    pub label: String,
    /// Where it is.
    pub address: AddressView,
}

/// A customer's addresses, at most 20.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AddressPage {
    /// In the order in which they came.
    pub items: Vec<OwnAddressView>,
}

impl From<&OwnAddress> for OwnAddressView {
    fn from(own: &OwnAddress) -> Self {
        Self {
            id: own.id.clone(),
            label: own.label.clone(),
            address: AddressView {
                line1: own.address.line1.clone(),
                line2: own.address.line2.clone(),
                city: own.address.city.clone(),
                state: own.address.state.clone(),
                pincode: own.address.pincode.clone(),
            },
        }
    }
}

fn checked(call: &Call, id: String) -> Result<OwnAddress, ApiError> {
    let given: LabelledAddress = body::json(call)?;
    let label = given.label.trim();
    let mut fields: Vec<FieldError> = Vec::new();
    if !(1..=40).contains(&label.chars().count()) || label.chars().any(char::is_control) {
        fields.push(FieldError::at(
            "/label",
            "invalid_field",
            "expected 1 to 40 characters",
        ));
    }
    let address = Address::from(&given.address).checked();
    fields.extend(wrong("/address", address.as_ref().err()));
    match address {
        Ok(address) if fields.is_empty() => Ok(OwnAddress {
            id,
            label: label.to_owned(),
            address,
        }),
        _ => Err(ApiError::BadBody(fields)),
    }
}

async fn changed(
    call: &Call,
    change: impl Fn(&mut AddressBook) -> Result<(), ApiError>,
) -> Result<AddressBook, ApiError> {
    let (_, customer) = asker(call)?;
    let at = call.app.clock.now();
    let new = || AddressBook::empty(customer);
    call.app.database.change_or_add(new, at, change).await
}

async fn book(call: &Call) -> Result<AddressBook, ApiError> {
    let (_, customer) = asker(call)?;
    let found = call.app.database.get::<AddressBook>(customer).await?;
    Ok(found.map_or_else(|| AddressBook::empty(customer), |found| found.value))
}

fn one(status: StatusCode, own: Option<&OwnAddress>) -> Result<Reply, ApiError> {
    Reply::fresh(
        status,
        &OwnAddressView::from(own.ok_or(ApiError::NotFound)?),
    )
}

pub(super) async fn list(call: Call) -> Result<Reply, ApiError> {
    let book = book(&call).await?;
    let items = book.addresses.iter().map(OwnAddressView::from).collect();
    Reply::fresh(StatusCode::OK, &AddressPage { items })
}

pub(super) async fn show(call: Call) -> Result<Reply, ApiError> {
    one(StatusCode::OK, book(&call).await?.find(&call.segment))
}

pub(super) async fn add(call: Call) -> Result<Reply, ApiError> {
    let new = checked(&call, ids::unguessable())?;
    let book = changed(&call, |book| {
        if book.addresses.len() >= ADDRESSES_MAX {
            let detail = format!("There are {ADDRESSES_MAX} already.");
            return Err(conflict("too_many_addresses", detail));
        }
        book.addresses.push(new.clone());
        Ok(())
    });
    one(StatusCode::CREATED, book.await?.find(&new.id))
}

pub(super) async fn replace(call: Call) -> Result<Reply, ApiError> {
    let new = checked(&call, call.segment.clone())?;
    let book = changed(&call, |book| {
        let mut all = book.addresses.iter_mut();
        let own = all.find(|own| own.id == new.id).ok_or(ApiError::NotFound)?;
        *own = new.clone();
        Ok(())
    });
    one(StatusCode::OK, book.await?.find(&new.id))
}

pub(super) async fn remove(call: Call) -> Result<Reply, ApiError> {
    changed(&call, |book| {
        let before = book.addresses.len();
        book.addresses.retain(|own| own.id != call.segment);
        if book.addresses.len() == before {
            return Err(ApiError::NotFound);
        }
        Ok(())
    })
    .await?;
    Reply::fresh(StatusCode::OK, &super::auth::Nothing {})
}

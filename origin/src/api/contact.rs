//! What visitors ask the shop for: to be told when a product is back, and an answer.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::{Nothing, wrong_field};
use super::body;
use super::error::{ApiError, FieldError};
use super::orders::conflict;
use super::permission;
use super::response::Reply;
use super::routes::Call;
use crate::commerce::accounts::Customer;
use crate::commerce::availability::Availability;
use crate::commerce::messages::{self, Message};
use crate::commerce::records::Writes;
use crate::commerce::{contact, waiting};

/// Who is told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyRequest {
    /// Mail address; left out by whoever is logged in, whose own it is then.
    #[serde(default)]
    pub email: Option<String>,
}

/// A message to the shop.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactRequest {
    /// Name, 1 to 100 characters.
    pub name: String,
    /// Where an answer goes.
    pub email: String,
    /// Indian mobile number.
    #[serde(default)]
    pub phone: Option<String>,
    /// 10 to 3000 characters.
    pub message: String,
}

const EMAIL: &str = "expected a mail address such as meena@example.in";

/// The address that is told: the one that was typed, or the account's.
async fn address(call: &Call, typed: Option<&str>) -> Result<String, ApiError> {
    if let Some(typed) = typed {
        return contact::email(typed).ok_or_else(|| wrong_field("/email", EMAIL));
    }
    let id = permission::customer(&call.app, &call.headers).await?;
    let customer = match id {
        Some(id) => call.app.database.get::<Customer>(&id).await?,
        None => None,
    };
    let customer = customer.ok_or_else(|| wrong_field("/email", EMAIL))?;
    Ok(customer.value.email)
}

pub(super) async fn notify(call: Call) -> Result<Reply, ApiError> {
    let request: NotifyRequest = body::json(&call)?;
    let email = address(&call, request.email.as_deref()).await?;
    let database = &call.app.database;
    let found = database.product_by_id_or_slug(&call.segment).await?;
    let product = found.ok_or(ApiError::NotFound)?;
    if product.availability != Availability::SoldOut {
        let detail = "This product is in stock.".to_owned();
        return Err(conflict("in_stock", detail));
    }
    waiting::wait(database, &product.id, &email, call.app.clock.now()).await?;
    // The same for whoever waits already, and for one too many: who waits is nobody else's business.
    Reply::fresh(StatusCode::ACCEPTED, &Nothing {})
}

/// The message in its one spelling, or everything that is wrong with it.
fn checked(request: &ContactRequest) -> Result<Message, ApiError> {
    let name = messages::text(&request.name, 1, 100).filter(|name| !name.contains('\n'));
    let email = contact::email(&request.email);
    let phone = request.phone.as_deref().map(contact::phone);
    let text = messages::text(&request.message, 10, 3000);
    let mut wrong = Vec::new();
    for (is_good, pointer, detail) in [
        (name.is_some(), "/name", "expected 1 to 100 characters"),
        (email.is_some(), "/email", EMAIL),
        (
            phone != Some(None),
            "/phone",
            "expected an Indian mobile number of ten digits",
        ),
        (text.is_some(), "/message", "expected 10 to 3000 characters"),
    ] {
        if !is_good {
            wrong.push(FieldError::at(pointer, "invalid_field", detail));
        }
    }
    match (name, email, text) {
        (Some(name), Some(email), Some(text)) if wrong.is_empty() => Ok(Message {
            name,
            email,
            phone: phone.flatten(),
            text,
        }),
        _ => Err(ApiError::BadBody(wrong)),
    }
}

pub(super) async fn send(call: Call) -> Result<Reply, ApiError> {
    let request: ContactRequest = body::json(&call)?;
    let message = checked(&request)?;
    let shop = call.app.shop_settings().await?.ok_or(ApiError::NotFound)?;
    let at = call.app.clock.now();
    let writes = Writes::default().with(&message.mail(&shop.email, at))?;
    call.app.database.write_records(&writes, at).await?;
    Reply::fresh(StatusCode::ACCEPTED, &Nothing {})
}

//! Papers as PDF: the price list for everybody, an order's invoice and an enquiry's estimate for whoever may see them.

use std::sync::Arc;

use bytes::Bytes;

use super::error::ApiError;
use super::orders::conflict;
use super::response::Reply;
use super::routes::Call;
use super::{auth, enquiries, price_list, tracking};
use crate::app::App;
use crate::commerce::orders::Order;
use crate::commerce::papers::{self, Paper, Seen};

/// What a paper is sent as.
const PDF: &str = "application/pdf";

/// A paper as a file, made by one of the few threads that draw.
pub(super) async fn drawn(app: &App, paper: Paper) -> Result<Bytes, ApiError> {
    let places = Arc::clone(&app.drawing);
    let place = places.acquire_owned().await;
    let place = place.map_err(|error| ApiError::internal(error.to_string()))?;
    let drawn = tokio::task::spawn_blocking(move || {
        let drawn = papers::draw(&paper);
        // Held until it is done, even where nobody waits for it any more.
        drop(place);
        drawn
    });
    let drawn = drawn
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let file = drawn.map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(file.into())
}

pub(super) async fn price_list(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        let shop = app.shop_settings().await?.ok_or(ApiError::NotFound)?;
        let paper = papers::price_list(&price_list::sections(app).await?, &shop);
        let mut tags = price_list::tags();
        tags.push("shop".to_owned());
        Ok(Reply::public_body(PDF, drawn(app, paper).await?, tags))
    };
    app.answers
        .get("price-list.pdf".to_owned(), &app.metrics, make)
        .await
}

pub(super) async fn invoice_by_token(call: Call) -> Result<Reply, ApiError> {
    let order = tracking::of_token(&call).await?;
    invoice(&call.app, &order, Seen::ByToken).await
}

pub(super) async fn own_invoice(call: Call) -> Result<Reply, ApiError> {
    let order = auth::own_order(&call).await?;
    invoice(&call.app, &order, Seen::ByTheirOwn).await
}

pub(super) async fn invoice_for_staff(call: Call) -> Result<Reply, ApiError> {
    let order = call.app.database.order_by_id(&call.segment).await?;
    invoice(
        &call.app,
        &order.ok_or(ApiError::NotFound)?,
        Seen::ByTheirOwn,
    )
    .await
}

pub(super) async fn estimate(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let enquiry = enquiries::of_token(&call).await?;
    let shop = app.shop_settings().await?.ok_or(ApiError::NotFound)?;
    let number = enquiry.number_text();
    let paper = papers::estimate(&number, &enquiry.quote, &shop, enquiry.at);
    file(app, paper, format!("estimate-{number}.pdf")).await
}

async fn invoice(app: &App, order: &Order, seen: Seen) -> Result<Reply, ApiError> {
    let shop = app.shop_settings().await?.ok_or(ApiError::NotFound)?;
    let paper = papers::invoice(order, &shop, seen).ok_or_else(|| {
        let detail = "There is an invoice once the order is confirmed.".to_owned();
        conflict("not_confirmed", detail)
    })?;
    file(app, paper, format!("invoice-{}.pdf", order.number_text())).await
}

/// A paper that nobody keeps, saved under a name.
async fn file(app: &App, paper: Paper, name: String) -> Result<Reply, ApiError> {
    Ok(Reply::file(PDF, name, drawn(app, paper).await?))
}

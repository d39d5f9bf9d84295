//! What whoever is logged in would like some day.

use http::StatusCode;

use super::auth::asker;
use super::error::ApiError;
use super::orders::conflict;
use super::response::Reply;
use super::routes::Call;
use super::views::{Page, ProductSummary};
use crate::commerce::wishlists::{TooManyWishes, Wishlist};

async fn shown(call: &Call, list: &Wishlist) -> Result<Reply, ApiError> {
    let database = &call.app.database;
    let products = database.products_by_ids(&list.product_ids).await?;
    let categories = database.categories().await?;
    let items = products
        .iter()
        .map(|product| ProductSummary::of(product, &categories))
        .collect();
    Reply::fresh(StatusCode::OK, &Page::whole(items))
}

async fn changed(
    call: &Call,
    change: impl Fn(&mut Wishlist) -> Result<(), TooManyWishes>,
) -> Result<Reply, ApiError> {
    let (_, id) = asker(call)?;
    let change = |list: &mut Wishlist| {
        change(list).map_err(|why| conflict("too_many_wishes", why.to_string()))
    };
    let (database, now) = (&call.app.database, call.app.clock.now());
    let list = database.change_or_add(|| Wishlist::empty(id), now, change);
    shown(call, &list.await?).await
}

pub(super) async fn show(call: Call) -> Result<Reply, ApiError> {
    let (_, id) = asker(&call)?;
    let found = call.app.database.get::<Wishlist>(id).await?;
    let list = found.map_or_else(|| Wishlist::empty(id), |found| found.value);
    shown(&call, &list).await
}

pub(super) async fn add(call: Call) -> Result<Reply, ApiError> {
    let found = call
        .app
        .database
        .product_by_id_or_slug(&call.segment)
        .await?;
    let product = found.ok_or(ApiError::NotFound)?;
    changed(&call, |list| list.add(&product.id)).await
}

pub(super) async fn remove(call: Call) -> Result<Reply, ApiError> {
    changed(&call, |list| {
        list.remove(&call.segment);
        Ok(())
    })
    .await
}

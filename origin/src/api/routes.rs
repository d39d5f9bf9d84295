//! The one table of routes: method, path, who may, what it takes and gives.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::error::ApiError;
use super::parameters::{Parameter, Query};
use super::response::Reply;
use super::{
    categories, combos, docs, health, openapi, orders, price_list, products, quotes, shop, sitemap,
    tracking,
};
use crate::app::App;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Everybody.
    Public,
}

/// What a handler gets: the checked request.
pub struct Call {
    /// The running origin.
    pub app: Arc<App>,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body, as sent; empty where the route takes none.
    pub body: Bytes,
    /// The part of the path that the pattern leaves open; empty when it leaves none.
    pub segment: String,
    /// The checked query.
    pub query: Query,
}

/// What a handler gives back.
pub type Answered = BoxFuture<'static, Result<Reply, ApiError>>;

/// One row of the table.
pub struct Route {
    /// Pattern; one segment may stand open in braces.
    pub path: &'static str,
    /// GET (HEAD comes with it) or another one.
    pub method: Method,
    /// Who may use it.
    pub permission: Permission,
    /// For the documentation.
    pub summary: &'static str,
    /// The query it takes; anything else is refused.
    pub parameters: &'static [Parameter],
    /// Schema of the JSON that it takes; none where it takes no body.
    pub body: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// Whether it must be sent with an `Idempotency-Key`.
    pub needs_key: bool,
    /// Status of the answer when all went well.
    pub status: StatusCode,
    /// Content type of its answer.
    pub content_type: &'static str,
    /// Schema of its answer, where that is JSON.
    pub schema: Option<fn(&mut SchemaGenerator) -> Schema>,
    pub(super) handler: fn(Call) -> Answered,
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A row for a public GET that answers JSON of type `$kind`.
macro_rules! json {
    ($path:literal, $kind:ty, $parameters:expr, $handler:path, $summary:literal) => {
        Route {
            path: $path,
            method: Method::GET,
            permission: Permission::Public,
            summary: $summary,
            parameters: $parameters,
            body: None,
            needs_key: false,
            status: StatusCode::OK,
            content_type: "application/json",
            schema: Some(schema_of::<$kind>),
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// A row for a public GET that answers something else.
macro_rules! other {
    ($path:literal, $content_type:literal, $handler:path, $summary:literal) => {
        Route {
            path: $path,
            method: Method::GET,
            permission: Permission::Public,
            summary: $summary,
            parameters: &[],
            body: None,
            needs_key: false,
            status: StatusCode::OK,
            content_type: $content_type,
            schema: None,
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// A row for a public POST that takes JSON of type `$body` and answers JSON of type `$kind`.
macro_rules! post {
    ($path:literal, $body:ty => $status:ident $kind:ty, needs_key: $needs_key:literal, $handler:path, $summary:literal) => {
        Route {
            path: $path,
            method: Method::POST,
            permission: Permission::Public,
            summary: $summary,
            parameters: &[],
            body: Some(schema_of::<$body>),
            needs_key: $needs_key,
            status: StatusCode::$status,
            content_type: "application/json",
            schema: Some(schema_of::<$kind>),
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// Every route of the API. HEAD comes with GET.
pub static ROUTES: &[Route] = &[
    json!(
        "/api/shop",
        shop::ShopView,
        &[],
        shop::show,
        "The shop: mode, licence, charges, notices"
    ),
    json!(
        "/api/products",
        products::ProductPage,
        products::LIST,
        products::list,
        "Products, filtered and sorted"
    ),
    json!(
        "/api/products/suggest",
        products::Suggestions,
        products::SUGGEST,
        products::suggest,
        "Products while a name is typed"
    ),
    json!(
        "/api/products/{id}",
        super::ProductView,
        &[],
        products::show,
        "One product, by id or slug"
    ),
    json!(
        "/api/categories",
        categories::CategoryPage,
        &[],
        categories::list,
        "Categories with counts"
    ),
    json!(
        "/api/categories/{slug}",
        categories::CategoryView,
        &[],
        categories::show,
        "One category"
    ),
    json!(
        "/api/bundles",
        combos::ComboPage,
        &[],
        combos::bundles,
        "Bundles"
    ),
    json!(
        "/api/bundles/{slug}",
        combos::ComboView,
        &[],
        combos::bundle,
        "One bundle"
    ),
    json!(
        "/api/giftboxes",
        combos::ComboPage,
        &[],
        combos::gift_boxes,
        "Gift boxes"
    ),
    json!(
        "/api/giftboxes/{slug}",
        combos::ComboView,
        &[],
        combos::gift_box,
        "One gift box"
    ),
    json!(
        "/api/price-list",
        price_list::PriceList,
        &[],
        price_list::json,
        "The whole price list"
    ),
    other!(
        "/api/price-list.csv",
        "text/csv",
        price_list::csv,
        "The price list for spreadsheets"
    ),
    post!(
        "/api/cart/quote", quotes::WantedList => OK quotes::QuoteView, needs_key: false,
        quotes::quote,
        "What a list would cost"
    ),
    post!(
        "/api/orders", orders::OrderRequest => CREATED orders::OrderView, needs_key: true,
        orders::place,
        "Place an order"
    ),
    post!(
        "/api/orders/track", tracking::TrackRequest => OK tracking::TrackView, needs_key: false,
        tracking::by_number,
        "How an order stands, by its number and the phone or mail it was placed with"
    ),
    json!(
        "/api/track/{token}",
        tracking::TrackView,
        &[],
        tracking::by_token,
        "How an order stands, by what its customer was given"
    ),
    post!(
        "/api/track/{token}/payment", tracking::PaymentRequest => OK tracking::TrackView, needs_key: false,
        tracking::pay,
        "Say that an order is paid; staff look"
    ),
    post!(
        "/api/track/{token}/cancel", tracking::CancelRequest => OK tracking::TrackView, needs_key: false,
        tracking::cancel,
        "Call an order off"
    ),
    json!(
        "/api/health",
        health::Health,
        &[],
        health::show,
        "Whether the shop can work, its database included"
    ),
    json!(
        "/api/health/live",
        health::Live,
        &[],
        health::live,
        "Whether this process serves"
    ),
    other!(
        "/api/openapi.json",
        "application/json",
        openapi::show,
        "This description"
    ),
    other!(
        "/api/docs",
        "text/html",
        docs::show,
        "This description for people"
    ),
    other!(
        "/sitemap.xml",
        "application/xml",
        sitemap::sitemap,
        "Pages for search engines"
    ),
    other!(
        "/robots.txt",
        "text/plain",
        sitemap::robots,
        "What search engines may read"
    ),
];

//! The one table of routes, and the way from a request to its handler.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Response, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::context::RequestContext;
use super::error::ApiError;
use super::parameters::{Parameter, Query};
use super::response::{Reply, failure, finish};
use super::{
    categories, combos, docs, health, openapi, orders, price_list, products, quotes, shop, sitemap,
    tracking,
};
use crate::accept::Body;
use crate::app::App;
use crate::assets;

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
    handler: fn(Call) -> Answered,
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

/// The routes, ready for look-up: all methods of a path together.
pub struct Router(matchit::Router<Vec<&'static Route>>);

impl Router {
    /// The table, ready for look-up.
    ///
    /// # Panics
    /// Never: the table is constant, and a test makes a router of it.
    pub fn new() -> Self {
        let mut by_path: BTreeMap<&str, Vec<&'static Route>> = BTreeMap::new();
        for route in ROUTES {
            by_path.entry(route.path).or_default().push(route);
        }
        let mut router = matchit::Router::new();
        for (path, routes) in by_path {
            router
                .insert(path, routes)
                .expect("the patterns of the table do not collide");
        }
        Self(router)
    }

    /// The routes of a path, and the segment that their pattern leaves open.
    fn find(&self, path: &str) -> Option<(&[&'static Route], String)> {
        let found = self.0.at(path).ok()?;
        let segment = found.params.iter().next().map_or("", |(_, value)| value);
        let segment = percent_encoding::percent_decode_str(segment)
            .decode_utf8()
            .ok()?;
        Some((found.value, segment.into_owned()))
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

/// The methods of a path, as `Allow` lists them.
fn allowed(routes: &[&Route]) -> String {
    let mut methods: Vec<_> = routes.iter().map(|route| route.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.join(", ")
}

/// Answers a request, whatever it is.
pub async fn answer(
    app: Arc<App>,
    context: RequestContext,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let begun = app.clock.now_microseconds();
    let (route, result) = dispatch(&app, &context, &headers, body).await;
    let response = match result {
        Ok(reply) => finish(&app, &context, &headers, reply),
        Err(error) => failure(&app, &context, &error),
    };
    let status = response.status();
    app.metrics
        .requests
        .with_label_values(&[route, status.as_str()])
        .inc();
    let microseconds = app.clock.now_microseconds() - begun;
    let seconds = app.metrics.request_seconds.with_label_values(&[route]);
    seconds.observe(
        std::time::Duration::from_micros(microseconds.max(0).unsigned_abs()).as_secs_f64(),
    );
    response
}

/// The route's name for the metrics, and what came of it.
async fn dispatch(
    app: &Arc<App>,
    context: &RequestContext,
    headers: &HeaderMap,
    body: Bytes,
) -> (&'static str, Result<Reply, ApiError>) {
    let reads = context.method == Method::GET || context.method == Method::HEAD;
    let Some((routes, segment)) = app.router.find(&context.path) else {
        if context.path.starts_with("/api/") {
            return ("unknown", Err(ApiError::NotFound));
        }
        if !reads {
            let allowed = "GET, HEAD".to_owned();
            return ("assets", Err(ApiError::MethodNotAllowed(allowed)));
        }
        return ("assets", assets::answer(app, &context.path).await);
    };
    let wanted = if reads { &Method::GET } else { &context.method };
    let Some(route) = routes.iter().find(|route| route.method == *wanted) else {
        return ("other", Err(ApiError::MethodNotAllowed(allowed(routes))));
    };
    let query = match Query::read(&context.query, route.parameters) {
        Ok(query) => query,
        Err(error) => return (route.path, Err(error)),
    };
    let call = Call {
        app: Arc::clone(app),
        headers: headers.clone(),
        body,
        segment,
        query,
    };
    let answered = (route.handler)(call).await;
    let succeeded = answered.map(|reply| Reply {
        status: if reply.status == StatusCode::OK {
            route.status
        } else {
            reply.status
        },
        ..reply
    });
    (route.path, succeeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_that_of_the_snapshot() {
        let rows: Vec<_> = ROUTES
            .iter()
            .map(|route| {
                format!(
                    "{} {} {:?} {}",
                    route.method, route.path, route.permission, route.content_type
                )
            })
            .collect();
        insta::assert_yaml_snapshot!(rows);
    }

    #[test]
    fn a_literal_path_goes_before_a_pattern() {
        let router = Router::new();
        assert_eq!(
            router.find("/api/products/suggest").unwrap().0[0].path,
            "/api/products/suggest"
        );
        let (routes, segment) = router.find("/api/products/a%20b").unwrap();
        assert_eq!(
            (routes[0].path, segment.as_str()),
            ("/api/products/{id}", "a b")
        );
    }
}

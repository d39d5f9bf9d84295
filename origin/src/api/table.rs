//! The one table of routes: method, path, who may, what it takes and gives.

use http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::parameters::{Kind, Parameter};
use super::permission::Permission;
use super::routes::Route;
use super::staff::{access, catalogue as staff_catalogue, orders as staff_orders};
use super::{
    auth, categories, combos, docs, health, openapi, orders, price_list, products, quotes, shop,
    sitemap, tracking,
};
use crate::commerce::staff::Right;

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

/// A row for an account's or staff's own: never kept, JSON both ways.
macro_rules! own {
    ($method:ident $path:literal, $permission:expr, $parameters:expr, $($body:ty)? => $status:ident $kind:ty, $handler:path, $summary:literal) => {
        Route {
            path: $path,
            method: Method::$method,
            permission: $permission,
            summary: $summary,
            parameters: $parameters,
            body: own!(@schema $($body)?),
            needs_key: false,
            status: StatusCode::$status,
            content_type: "application/json",
            schema: Some(schema_of::<$kind>),
            handler: |call| Box::pin($handler(call)),
        }
    };
    (@schema) => { None };
    (@schema $body:ty) => { Some(schema_of::<$body>) };
}

/// Which page of a list that is in order of number or time.
const PAGE: &[Parameter] = &[CURSOR, LIMIT];
const CURSOR: Parameter = Parameter {
    name: "cursor",
    kind: Kind::Text(64),
    description: "next_cursor of the page before",
};
const LIMIT: Parameter = Parameter {
    name: "limit",
    kind: Kind::Integer(1, 100),
    description: "Items of a page",
};

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
    own!(
        GET "/api/orders", Permission::Customer, PAGE, => OK auth::OwnOrderPage,
        auth::orders, "One's orders, newest first"
    ),
    own!(
        GET "/api/orders/{id}", Permission::Customer, &[], => OK auth::OwnOrderView,
        auth::order, "One's order"
    ),
    own!(
        POST "/api/auth/otp", Permission::Public, &[], auth::CodeRequest => ACCEPTED auth::CodeSent,
        auth::send_code, "Mail a code for log-in"
    ),
    own!(
        POST "/api/auth/otp/verify", Permission::Public, &[], auth::CodeGiven => OK auth::MeView,
        auth::log_in, "Log in with a mailed code"
    ),
    own!(
        POST "/api/auth/logout", Permission::Customer, &[], => OK auth::Nothing,
        auth::log_out, "Log out here"
    ),
    own!(
        GET "/api/auth/sessions", Permission::Customer, &[], => OK auth::SessionPage,
        auth::sessions, "Where one is logged in"
    ),
    own!(
        DELETE "/api/auth/sessions", Permission::Customer, &[], => OK auth::Nothing,
        auth::log_out_everywhere, "Log out everywhere"
    ),
    own!(
        GET "/api/auth/me", Permission::Customer, &[], => OK auth::MeView,
        auth::me, "Oneself"
    ),
    own!(
        PATCH "/api/auth/me", Permission::Customer, &[], auth::MePatch => OK auth::MeView,
        auth::patch_me, "Change name and phone"
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
    own!(
        POST "/api/admin/login", Permission::Public, &[], access::Credentials => OK access::StaffMeView,
        access::log_in, "Log in as staff"
    ),
    own!(
        POST "/api/admin/logout", Permission::AnyStaff, &[],  => OK auth::Nothing,
        access::log_out, "Log out"
    ),
    own!(
        GET "/api/admin/me", Permission::AnyStaff, &[],  => OK access::StaffMeView,
        access::me, "Oneself, as staff"
    ),
    own!(
        GET "/api/admin/staff", Permission::Staff(Right::Staff), &[],  => OK access::StaffPage,
        access::list, "Staff"
    ),
    own!(
        POST "/api/admin/staff", Permission::Staff(Right::Staff), &[], access::NewStaff => CREATED access::StaffView,
        access::add, "Add a member of staff"
    ),
    own!(
        DELETE "/api/admin/staff/{id}", Permission::Staff(Right::Staff), &[],  => OK auth::Nothing,
        access::remove, "End somebody's access"
    ),
    own!(
        GET "/api/admin/audit", Permission::Staff(Right::Audit), PAGE,  => OK access::AuditPage,
        access::audit, "What staff did"
    ),
    own!(
        GET "/api/admin/mails", Permission::Staff(Right::Audit), PAGE,  => OK access::MailPage,
        access::mails, "Mails that nobody took"
    ),
    own!(
        POST "/api/admin/mails/{id}/again", Permission::Staff(Right::Settings), &[],  => OK auth::Nothing,
        access::send_again, "Try a mail again"
    ),
    own!(
        GET "/api/admin/orders", Permission::Staff(Right::Orders), staff_orders::LIST,  => OK staff_orders::StaffOrderPage,
        staff_orders::list, "Orders"
    ),
    own!(
        GET "/api/admin/orders/{id}", Permission::Staff(Right::Orders), &[],  => OK staff_orders::StaffOrderView,
        staff_orders::show, "One order"
    ),
    own!(
        POST "/api/admin/orders/{id}/step", Permission::Staff(Right::Orders), &[], staff_orders::StepRequest => OK staff_orders::StaffOrderView,
        staff_orders::step, "Take an order on"
    ),
    own!(
        POST "/api/admin/orders/{id}/payment", Permission::Staff(Right::Payments), &[], staff_orders::PaymentDecision => OK staff_orders::StaffOrderView,
        staff_orders::decide, "Decide on a payment"
    ),
    own!(
        POST "/api/admin/products", Permission::Staff(Right::Catalogue), &[], staff_catalogue::NewProduct => CREATED staff_catalogue::StaffProductView,
        staff_catalogue::create, "Add a product"
    ),
    own!(
        GET "/api/admin/products/{id}", Permission::Staff(Right::Catalogue), &[],  => OK staff_catalogue::StaffProductView,
        staff_catalogue::show, "One product, by id, slug or SKU"
    ),
    own!(
        PATCH "/api/admin/products/{id}", Permission::Staff(Right::Catalogue), &[], staff_catalogue::ProductChange => OK staff_catalogue::StaffProductView,
        staff_catalogue::change, "Change a product"
    ),
    own!(
        GET "/api/admin/products/{id}/stock", Permission::Staff(Right::Catalogue), &[],  => OK staff_catalogue::StockView,
        staff_catalogue::stock, "A stock and its movements"
    ),
    own!(
        POST "/api/admin/products/{id}/stock", Permission::Staff(Right::Catalogue), &[], staff_catalogue::Adjustment => OK staff_catalogue::StockView,
        staff_catalogue::adjust, "Adjust a stock"
    ),
    own!(
        PATCH "/api/admin/shop", Permission::Staff(Right::Settings), &[], staff_catalogue::ShopChange => OK super::shop::ShopView,
        staff_catalogue::change_shop, "Change how the shop sells"
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

//! What everybody may read of the shop.

use super::super::{ProductView, categories, combos, price_list, products, shop};
use super::{Method, Permission, Route, StatusCode, schema_of};

pub(super) static ROUTES: &[Route] = &[
    json!(
        "/api/shop",
        shop::ShopView,
        &[],
        shop::show,
        "The shop: mode, licence, charges, notices"
    ),
    json!(
        "/api/shop/zones",
        shop::ZonePage,
        &[],
        shop::zones,
        "Where the shop delivers, and for how much"
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
        ProductView,
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
];

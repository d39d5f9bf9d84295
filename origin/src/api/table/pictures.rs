//! Pictures of goods.

use super::super::staff::{catalogue, categories, combos, images};
use super::{Method, Permission, Route, StatusCode, schema_of};
use crate::commerce::staff::Right;

pub(super) static ROUTES: &[Route] = &[
    picture!(
        POST "/api/admin/products/{id}/images", Permission::Staff(Right::Catalogue) => CREATED catalogue::StaffProductView,
        images::add, "Add a picture to a product"
    ),
    own!(
        PUT "/api/admin/products/{id}/images", Permission::Staff(Right::Catalogue), &[], images::ImageOrder => OK catalogue::StaffProductView,
        images::arrange, "Order, describe and remove a product's pictures"
    ),
    picture!(
        PUT "/api/admin/categories/{slug}/image", Permission::Staff(Right::Catalogue) => OK categories::StaffCategoryView,
        images::put_of_category, "Give a category a picture"
    ),
    picture!(
        PUT "/api/admin/bundles/{id}/image", Permission::Staff(Right::Catalogue) => OK combos::StaffComboView,
        combos::bundles::put_image, "Give a bundle a picture"
    ),
    picture!(
        PUT "/api/admin/giftboxes/{id}/image", Permission::Staff(Right::Catalogue) => OK combos::StaffComboView,
        combos::gift_boxes::put_image, "Give a gift box a picture"
    ),
];

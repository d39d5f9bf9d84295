//! What an account would like some day, and what its owner does to orders.

use super::super::{auth, own_orders, products, tracking, wishlist};
use super::{Method, Permission, Route, StatusCode, schema_of};

pub(super) static ROUTES: &[Route] = &[
    own!(
        GET "/api/wishlist", Permission::Customer, &[], => OK products::ProductPage,
        wishlist::show, "What one would like some day, the latest first"
    ),
    own!(
        PUT "/api/wishlist/{id}", Permission::Customer, &[], => OK products::ProductPage,
        wishlist::add, "Mark a product"
    ),
    own!(
        DELETE "/api/wishlist/{id}", Permission::Customer, &[], => OK products::ProductPage,
        wishlist::remove, "Take a product off one's wishlist, by its id"
    ),
    own!(
        POST "/api/orders/{id}/cancel", Permission::Customer, &[], tracking::CancelRequest => OK auth::OwnOrderView,
        own_orders::cancel, "Call one's order off"
    ),
    own!(
        POST "/api/orders/{id}/payments", Permission::Customer, &[], own_orders::OwnPaymentRequest => OK auth::OwnOrderView,
        own_orders::pay, "Say that one's order is paid; staff look"
    ),
];

//! What staff do.

use super::super::auth;
use super::super::staff::{
    access, catalogue as staff_catalogue, coupons, orders as staff_orders, shop as staff_shop,
};
use super::{Method, PAGE, Permission, Route, StatusCode, schema_of};
use crate::commerce::staff::Right;

pub(super) static ROUTES: &[Route] = &[
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
    private_file!(
        "/api/admin/orders/{id}/proof",
        Permission::Staff(Right::Payments),
        "image/jpeg",
        super::super::proofs::show,
        "The picture that shows an order's latest payment"
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
        GET "/api/admin/shop", Permission::Staff(Right::Settings), &[],  => OK staff_shop::StaffShopView,
        staff_shop::show, "How the shop sells"
    ),
    own!(
        PATCH "/api/admin/shop", Permission::Staff(Right::Settings), &[], staff_shop::ShopChange => OK staff_shop::StaffShopView,
        staff_shop::change, "Change how the shop sells"
    ),
    own!(
        GET "/api/admin/coupons", Permission::Staff(Right::Settings), PAGE,  => OK coupons::CouponPage,
        coupons::list, "Coupons"
    ),
    own!(
        POST "/api/admin/coupons", Permission::Staff(Right::Settings), &[], coupons::NewCoupon => CREATED coupons::CouponView,
        coupons::create, "Add a coupon"
    ),
    own!(
        GET "/api/admin/coupons/{code}", Permission::Staff(Right::Settings), &[],  => OK coupons::CouponView,
        coupons::show, "One coupon"
    ),
    own!(
        PUT "/api/admin/coupons/{code}", Permission::Staff(Right::Settings), &[], coupons::CouponTerms => OK coupons::CouponView,
        coupons::replace, "Replace what a coupon is"
    ),
    own!(
        POST "/api/admin/coupons/{code}/uses", Permission::Staff(Right::Settings), &[], coupons::MoreUses => OK coupons::CouponView,
        coupons::more_uses, "Give a counted coupon more uses"
    ),
];

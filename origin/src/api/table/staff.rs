//! What staff do.

use super::super::auth;
use super::super::staff::{
    access, audit, bulk_price, catalogue as staff_catalogue, categories as staff_categories,
    combos as staff_combos, coupons, customers, dashboard, exports, imports, mails, members,
    orders as staff_orders, payments, product_list, second_factor, shop as staff_shop, stock,
};
use super::{Method, PAGE, Permission, Route, StatusCode, schema_of};
use crate::commerce::staff::Right;

pub(super) static ROUTES: &[Route] = &[
    own!(
        POST "/api/admin/login", Permission::Public, &[], access::Credentials => OK access::StaffMeView,
        access::log_in, "Log in as staff"
    ),
    own!(
        POST "/api/admin/logout", Permission::Newcomer, &[],  => OK auth::Nothing,
        access::log_out, "Log out"
    ),
    own!(
        GET "/api/admin/me", Permission::Newcomer, &[],  => OK access::StaffMeView,
        access::me, "Oneself, as staff"
    ),
    own!(
        POST "/api/admin/password", Permission::Newcomer, &[], access::PasswordChange => OK auth::Nothing,
        access::change_password, "Choose another password; every other session of one's own ends"
    ),
    own!(
        POST "/api/admin/totp", Permission::AnyStaff, &[], second_factor::PasswordGiven => OK second_factor::SecretView,
        second_factor::begin, "Begin with a second factor: the secret for an authenticator"
    ),
    own!(
        POST "/api/admin/totp/confirm", Permission::AnyStaff, &[], second_factor::FirstCode => OK second_factor::RecoveryView,
        second_factor::confirm, "Switch the second factor on with a first code"
    ),
    own!(
        POST "/api/admin/totp/off", Permission::AnyStaff, &[], second_factor::PasswordGiven => OK auth::Nothing,
        second_factor::switch_off, "Switch the second factor off"
    ),
    own!(
        GET "/api/admin/staff", Permission::Staff(Right::Staff), &[],  => OK members::StaffPage,
        members::list, "Staff"
    ),
    own!(
        POST "/api/admin/staff", Permission::Staff(Right::Staff), &[], members::NewStaff => CREATED members::StaffView,
        members::add, "Add a member of staff"
    ),
    own!(
        GET "/api/admin/staff/{id}", Permission::Staff(Right::Staff), &[],  => OK members::StaffView,
        members::show, "One member of staff"
    ),
    own!(
        PATCH "/api/admin/staff/{id}", Permission::Staff(Right::Staff), &[], members::StaffChange => OK members::StaffView,
        members::change, "Change somebody's name, role or access"
    ),
    own!(
        DELETE "/api/admin/staff/{id}", Permission::Staff(Right::Staff), &[],  => OK auth::Nothing,
        members::remove, "End somebody's access"
    ),
    own!(
        POST "/api/admin/staff/{id}/reset", Permission::Staff(Right::Staff), &[], members::ResetRequest => OK members::TemporaryPassword,
        members::reset, "Give somebody a password for a day, and end their sessions"
    ),
    own!(
        GET "/api/admin/audit", Permission::Staff(Right::Audit), audit::LIST,  => OK audit::AuditPage,
        audit::list, "What staff did"
    ),
    own!(
        GET "/api/admin/mails", Permission::Staff(Right::Audit), PAGE,  => OK mails::MailPage,
        mails::list, "Mails that nobody took"
    ),
    own!(
        POST "/api/admin/mails/{id}/again", Permission::Staff(Right::Settings), &[],  => OK auth::Nothing,
        mails::send_again, "Try a mail again"
    ),
    own!(
        GET "/api/admin/orders", Permission::Staff(Right::Orders), staff_orders::LIST,  => OK staff_orders::StaffOrderPage,
        staff_orders::list, "Orders"
    ),
    private_file!(
        "/api/admin/orders/export.csv",
        Permission::Staff(Right::Export),
        staff_orders::WHICH,
        exports::CSV,
        exports::orders,
        "Orders as CSV, all that the query asks for"
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
        POST "/api/admin/orders/{id}/payment", Permission::Staff(Right::Payments), &[], payments::PaymentDecision => OK staff_orders::StaffOrderView,
        payments::decide, "Decide on a payment"
    ),
    private_file!(
        "/api/admin/orders/{id}/proof",
        Permission::Staff(Right::Payments),
        "image/jpeg",
        super::super::proofs::show,
        "The picture that shows an order's latest payment"
    ),
    own!(
        GET "/api/admin/products", Permission::Staff(Right::Catalogue), product_list::LIST,  => OK product_list::StaffProductPage,
        product_list::list, "Products, active or not"
    ),
    own!(
        POST "/api/admin/products", Permission::Staff(Right::Catalogue), &[], staff_catalogue::NewProduct => CREATED staff_catalogue::StaffProductView,
        staff_catalogue::create, "Add a product"
    ),
    private_file!(
        "/api/admin/products/export.csv",
        Permission::Staff(Right::Export),
        &[],
        exports::CSV,
        exports::products,
        "Products as CSV, active or not; the import takes it again"
    ),
    sheet!(
        "/api/admin/products/import", Permission::Staff(Right::Catalogue), imports::PARAMETERS => imports::ImportReport,
        imports::products, "Add and change products from CSV, all lines or none"
    ),
    own!(
        POST "/api/admin/products/bulk-price", Permission::Staff(Right::Catalogue), &[], bulk_price::BulkPrice => OK bulk_price::BulkPriceView,
        bulk_price::change, "Other prices for many products: looked at first, then done exactly so"
    ),
    own!(
        POST "/api/admin/stock", Permission::Staff(Right::Catalogue), &[], stock::StockChange => OK stock::StocksView,
        stock::change, "Adjust many stocks, all or none"
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
        GET "/api/admin/customers", Permission::Staff(Right::Customers), customers::LIST,  => OK customers::CustomerPage,
        customers::list, "Customers, by mail address or phone"
    ),
    own!(
        GET "/api/admin/customers/{id}", Permission::Staff(Right::Customers), &[],  => OK customers::CustomerWithOrders,
        customers::show, "One customer and what they ordered last"
    ),
    own!(
        PATCH "/api/admin/customers/{id}", Permission::Staff(Right::Customers), &[], customers::CustomerChange => OK customers::CustomerWithOrders,
        customers::change, "Let a customer in no more, or again"
    ),
    own!(
        GET "/api/admin/dashboard", Permission::Staff(Right::Dashboard), &[],  => OK dashboard::DashboardView,
        dashboard::show, "What was sold, where orders stand, what is running out"
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
    own!(
        GET "/api/admin/categories", Permission::Staff(Right::Catalogue), &[],  => OK staff_categories::StaffCategoryPage,
        staff_categories::list, "Categories"
    ),
    own!(
        POST "/api/admin/categories", Permission::Staff(Right::Catalogue), &[], staff_categories::NewCategory => CREATED staff_categories::StaffCategoryView,
        staff_categories::create, "Add a category"
    ),
    own!(
        GET "/api/admin/categories/{slug}", Permission::Staff(Right::Catalogue), &[],  => OK staff_categories::StaffCategoryView,
        staff_categories::show, "One category"
    ),
    own!(
        PUT "/api/admin/categories/{slug}", Permission::Staff(Right::Catalogue), &[], staff_categories::CategoryTerms => OK staff_categories::StaffCategoryView,
        staff_categories::replace, "Replace what a category is"
    ),
    own!(
        GET "/api/admin/bundles", Permission::Staff(Right::Catalogue), PAGE,  => OK staff_combos::StaffComboPage,
        staff_combos::bundles::list, "Bundles"
    ),
    own!(
        POST "/api/admin/bundles", Permission::Staff(Right::Catalogue), &[], staff_combos::ComboTerms => CREATED staff_combos::StaffComboView,
        staff_combos::bundles::create, "Add a bundle"
    ),
    own!(
        GET "/api/admin/bundles/{id}", Permission::Staff(Right::Catalogue), &[],  => OK staff_combos::StaffComboView,
        staff_combos::bundles::show, "One bundle, by id"
    ),
    own!(
        PUT "/api/admin/bundles/{id}", Permission::Staff(Right::Catalogue), &[], staff_combos::ComboTerms => OK staff_combos::StaffComboView,
        staff_combos::bundles::replace, "Replace what a bundle is"
    ),
    own!(
        GET "/api/admin/giftboxes", Permission::Staff(Right::Catalogue), PAGE,  => OK staff_combos::StaffComboPage,
        staff_combos::gift_boxes::list, "Gift boxes"
    ),
    own!(
        POST "/api/admin/giftboxes", Permission::Staff(Right::Catalogue), &[], staff_combos::ComboTerms => CREATED staff_combos::StaffComboView,
        staff_combos::gift_boxes::create, "Add a gift box"
    ),
    own!(
        GET "/api/admin/giftboxes/{id}", Permission::Staff(Right::Catalogue), &[],  => OK staff_combos::StaffComboView,
        staff_combos::gift_boxes::show, "One gift box, by id"
    ),
    own!(
        PUT "/api/admin/giftboxes/{id}", Permission::Staff(Right::Catalogue), &[], staff_combos::ComboTerms => OK staff_combos::StaffComboView,
        staff_combos::gift_boxes::replace, "Replace what a gift box is"
    ),
];

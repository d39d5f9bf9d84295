//! What customers do: lists, orders, accounts.

use super::super::{addresses, auth, cart, orders, proofs, quotes, tracking};
use super::{Method, NUMBER_PAGE, Permission, Route, StatusCode, schema_of};

pub(super) static ROUTES: &[Route] = &[
    post!(
        "/api/cart/quote", quotes::WantedList => OK quotes::QuoteView, needs_key: false,
        quotes::quote,
        "What a list would cost"
    ),
    own!(
        GET "/api/cart", Permission::Customer, &[], => OK cart::CartView,
        cart::show, "One's cart"
    ),
    own!(
        DELETE "/api/cart", Permission::Customer, &[], => OK cart::CartView,
        cart::clear, "Empty one's cart"
    ),
    own!(
        PUT "/api/cart/lines/{line}", Permission::Customer, &[], cart::QuantityView => OK cart::CartView,
        cart::set_line, "Say how many of kind:id are wanted"
    ),
    own!(
        DELETE "/api/cart/lines/{line}", Permission::Customer, &[], => OK cart::CartView,
        cart::remove_line, "Take kind:id out"
    ),
    own!(
        PATCH "/api/cart/lines", Permission::Customer, &[], cart::LinesView => OK cart::CartView,
        cart::set_lines, "Say how many of several things are wanted"
    ),
    own!(
        POST "/api/cart/merge", Permission::Customer, &[], cart::LinesView => OK cart::CartView,
        cart::merge, "Bring along what was put together before log-in"
    ),
    own!(
        POST "/api/cart/coupon", Permission::Customer, &[], cart::CouponGiven => OK cart::CartView,
        cart::set_coupon, "Use a coupon"
    ),
    own!(
        DELETE "/api/cart/coupon", Permission::Customer, &[], => OK cart::CartView,
        cart::remove_coupon, "Use no coupon"
    ),
    own!(
        GET "/api/addresses", Permission::Customer, &[], => OK addresses::AddressPage,
        addresses::list, "One's addresses"
    ),
    own!(
        POST "/api/addresses", Permission::Customer, &[], addresses::LabelledAddress => CREATED addresses::OwnAddressView,
        addresses::add, "Add an address"
    ),
    own!(
        GET "/api/addresses/{id}", Permission::Customer, &[], => OK addresses::OwnAddressView,
        addresses::show, "One of one's addresses"
    ),
    own!(
        PUT "/api/addresses/{id}", Permission::Customer, &[], addresses::LabelledAddress => OK addresses::OwnAddressView,
        addresses::replace, "Replace an address"
    ),
    own!(
        DELETE "/api/addresses/{id}", Permission::Customer, &[], => OK auth::Nothing,
        addresses::remove, "Forget an address"
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
        GET "/api/orders", Permission::Customer, NUMBER_PAGE, => OK auth::OwnOrderPage,
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
    picture!(
        PUT "/api/track/{token}/payment/proof", Permission::Public => OK tracking::TrackView,
        proofs::put_by_token,
        "Show a payment that staff look at; in the place of a picture sent before"
    ),
    picture!(
        PUT "/api/orders/{id}/payments/proof", Permission::Customer => OK tracking::TrackView,
        proofs::put_own,
        "Show a payment of one's order that staff look at"
    ),
    post!(
        "/api/track/{token}/cancel", tracking::CancelRequest => OK tracking::TrackView, needs_key: false,
        tracking::cancel,
        "Call an order off"
    ),
];

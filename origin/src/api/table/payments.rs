//! Paying through the gateway.

use super::super::staff::refunds;
use super::super::{auth, gateway, tracking};
use super::{Method, PAGE, Permission, Route, StatusCode, schema_of};
use crate::commerce::staff::Right;

pub(super) static ROUTES: &[Route] = &[
    post!(
        "/api/track/{token}/gateway", gateway::BeginPayment => OK gateway::GatewayCheckout, needs_key: false,
        gateway::begin_by_token,
        "What the payment gateway's checkout is opened with"
    ),
    post!(
        "/api/track/{token}/gateway/confirm", gateway::GatewayReturn => OK tracking::TrackView, needs_key: false,
        gateway::confirm_by_token,
        "Bring back what the payment gateway's checkout signed"
    ),
    own!(
        POST "/api/orders/{id}/gateway", Permission::Customer, &[], gateway::BeginPayment => OK gateway::GatewayCheckout,
        gateway::begin_own, "What the payment gateway's checkout is opened with, for one's order"
    ),
    own!(
        POST "/api/orders/{id}/gateway/confirm", Permission::Customer, &[], gateway::GatewayReturn => OK tracking::TrackView,
        gateway::confirm_own, "Bring back what the payment gateway's checkout signed, for one's order"
    ),
    post!(
        "/api/payments/webhook", gateway::GatewayMessage => OK gateway::Heard, needs_key: false,
        gateway::webhook,
        "The payment gateway's own messages, signed in X-Razorpay-Signature"
    ),
    own!(
        GET "/api/admin/refunds", Permission::Staff(Right::Payments), PAGE,  => OK refunds::RefundPage,
        refunds::list, "Money that goes back through the gateway"
    ),
    own!(
        POST "/api/admin/refunds/{id}/again", Permission::Staff(Right::Payments), &[],  => OK auth::Nothing,
        refunds::again, "Try a refund again, by its payment's id"
    ),
];

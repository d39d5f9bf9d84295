//! What surrounds a sale: pages, what buyers think, what visitors ask for, live events.

use super::super::staff::{
    enquiries as staff_enquiries, events as staff_events, pages as staff_pages,
    reviews as staff_reviews,
};
use super::super::{auth, contact, enquiries, events, pages, products, reviews};
use super::{Method, PAGE, Permission, Route, StatusCode, schema_of};
use crate::commerce::staff::Right;

pub(super) static ROUTES: &[Route] = &[
    json!(
        "/api/products/{id}/related",
        products::ProductPage,
        &[],
        products::related,
        "What else somebody may like, what is in stock first; at most 8"
    ),
    json!(
        "/api/pages/{slug}",
        pages::PageView,
        &[],
        pages::show,
        "A page that staff write: about, privacy, safety, shipping, terms"
    ),
    own!(
        GET "/api/admin/pages", Permission::Staff(Right::Settings), &[],  => OK staff_pages::StaffPages,
        staff_pages::list, "All pages"
    ),
    own!(
        GET "/api/admin/pages/{slug}", Permission::Staff(Right::Settings), &[],  => OK staff_pages::StaffPageView,
        staff_pages::show, "One page"
    ),
    own!(
        PUT "/api/admin/pages/{slug}", Permission::Staff(Right::Settings), &[], staff_pages::PageTerms => OK staff_pages::StaffPageView,
        staff_pages::replace, "Write a page"
    ),
    json!(
        "/api/products/{id}/reviews",
        reviews::ReviewPage,
        PAGE,
        reviews::list,
        "What buyers think of a product, the newest first"
    ),
    own!(
        POST "/api/products/{id}/reviews", Permission::Customer, &[], reviews::ReviewRequest => OK reviews::OwnReviewView,
        reviews::write, "Review a product that was delivered to one (201 the first time), or write one's review anew; staff read it before others do"
    ),
    own!(
        GET "/api/products/{id}/reviews/own", Permission::Customer, &[], => OK reviews::OwnReviewView,
        reviews::own, "One's review of a product"
    ),
    own!(
        GET "/api/admin/reviews", Permission::Staff(Right::Reviews), staff_reviews::LIST,  => OK staff_reviews::StaffReviewPage,
        staff_reviews::list, "Reviews in a state, the newest first"
    ),
    own!(
        POST "/api/admin/reviews/{id}/decision", Permission::Staff(Right::Reviews), &[], staff_reviews::DecisionRequest => OK staff_reviews::StaffReviewView,
        staff_reviews::decide, "Let everybody see a review, or nobody"
    ),
    post!(
        "/api/products/{id}/notify", contact::NotifyRequest => ACCEPTED auth::Nothing, needs_key: false,
        contact::notify,
        "Be told by mail, once, when a product is in stock again"
    ),
    post!(
        "/api/contact", contact::ContactRequest => ACCEPTED auth::Nothing, needs_key: false,
        contact::send,
        "Write to the shop"
    ),
    post!(
        "/api/enquiries", enquiries::EnquiryRequest => CREATED enquiries::EnquiryView, needs_key: true,
        enquiries::send,
        "Ask for a numbered estimate, where the shop sells by enquiry; nothing is sold or held by it"
    ),
    json!(
        "/api/enquiries/{token}",
        enquiries::EnquiryView,
        &[],
        enquiries::show,
        "An estimate, by what whoever asked was given"
    ),
    own!(
        GET "/api/admin/enquiries", Permission::Staff(Right::Orders), staff_enquiries::LIST,  => OK staff_enquiries::StaffEnquiryPage,
        staff_enquiries::list, "Enquiries"
    ),
    own!(
        GET "/api/admin/enquiries/{id}", Permission::Staff(Right::Orders), &[],  => OK staff_enquiries::StaffEnquiryView,
        staff_enquiries::show, "One enquiry"
    ),
    own!(
        POST "/api/admin/enquiries/{id}/step", Permission::Staff(Right::Orders), &[], staff_enquiries::EnquiryStep => OK staff_enquiries::StaffEnquiryView,
        staff_enquiries::step, "Take an enquiry on"
    ),
    other!(
        "/api/track/{token}/events",
        "text/event-stream",
        events::of_tracked_order,
        "How an order stands, and again whenever that changes (server-sent events)"
    ),
    private_file!(
        "/api/orders/{id}/events",
        Permission::Customer,
        "text/event-stream",
        events::of_own_order,
        "How one's order stands, and again whenever that changes (server-sent events)"
    ),
    private_file!(
        "/api/admin/events",
        Permission::AnyStaff,
        "text/event-stream",
        staff_events::listen,
        "What changed of what one's role may see (server-sent events)"
    ),
];

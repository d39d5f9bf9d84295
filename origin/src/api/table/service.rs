//! What surrounds a sale: pages, and what goes with a product.

use super::super::staff::pages as staff_pages;
use super::super::{pages, products};
use super::{Method, Permission, Route, StatusCode, schema_of};
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
];

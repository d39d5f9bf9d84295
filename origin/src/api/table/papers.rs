//! Papers as PDF.

use super::super::papers;
use super::{Method, Permission, Route};
use crate::commerce::staff::Right;

pub(super) static ROUTES: &[Route] = &[
    other!(
        "/api/price-list.pdf",
        "application/pdf",
        papers::price_list,
        "The price list on paper; at most 5000 lines of it"
    ),
    private_file!(
        "/api/orders/{id}/invoice.pdf",
        Permission::Customer,
        "application/pdf",
        papers::own_invoice,
        "The invoice of one's order, once it is confirmed"
    ),
    private_file!(
        "/api/track/{token}/invoice.pdf",
        Permission::Public,
        "application/pdf",
        papers::invoice_by_token,
        "The invoice of an order, once it is confirmed, by what its customer was given; it names nobody"
    ),
    private_file!(
        "/api/enquiries/{token}/estimate.pdf",
        Permission::Public,
        "application/pdf",
        papers::estimate,
        "The estimate of an enquiry, by what whoever asked was given; it names nobody"
    ),
    private_file!(
        "/api/admin/orders/{id}/invoice.pdf",
        Permission::Staff(Right::Orders),
        "application/pdf",
        papers::invoice_for_staff,
        "The invoice of an order, once it is confirmed"
    ),
];

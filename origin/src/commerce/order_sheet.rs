//! Orders as rows for a spreadsheet.

use super::orders::{Order, PaymentMethod};
use super::payments::PaymentState;
use super::sheets::{rupees, safe};

/// What each row holds. Amounts are in rupees, times RFC 3339 in UTC.
pub const HEADER: [&str; 22] = [
    "number",
    "placed_at",
    "state",
    "payment",
    "paid_reference",
    "name",
    "phone",
    "email",
    "line1",
    "line2",
    "city",
    "address_state",
    "pincode",
    "items",
    "goods_inr",
    "coupon",
    "discount_inr",
    "packing_inr",
    "delivery_inr",
    "rounding_inr",
    "total_inr",
    "version",
];

/// One order. Whatever people typed is kept from being run by a spreadsheet.
pub fn row(order: &Order) -> [String; HEADER.len()] {
    let quote = &order.quote;
    let items: Vec<_> = quote
        .lines
        .iter()
        .map(|line| format!("{} x {} {}", line.quantity, line.sku, line.name))
        .collect();
    let paid = order.payments.iter().rev();
    let paid = paid
        .filter(|payment| payment.state == PaymentState::Approved)
        .map(|payment| payment.reference.as_str())
        .next();
    let coupon = quote.coupon.as_ref();
    let payment = match order.payment {
        PaymentMethod::CashOnDelivery => "cash_on_delivery",
        PaymentMethod::BankTransfer => "bank_transfer",
        PaymentMethod::Gateway => "gateway",
    };
    [
        order.number_text(),
        order.placed_at.to_string(),
        order.state.as_str().to_owned(),
        payment.to_owned(),
        safe(paid.unwrap_or_default()),
        safe(&order.contact.name),
        safe(&order.contact.phone),
        safe(&order.contact.email),
        safe(&order.address.line1),
        safe(&order.address.line2),
        safe(&order.address.city),
        safe(&order.address.state),
        safe(&order.address.pincode),
        safe(&items.join("; ")),
        rupees(quote.goods),
        safe(coupon.map_or("", |coupon| &coupon.code)),
        coupon.map_or_else(String::new, |coupon| rupees(coupon.discount)),
        rupees(quote.packing),
        quote.delivery.map_or_else(String::new, rupees),
        rupees(quote.rounding),
        rupees(quote.total),
        order.version.to_string(),
    ]
}

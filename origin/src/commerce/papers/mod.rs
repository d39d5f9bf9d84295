//! Papers: price list, invoice and estimate as PDF. What stands on one is a plain struct; [`draw`] knows nothing of the shop.
//!
//! Set in Helvetica, which every reader has: no font comes along, a page is a few kilobytes, and widths are known. It has
//! neither ₹ nor letters of other scripts, so rupees are written `Rs.` and other letters in the Latin alphabet.

mod draw;
mod helvetica;

use jiff::Timestamp;
use jiff::tz::Offset;

use super::money::Paise;
use super::orders::{Order, PaymentMethod};
use super::price_list::Section;
use super::quote::Quote;
use super::shop::ShopSettings;

pub use draw::{TooLong, draw};

/// Lines of the price list on paper; whoever wants more takes the spreadsheet.
pub const PRICE_LIST_LINES_MAX: usize = 5000;

/// What stands on a paper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paper {
    /// What it is, for example `Invoice CR000042`.
    pub title: String,
    /// The letterhead; its first line stands out.
    pub from: Vec<String>,
    /// Whom it is for; nobody where empty.
    pub to: Vec<String>,
    /// What is to be known of it: name and value.
    pub facts: Vec<(String, String)>,
    /// The table's columns; their widths share the page's.
    pub columns: Vec<Column>,
    /// The table's parts.
    pub parts: Vec<Part>,
    /// What it comes to, below the table; the last one stands out.
    pub sums: Vec<(String, String)>,
    /// Sentences at the end.
    pub notes: Vec<String>,
}

/// A column of a paper's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// What stands above it.
    pub heading: &'static str,
    /// Its share of the page's width.
    pub share: u16,
    /// Whether its cells end at its right side, as numbers do.
    pub is_number: bool,
}

/// A part of a paper's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// What stands above it; nothing where empty.
    pub heading: String,
    /// A cell for each column.
    pub rows: Vec<Vec<String>>,
}

const fn text(heading: &'static str, share: u16) -> Column {
    Column {
        heading,
        share,
        is_number: false,
    }
}

const fn number(heading: &'static str, share: u16) -> Column {
    Column {
        heading,
        share,
        is_number: true,
    }
}

/// The whole price list, or as much of it as fits on paper.
pub fn price_list(sections: &[Section], shop: &ShopSettings) -> Paper {
    let mut left = PRICE_LIST_LINES_MAX;
    let mut parts = Vec::new();
    for section in sections {
        let rows = section.products.iter().take(left).map(|product| {
            let sold = if product.restricted { "enquire" } else { "" };
            vec![
                product.sku.clone(),
                product.name.clone(),
                product.pack.clone(),
                rupees(product.mrp),
                rupees(product.price),
                sold.to_owned(),
            ]
        });
        let rows: Vec<_> = rows.collect();
        left -= rows.len();
        parts.push(Part {
            heading: section.category.name.clone(),
            rows,
        });
    }
    parts.retain(|part| !part.rows.is_empty());
    let changed = sections.iter().flat_map(|section| &section.products);
    let changed = changed.map(|product| product.updated_at).max();
    Paper {
        title: "Price list".to_owned(),
        from: letterhead(shop),
        facts: changed
            .map(|at| ("As of".to_owned(), date(at)))
            .into_iter()
            .collect(),
        columns: vec![
            text("Article", 14),
            text("Goods", 40),
            text("Pack", 14),
            number("MRP (Rs.)", 13),
            number("Price (Rs.)", 13),
            text("", 10),
        ],
        parts,
        notes: notes(shop),
        ..Paper::default()
    }
}

/// Who sees an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Whoever has the order's token: nobody is named.
    ByToken,
    /// Its customer or staff.
    ByTheirOwn,
}

/// The invoice of an order; `None` for one that was never confirmed.
pub fn invoice(order: &Order, shop: &ShopSettings, seen: Seen) -> Option<Paper> {
    if !order.was_confirmed() {
        return None;
    }
    let paid = match order.payment {
        PaymentMethod::CashOnDelivery => "cash on delivery",
        PaymentMethod::BankTransfer => "bank transfer or UPI",
        PaymentMethod::Gateway => "online",
    };
    let (contact, address) = (&order.contact, &order.address);
    let to = [
        contact.name.clone(),
        address.line1.clone(),
        address.line2.clone(),
        format!("{} {}", address.city, address.pincode),
        address.state.clone(),
        contact.phone.clone(),
    ];
    let to = to.into_iter().filter(|line| !line.trim().is_empty());
    Some(Paper {
        title: format!("Invoice {}", order.number_text()),
        from: letterhead(shop),
        to: match seen {
            Seen::ByToken => Vec::new(),
            Seen::ByTheirOwn => to.collect(),
        },
        facts: vec![
            ("Date".to_owned(), date(order.placed_at)),
            ("Payment".to_owned(), paid.to_owned()),
            ("State".to_owned(), order.state.as_str().replace('_', " ")),
        ],
        notes: notes(shop),
        ..of_quote(&order.quote)
    })
}

/// The estimate of an enquiry. Whoever has its token sees it, so it names nobody.
pub fn estimate(number: &str, quote: &Quote, shop: &ShopSettings, at: Timestamp) -> Paper {
    let what = "This is an estimate and no invoice: nothing is sold or held by it. We confirm it with you.";
    let mut all = vec![what.to_owned()];
    all.extend(notes(shop));
    Paper {
        title: format!("Estimate {number}"),
        from: letterhead(shop),
        facts: vec![("Date".to_owned(), date(at))],
        notes: all,
        ..of_quote(quote)
    }
}

/// Table and sums of a priced list.
fn of_quote(quote: &Quote) -> Paper {
    let rows = quote.lines.iter().enumerate().map(|(place, line)| {
        vec![
            (place + 1).to_string(),
            line.sku.clone(),
            line.name.clone(),
            line.quantity.to_string(),
            rupees(line.price),
            rupees(line.total),
        ]
    });
    let mut sums = vec![("Goods".to_owned(), quote.goods)];
    if let Some(coupon) = &quote.coupon {
        sums.push((format!("Coupon {}", coupon.code), Paise(-coupon.discount.0)));
    }
    sums.push(("Packing".to_owned(), quote.packing));
    if let Some(delivery) = quote.delivery {
        sums.push(("Delivery".to_owned(), delivery));
    }
    if quote.rounding != Paise(0) {
        sums.push(("Rounding".to_owned(), quote.rounding));
    }
    sums.push(("Total".to_owned(), quote.total));
    let sums = sums
        .into_iter()
        .map(|(name, amount)| (name, format!("Rs. {}", rupees(amount))));
    Paper {
        columns: vec![
            number("No.", 6),
            text("Article", 16),
            text("Goods", 40),
            number("Quantity", 10),
            number("Price (Rs.)", 14),
            number("Amount (Rs.)", 14),
        ],
        parts: vec![Part {
            heading: String::new(),
            rows: rows.collect(),
        }],
        sums: sums.collect(),
        ..Paper::default()
    }
}

fn letterhead(shop: &ShopSettings) -> Vec<String> {
    let lines = [&shop.name, &shop.address, &shop.phone, &shop.email];
    let lines = lines.into_iter().filter(|line| !line.trim().is_empty());
    lines.cloned().collect()
}

fn notes(shop: &ShopSettings) -> Vec<String> {
    vec![
        format!(
            "Licence {} of {}.",
            shop.licence_number, shop.licence_holder
        ),
        "Fireworks are sold to people of 18 and older. Mind the safety notes on every box."
            .to_owned(),
    ]
}

/// An amount as people in India read it: `1,23,456.05`.
fn rupees(amount: Paise) -> String {
    let paise = amount.0.unsigned_abs();
    let (whole, rest) = ((paise / 100).to_string(), paise % 100);
    let mut grouped = String::new();
    let places = whole.len();
    for (place, digit) in whole.chars().enumerate() {
        let behind = places - place;
        // After the last three digits, a comma before every two.
        if place > 0 && (behind == 3 || (behind > 3 && behind % 2 == 1)) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if amount.0 < 0 { "-" } else { "" };
    format!("{sign}{grouped}.{rest:02}")
}

/// The day in India, where there is one time and no summer time: day, month, year.
fn date(at: Timestamp) -> String {
    const INDIA_SECONDS: i32 = 19_800;
    let offset = Offset::from_seconds(INDIA_SECONDS).unwrap_or(Offset::UTC);
    let there = offset.to_datetime(at);
    format!(
        "{:02}-{:02}-{:04}",
        there.day(),
        there.month(),
        there.year()
    )
}

#[cfg(test)]
mod tests;

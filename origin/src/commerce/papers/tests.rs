use proptest::prelude::*;

use super::super::lines::{LineKey, LineKind};
use super::super::orders::{NewOrder, OrderState};
use super::super::quote::{QuotedCoupon, QuotedLine};
use super::super::seed::orders::order_of;
use super::*;

/// The text of each page, as a reader of others finds it.
fn read(file: &[u8]) -> Vec<String> {
    let document = lopdf::Document::load_mem(file).unwrap();
    let pages = document.get_pages();
    let numbers = pages.keys();
    numbers
        .map(|number| document.extract_text(&[*number]).unwrap())
        .collect()
}

fn paper(rows: usize) -> Paper {
    let row = |place: usize| vec![format!("goods {place}"), rupees(Paise(place as i64))];
    Paper {
        title: "A list".to_owned(),
        from: vec!["The shop".to_owned()],
        columns: vec![text("Goods", 70), number("Rs.", 30)],
        parts: vec![Part {
            heading: "Rockets".to_owned(),
            rows: (0..rows).map(row).collect(),
        }],
        ..Paper::default()
    }
}

#[test]
fn every_row_stands_on_one_page_in_order_below_the_headings() {
    let pages = read(&draw(&paper(500)).unwrap());
    assert!(pages.len() > 5, "{}", pages.len());
    for (place, page) in pages.iter().enumerate() {
        assert!(page.contains("Goods"), "{page}");
        let number = format!("A list - page {} of {}", place + 1, pages.len());
        assert!(page.contains(&number), "{page}");
    }
    let all = pages.join("\n");
    let found: Vec<_> = all
        .lines()
        .filter(|line| line.starts_with("goods "))
        .collect();
    let expected: Vec<_> = (0..500).map(|place| format!("goods {place}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_same_paper_is_the_same_file_and_one_that_is_too_long_none() {
    assert_eq!(draw(&paper(50)), draw(&paper(50)));
    assert_eq!(draw(&paper(30_000)), Err(TooLong));
}

#[test]
fn long_names_stay_in_their_column_and_other_letters_are_written_in_latin_ones() {
    let mut paper = paper(0);
    let long = "very ".repeat(200);
    let rows = [
        "₹ 5 | 🎆 | தமிழ் (sparkler) \\ \u{7}bell",
        &long,
        &"x".repeat(500),
    ];
    let rows = rows
        .into_iter()
        .map(|name| vec![name.to_owned(), "1.00".to_owned()]);
    paper.parts[0].rows = rows.collect();
    let page = read(&draw(&paper).unwrap()).join("\n");
    assert!(page.contains("Rs. 5"), "{page}");
    assert!(page.contains("(sparkler) \\ bell"), "{page}");
    for beginning in ["very", "xxxx"] {
        let mut lines = page.lines();
        let is_cut = |line: &str| line.starts_with(beginning) && line.ends_with("...");
        assert!(lines.any(is_cut), "{page}");
    }
    assert!(page.is_ascii(), "{page}");
}

#[test]
fn amounts_are_grouped_as_in_india() {
    for (paise, text) in [
        (0, "0.00"),
        (5, "0.05"),
        (99_900, "999.00"),
        (100_000, "1,000.00"),
        (12_345_605, "1,23,456.05"),
        (1_234_567_800, "1,23,45,678.00"),
        (-49, "-0.49"),
        (-100_000, "-1,000.00"),
        (i64::MIN, "-92,23,37,20,36,85,47,758.08"),
    ] {
        assert_eq!(rupees(Paise(paise)), text);
    }
}

proptest! {
    #[test]
    fn an_amount_on_paper_is_the_amount(paise in any::<i64>()) {
        let text: String = rupees(Paise(paise)).chars().filter(|c| !matches!(c, ',' | '.')).collect();
        prop_assert_eq!(text.parse::<i64>().unwrap(), paise);
    }
}

#[test]
fn a_day_is_that_of_india() {
    let late = "2026-10-31T18:29:59Z".parse().unwrap();
    let later = "2026-10-31T18:30:00Z".parse().unwrap();
    assert_eq!(
        (date(late), date(later)),
        ("31-10-2026".to_owned(), "01-11-2026".to_owned())
    );
}

fn order() -> Order {
    let quote = Quote {
        lines: vec![QuotedLine {
            key: LineKey {
                kind: LineKind::Product,
                id: "p".to_owned(),
            },
            sku: "SPK0001".to_owned(),
            name: "Gold sparkler".to_owned(),
            price: Paise(12_345),
            quantity: 100,
            total: Paise(1_234_500),
            pieces: std::collections::BTreeMap::new(),
        }],
        goods: Paise(1_234_500),
        saved: Paise(0),
        coupon: Some(QuotedCoupon {
            code: "DIWALI-10".to_owned(),
            discount: Paise(123_450),
            is_counted: false,
        }),
        packing: Paise(33_332),
        delivery: Some(Paise(10_000)),
        minimum: Paise(0),
        rounding: Paise(18),
        total: Paise(1_154_400),
    };
    let new = NewOrder {
        id: "order".to_owned(),
        tracking_token: "token".to_owned(),
        payment: PaymentMethod::CashOnDelivery,
        quote,
        ..order_of(&[], "2026-10-20T10:00:00Z".parse().unwrap())
    };
    new.numbered(42)
}

#[test]
fn an_invoice_says_what_was_ordered_and_adds_up() {
    let shop = super::super::seed::shop_settings();
    let order = order();
    let paper = invoice(&order, &shop, Seen::ByTheirOwn).unwrap();
    let page = read(&draw(&paper).unwrap()).join("\n");
    for text in [
        "Invoice CR000042",
        "20-10-2026",
        "Meena",
        "Sivakasi 626123",
        "Gold sparkler",
        "12,345.00",
        "Coupon DIWALI-10",
        "Rs. -1,234.50",
        "Rs. 333.32",
        "Rs. 100.00",
        "Rs. 0.18",
        "Rs. 11,544.00",
        &shop.name,
        &shop.licence_number,
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let named_nobody = invoice(&order, &shop, Seen::ByToken).unwrap();
    let page = read(&draw(&named_nobody).unwrap()).join("\n");
    for text in ["Meena", "Main Street", "9876543210"] {
        assert!(!page.contains(text), "{text}: {page}");
    }
}

#[test]
fn what_was_never_confirmed_has_no_invoice() {
    let shop = super::super::seed::shop_settings();
    let mut order = order();
    order.state = OrderState::Cancelled;
    assert!(invoice(&order, &shop, Seen::ByTheirOwn).is_some());
    order.history[0].state = OrderState::AwaitingPayment;
    assert!(invoice(&order, &shop, Seen::ByTheirOwn).is_none());
}

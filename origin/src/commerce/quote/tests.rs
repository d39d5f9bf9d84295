//! What a quote adds up to, and what it refuses.

use proptest::prelude::*;

use super::super::coupons::Discount;
use super::super::lines::LineKind;
use super::super::seed;
use super::super::zones::Zone;
use super::*;

fn key(id: &str) -> LineKey {
    LineKey {
        kind: LineKind::Product,
        id: id.to_owned(),
    }
}

fn goods(id: &str, price: i64) -> Goods {
    Goods {
        key: key(id),
        sku: id.to_uppercase(),
        name: id.to_owned(),
        mrp: Paise(price * 4),
        price: Paise(price),
        order_min: 1,
        order_max: 50,
        is_sellable: true,
        pieces: BTreeMap::from([(id.to_owned(), 1)]),
    }
}

fn wanted(id: &str, quantity: u32) -> WantedLine {
    WantedLine {
        key: key(id),
        quantity,
    }
}

fn shop(packing_percent: u8) -> ShopSettings {
    ShopSettings {
        packing_percent,
        ..seed::shop_settings()
    }
}

/// A list priced for a shop without zones, without coupon.
fn priced(
    packing_percent: u8,
    wanted: &[WantedLine],
    goods: &[Option<Goods>],
) -> Result<Quote, QuoteRefused> {
    let shop = shop(packing_percent);
    quote(&terms(&shop), wanted, goods)
}

fn terms(shop: &ShopSettings) -> Terms<'_> {
    Terms {
        shop,
        coupon: None,
        to: None,
        at: Timestamp::from_second(1_700_000_000).unwrap(),
    }
}

#[test]
fn coupon_zone_and_packing_are_lines_of_their_own() {
    let mut shop = shop(3);
    shop.zones.push(Zone {
        name: "south".to_owned(),
        states: vec!["Kerala".to_owned()],
        pincodes: Vec::new(),
        served: true,
        delivery_paise: Paise(5_000),
        free_from_paise: Some(Paise(20_000)),
        minimum_order_paise: Some(Paise(25_000)),
    });
    let coupon = Coupon {
        code: "FIFTY".to_owned(),
        discount: Discount::Amount {
            amount_paise: Paise(5_000),
        },
        minimum_goods: Paise(0),
        starts_at: None,
        ends_at: None,
        is_counted: true,
        active: true,
    };
    let to = Some(Destination {
        state: "Kerala",
        pincode: "670001",
    });
    let all = Terms {
        coupon: Some(&coupon),
        to,
        ..terms(&shop)
    };
    let found = [Some(goods("a", 24_900))];
    let quoted = quote(&all, &[wanted("a", 1)], &found).unwrap();
    // 199.00 after the coupon is less than what is delivered free; 3 % of it are 5.97.
    assert_eq!(
        [
            quoted.goods,
            quoted.discount(),
            quoted.packing,
            quoted.rounding,
            quoted.total
        ]
        .map(|paise| paise.0),
        [24_900, 5_000, 597, 3, 25_500]
    );
    assert_eq!(quoted.delivery, Some(Paise(5_000)));
    assert!(!quoted.meets_minimum());
    assert_eq!(
        quoted.pieces(),
        BTreeMap::from([("a".to_owned(), 1), ("coupon:FIFTY".to_owned(), 1)])
    );
    // While nobody says where to, delivery is not known.
    let unknown = Terms { to: None, ..all };
    assert_eq!(
        quote(&unknown, &[wanted("a", 1)], &found).unwrap().delivery,
        None
    );
    let elsewhere = Some(Destination {
        state: "Delhi",
        pincode: "110001",
    });
    let refused = quote(
        &Terms {
            to: elsewhere,
            ..all
        },
        &[wanted("a", 1)],
        &found,
    );
    assert_eq!(refused, Err(QuoteRefused::NotServed(NotServed)));
}

#[test]
fn every_charge_is_a_line_and_the_total_a_whole_rupee() {
    let found = [Some(goods("a", 3333)), Some(goods("b", 150))];
    let quote = priced(3, &[wanted("a", 1), wanted("b", 2)], &found).unwrap();
    assert_eq!(
        [quote.goods, quote.packing, quote.rounding, quote.total].map(|paise| paise.0),
        [3633, 109, -42, 3700]
    );
    assert_eq!(quote.saved, Paise(3633 * 3));
}

#[test]
fn what_cannot_be_sold_is_named_with_its_line() {
    let unsellable = Goods {
        is_sellable: false,
        ..goods("b", 1)
    };
    let ask = |lines: &[WantedLine], found: &[Option<Goods>]| priced(0, lines, found);
    let (a, b) = (Some(goods("a", 1)), Some(unsellable));
    let twice = [wanted("a", 1), wanted("a", 2)];
    assert_eq!(
        ask(&twice, &[a.clone(), a.clone()]),
        Err(QuoteRefused::Repeated { line: 1 })
    );
    let two = [wanted("a", 1), wanted("b", 1)];
    assert_eq!(
        ask(&two, &[a.clone(), None]),
        Err(QuoteRefused::Unknown { line: 1 })
    );
    assert!(matches!(
        ask(&two, &[a.clone(), b]),
        Err(QuoteRefused::NotForSale { line: 1, .. })
    ));
    for quantity in [0, 51] {
        let refused = ask(&[wanted("a", quantity)], std::slice::from_ref(&a));
        assert!(matches!(
            refused,
            Err(QuoteRefused::Quantity {
                line: 0,
                least: 1,
                most: 50,
                ..
            })
        ));
    }
    assert_eq!(ask(&[], &[]), Err(QuoteRefused::Empty));
}

proptest! {
    #[test]
    fn the_total_is_the_sum_of_what_stands_on_it(
        prices in prop::collection::vec((1_i64..10_000_000, 1_u32..50), 1..40), percent in 0_u8..=100
    ) {
        let lines: Vec<_> = prices.iter().enumerate().map(|(n, (_, q))| wanted(&n.to_string(), *q)).collect();
        let found: Vec<_> = prices.iter().enumerate().map(|(n, (p, _))| Some(goods(&n.to_string(), *p))).collect();
        let quote = priced(percent, &lines, &found).unwrap();
        let sum: i64 = quote.lines.iter().map(|line| line.total.0).sum();
        prop_assert_eq!(sum, quote.goods.0);
        prop_assert_eq!(quote.goods.0 + quote.packing.0 + quote.rounding.0, quote.total.0);
        prop_assert_eq!(quote.total.0 % 100, 0);
        prop_assert!((-49..=50).contains(&quote.rounding.0));
    }
}

//! One sample product from its number.

use super::random::SplitMix;
use super::rows::{BRANDS, COLOURS, GRADES, GROUPS, Group, PACKS, Row};
use super::{at, image, pictures};
use crate::commerce::availability::Availability;
use crate::commerce::ids;
use crate::commerce::money::Paise;
use crate::commerce::products::{Product, Rating};

/// Rows of the price list; the catalogue of 150 adds the first 30 of them again as premium ones.
pub(super) const ROWS: u64 = 120;

/// At or below so many pieces the public word is `low`.
const LOW_AT: i64 = 10;

/// A row of the price list as product `index` sells it.
struct Variant {
    name: String,
    mrp_rupees: i64,
    price: Paise,
    pieces: u32,
    premium: bool,
    words: Vec<String>,
}

pub(super) fn group_and_row(index: u64) -> (usize, &'static Group, &'static Row) {
    let base = usize::try_from(index % ROWS).unwrap_or(0);
    let group = &GROUPS[base / 10];
    (base / 10, group, &group.rows[base % 10])
}

/// Product `index` of a catalogue of `count`, its opening stock and its low-stock mark.
pub(super) fn make(index: u64, count: u32, seed: u64) -> (Product, i64, i64) {
    let (place, group, row) = group_and_row(index);
    let mut random = SplitMix::new(seed, index);
    let variant = variant(index, count, group, row);
    let stock = match random.between(0, 99) {
        0..=9 => 0,
        10..=24 => random.between(1, 10),
        _ => random.between(11, 500),
    };
    let stock = i64::try_from(stock).unwrap_or(0);
    let sku = format!("{}{index:06}", group.code);
    let rated = random.between(0, 400);
    let average = random.between(32, 50);
    let made = at(random.between(0, 300 * 86_400));
    let order_max = u32::try_from(random.between(2, 10) * 10).unwrap_or(100);
    let weight = random.between(20, 90) * u64::from(variant.pieces);
    let featured = random.chance(5) && !group.restricted;
    let (picture, _) = pictures::of_product(index);
    let product = Product {
        id: ids::base36(
            u128::from(SplitMix::new(seed ^ 0x0069_6473, index).next()) << 20 | u128::from(index),
            18,
        ),
        legacy_id: None,
        slug: format!("{}-{}", slug_of(&variant.name), sku.to_lowercase()),
        sku,
        description: describe(group, &variant, &mut random),
        category: group.slug.to_owned(),
        sub_categories: vec![part_of(group, row.0)],
        mrp: Paise(variant.mrp_rupees * 100),
        price: variant.price,
        unit: if variant.pieces > 1 { "box" } else { "piece" }.to_owned(),
        pack: format!(
            "{} {}",
            variant.pieces,
            if variant.pieces == 1 { "pc" } else { "pcs" }
        ),
        weight_grams: u32::try_from(weight).unwrap_or(1000),
        order_min: 1,
        order_max,
        images: vec![image(&picture, &variant.name, pictures::accent(place))],
        tags: tags(group, &variant, &mut random),
        safety_notes: safety_notes(group),
        minimum_age: if group.code == "SPK" { 14 } else { 18 },
        featured,
        active: true,
        restricted: group.restricted,
        rating: Rating {
            average_tenths: if rated == 0 {
                0
            } else {
                u16::try_from(average).unwrap_or(40)
            },
            count: u32::try_from(rated).unwrap_or(0),
            stars: None,
        },
        popularity: i64::try_from(random.between(0, 10_000)).unwrap_or(0),
        availability: Availability::of(stock, LOW_AT),
        created_at: made,
        updated_at: made,
        version: 1,
        name: variant.name,
    };
    (product, stock, LOW_AT)
}

fn variant(index: u64, count: u32, group: &Group, row: &Row) -> Variant {
    let pieces = if row.1 == 0 { group.pieces } else { row.1 };
    let net = |mrp: i64, price: i64, wanted: i64| Paise(wanted * 100 * price / mrp);
    let plain = |name: String, mrp: i64, premium: bool, pieces: u32, words: Vec<String>| Variant {
        price: if group.code == "GBX" {
            net(row.2, row.3, mrp)
        } else {
            Paise((mrp * 20 + 50) / 100 * 100)
        },
        mrp_rupees: mrp,
        name,
        pieces,
        premium,
        words,
    };
    if index < ROWS {
        return plain(row.0.to_owned(), row.2, false, pieces, Vec::new());
    }
    if count <= 150 {
        return plain(
            format!("{} Premium", row.0),
            (row.2 * 14 + 5) / 10,
            true,
            pieces,
            vec!["premium".to_owned()],
        );
    }
    // Mixed radix: every number is another combination of brand, pack, grade and colour.
    let mixed = index / ROWS;
    let digit = |divisor: u64, radix: usize| usize::try_from(mixed / divisor).unwrap_or(0) % radix;
    let brand = BRANDS[digit(1, 20)];
    let (pack, grade, colour) = (
        PACKS[digit(20, 3)],
        GRADES[digit(60, 3)],
        COLOURS[digit(180, 6)],
    );
    let name = format!("{brand} {} {colour} {grade} ×{pack}", row.0);
    let mrp = row.2 * i64::from(pack) * if grade == "Premium" { 14 } else { 10 } / 10;
    let words = [brand, grade, colour].map(str::to_lowercase).to_vec();
    plain(name, mrp, grade == "Premium", pieces * pack, words)
}

fn part_of(group: &Group, name: &str) -> String {
    let of_word = group
        .parts
        .iter()
        .find(|part| part.2.iter().any(|word| name.contains(word)));
    of_word
        .or(group.parts.last())
        .map_or_else(String::new, |part| part.0.to_owned())
}

fn slug_of(name: &str) -> String {
    let latin = deunicode::deunicode(name).to_lowercase();
    let words: Vec<_> = latin
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    words.join("-")
}

fn describe(group: &Group, variant: &Variant, random: &mut SplitMix) -> String {
    const OPENINGS: [&str; 4] = [
        "A favourite of every Diwali evening.",
        "Made by hand in Sivakasi and packed dry.",
        "Bright, steady and easy to light.",
        "Chosen by our staff from this year's production.",
    ];
    const ENDINGS: [&str; 4] = [
        "Keep dry and away from heat until you use it.",
        "Best after dark, in the open.",
        "For outdoor use only, with an adult beside.",
        "Stand back five metres once it is lit.",
    ];
    let pick =
        |list: [&'static str; 4], number: u64| list[usize::try_from(number % 4).unwrap_or(0)];
    let grade = if variant.premium {
        " Premium composition: longer and brighter."
    } else {
        ""
    };
    let (opening, ending) = (pick(OPENINGS, random.next()), pick(ENDINGS, random.next()));
    format!(
        "{opening} {} One {} holds {}.{grade} {ending}",
        group.description,
        if variant.pieces > 1 { "box" } else { "pack" },
        variant.pieces
    )
}

fn tags(group: &Group, variant: &Variant, random: &mut SplitMix) -> Vec<String> {
    let mut tags = variant.words.clone();
    if matches!(group.code, "SSC" | "BMB" | "GRL") {
        tags.push("sound".to_owned());
    } else {
        tags.push("light".to_owned());
    }
    if matches!(group.code, "SPK" | "TWS" | "FLP") {
        tags.push("kids".to_owned());
    }
    for (tag, percent) in [("green", 20), ("new", 10), ("bestseller", 15)] {
        if random.chance(percent) {
            tags.push(tag.to_owned());
        }
    }
    tags.sort();
    tags.dedup();
    tags
}

fn safety_notes(group: &Group) -> Vec<String> {
    let own = match group.code {
        "SPK" | "TWS" => "Hold at arm's length and put the hot wire into water afterwards.",
        "RKT" | "AER" | "FCY" => {
            "Use in the open, upright and firmly set, away from trees, wires and houses."
        }
        _ => "Put it on level ground, light it with a long stick and step back at once.",
    };
    [
        "Only adults light fireworks; children watch from a distance.",
        own,
        "Keep water or sand at hand; never relight one that failed.",
    ]
    .map(str::to_owned)
    .to_vec()
}

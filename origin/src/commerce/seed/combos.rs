//! Twelve bundles, and a gift-box combo for every gift-box row of the price list.

use std::collections::BTreeMap;

use super::random::SplitMix;
use super::{image, pictures};
use crate::commerce::combos::{Combo, ComboKind, Component};
use crate::commerce::ids;
use crate::commerce::money::Paise;
use crate::commerce::products::Product;

const BUNDLES: [(&str, &str, u64); 12] = [
    (
        "First Diwali",
        "A gentle beginning: sparklers, pencils and small pots.",
        6,
    ),
    ("Kids' Evening", "Light and colour without loud sounds.", 8),
    ("Terrace Night", "Fountains and stars for a terrace.", 7),
    ("Sky Painter", "Rockets and aerial shots for a big sky.", 6),
    ("Sound Lovers", "Crackers and bombs in a sensible mix.", 8),
    (
        "Family of Four",
        "An evening for four, from sparkler to shot.",
        10,
    ),
    (
        "Apartment Courtyard",
        "Chakkars and pots for the courtyard.",
        8,
    ),
    (
        "Wedding Welcome",
        "Fountains and shots for a grand entry.",
        9,
    ),
    (
        "Temple Festival",
        "A large assortment for a procession.",
        14,
    ),
    ("Office Party", "Easy to share, easy to light.", 9),
    (
        "Grand Finale",
        "Shots and shells for the end of the night.",
        6,
    ),
    ("Everything Box", "A little of every shelf.", 16),
];

type Made = (Product, i64, i64);

/// All combos of a catalogue.
pub(super) fn make(
    products: &[Made],
    seed: u64,
    pictures: &mut BTreeMap<String, String>,
) -> Vec<Combo> {
    let parts: Vec<_> = products
        .iter()
        .map(|(product, _, _)| product)
        .filter(|product| !product.restricted && product.category != "gift-boxes")
        .take(1000)
        .collect();
    let boxes = products.iter().map(|(product, _, _)| product);
    let boxes: Vec<_> = boxes
        .filter(|product| product.category == "gift-boxes")
        .take(10)
        .collect();
    if parts.is_empty() {
        return Vec::new();
    }
    let mut combos = Vec::new();
    for (place, (name, description, size)) in BUNDLES.iter().enumerate() {
        let mut random = SplitMix::new(seed ^ 0xb0, place as u64);
        let components = pick(&parts, *size, &mut random);
        let (mrp, price) = sums(&parts, &components);
        // A bundle costs a tenth less than its parts.
        let price = Paise(price.0 * 9 / 10 / 100 * 100);
        combos.push(combo(
            ComboKind::Bundle,
            place,
            &mut random,
            Words { name, description },
            (mrp, price),
            components,
        ));
    }
    for (place, product) in boxes.into_iter().enumerate() {
        let mut random = SplitMix::new(seed ^ 0x60, place as u64);
        let size = 6 + 2 * place as u64;
        let components = pick(&parts, size, &mut random);
        let words = Words {
            name: &product.name,
            description: &product.description,
        };
        combos.push(combo(
            ComboKind::GiftBox,
            place,
            &mut random,
            words,
            (product.mrp, product.price),
            components,
        ));
    }
    for (place, combo) in combos.iter_mut().enumerate() {
        let (file, svg) = pictures::of_combo(place);
        combo.image = Some(image(&file, &combo.name, pictures::accent(place % 12)));
        pictures.insert(file, svg);
    }
    combos
}

struct Words<'a> {
    name: &'a str,
    description: &'a str,
}

fn combo(
    kind: ComboKind,
    place: usize,
    random: &mut SplitMix,
    words: Words<'_>,
    (mrp, price): (Paise, Paise),
    components: Vec<Component>,
) -> Combo {
    let code = if kind == ComboKind::Bundle {
        "BND"
    } else {
        "GBC"
    };
    let slug = words
        .name
        .to_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    Combo {
        id: ids::base36(u128::from(random.next()) << 8 | place as u128, 16),
        legacy_id: None,
        kind,
        sku: format!("{code}{place:03}"),
        slug: slug
            .split('-')
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join("-"),
        name: words.name.to_owned(),
        description: words.description.to_owned(),
        mrp,
        price,
        image: None,
        components,
        active: true,
        position: i32::try_from(place + 1).unwrap_or(i32::MAX),
        version: 1,
    }
}

/// So many different products, one to three of each.
fn pick(parts: &[&Product], size: u64, random: &mut SplitMix) -> Vec<Component> {
    let mut chosen: BTreeMap<&str, u32> = BTreeMap::new();
    let wanted = usize::try_from(size).unwrap_or(1).min(parts.len());
    while chosen.len() < wanted {
        let place = usize::try_from(random.next() % parts.len() as u64).unwrap_or(0);
        chosen.insert(
            &parts[place].id,
            u32::try_from(random.between(1, 3)).unwrap_or(1),
        );
    }
    let components = chosen.into_iter();
    components
        .map(|(id, quantity)| Component {
            product_id: id.to_owned(),
            quantity,
        })
        .collect()
}

fn sums(parts: &[&Product], components: &[Component]) -> (Paise, Paise) {
    let of = |component: &Component| {
        parts
            .iter()
            .find(|product| product.id == component.product_id)
    };
    components
        .iter()
        .fold((Paise(0), Paise(0)), |(mrp, price), component| {
            let quantity = i64::from(component.quantity);
            of(component).map_or((mrp, price), |product| {
                (
                    Paise(mrp.0 + product.mrp.0 * quantity),
                    Paise(price.0 + product.price.0 * quantity),
                )
            })
        })
}

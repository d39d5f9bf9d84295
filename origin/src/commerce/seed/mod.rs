//! The deterministic sample catalogue: the same number of products and the same seed make the same catalogue everywhere.

mod combos;
pub mod orders;
mod pictures;
mod products;
mod random;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::categories::{Category, SubCategory};
use super::money::Paise;
use super::products::Image;
use super::shop::{Notice, NoticeLevel, SalesMode, ShopSettings};
use crate::database::CatalogueBatch;

/// A catalogue and the pictures it shows.
pub struct Catalogue {
    /// What goes into the database.
    pub batch: CatalogueBatch,
    /// File name and SVG text.
    pub pictures: BTreeMap<String, String>,
}

/// The moment at which every sample product is said to have been made, at the latest: the clock has no part in a
/// catalogue that must be the same tomorrow.
const EPOCH_SECONDS: i64 = 1_760_000_000;

/// Makes a catalogue of `count` products; `step` is called after each.
pub fn catalogue(count: u32, seed: u64, step: impl Fn()) -> Catalogue {
    let mut pictures = BTreeMap::new();
    let mut made = Vec::with_capacity(count as usize);
    for index in 0..u64::from(count) {
        let (product, opening, low_at) = products::make(index, count, seed);
        let (name, svg) = pictures::of_product(index);
        pictures.entry(name).or_insert(svg);
        made.push((product, opening, low_at));
        step();
    }
    let categories: Vec<_> = (0..rows::GROUPS.len())
        .map(|place| category(place, &mut pictures))
        .collect();
    let combos = combos::make(&made, seed, &mut pictures);
    Catalogue {
        batch: CatalogueBatch {
            categories,
            products: made,
            combos,
        },
        pictures,
    }
}

/// Writes the pictures into a folder, which is made when missing; `step` is called after each.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write_pictures(
    folder: &Path,
    pictures: &BTreeMap<String, String>,
    step: impl Fn(),
) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, svg) in pictures {
        std::fs::write(folder.join(name), svg)?;
        step();
    }
    Ok(())
}

/// The sample shop's settings.
pub fn shop_settings() -> ShopSettings {
    ShopSettings {
        name: "Deepam Fireworks".to_owned(),
        tagline: "Sivakasi fireworks at festival prices".to_owned(),
        mode: SalesMode::Enquiry,
        licence_number: "E/SC/TN/24/0000 (sample)".to_owned(),
        licence_holder: "Deepam Fireworks, Sivakasi".to_owned(),
        phone: "+91 00000 00000".to_owned(),
        whatsapp: "+910000000000".to_owned(),
        email: "shop@example.com".to_owned(),
        address: "1 Sample Street, Sivakasi, Tamil Nadu 626123".to_owned(),
        notices: vec![Notice {
            level: NoticeLevel::Info,
            text: "We send you a numbered estimate and confirm your order in person: courts in India have restricted \
                   the online sale of fireworks."
                .to_owned(),
        }],
        packing_percent: 3,
        minimum_order: Paise(300_000),
        read_only: false,
        zones: Vec::new(),
        opens_at: None,
        closes_at: None,
        version: 1,
    }
}

fn category(place: usize, pictures: &mut BTreeMap<String, String>) -> Category {
    let group = &rows::GROUPS[place];
    let (name, svg) = pictures::of_category(place);
    let image = image(&name, group.name, pictures::accent(place));
    pictures.insert(name, svg);
    let parts = group.parts.iter().map(|(slug, name, _)| SubCategory {
        slug: (*slug).to_owned(),
        name: (*name).to_owned(),
    });
    Category {
        slug: group.slug.to_owned(),
        legacy_id: None,
        name: group.name.to_owned(),
        description: group.description.to_owned(),
        position: i32::try_from(place + 1).unwrap_or(i32::MAX),
        image: Some(image),
        sub_categories: parts.collect(),
        active: true,
        version: 1,
    }
}

fn image(name: &str, alt: &str, placeholder: &str) -> Image {
    Image {
        sources: Vec::new(),
        url: format!("/pictures/{name}"),
        width: 480,
        height: 480,
        alt: alt.to_owned(),
        placeholder: placeholder.to_owned(),
    }
}

fn at(seconds_before_epoch: u64) -> Timestamp {
    let seconds = EPOCH_SECONDS - i64::try_from(seconds_before_epoch).unwrap_or(0);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;

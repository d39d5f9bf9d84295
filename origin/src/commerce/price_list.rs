//! The price list: every active product by category, as shops in this trade print it.

use super::categories::Category;
use super::products::Product;
use super::sheets::{self, rupees, safe};

/// A category and its products.
#[derive(Clone, Debug)]
pub struct Section {
    /// The category.
    pub category: Category,
    /// In the order in which they came.
    pub products: Vec<Product>,
}

/// Groups products into categories, in the categories' order. Products of an unknown category are left out, as are
/// categories without products.
pub fn sections(categories: Vec<Category>, products: Vec<Product>) -> Vec<Section> {
    let empty = |category| Section {
        category,
        products: Vec::new(),
    };
    let mut sections: Vec<_> = categories.into_iter().map(empty).collect();
    for product in products {
        if let Some(section) = sections
            .iter_mut()
            .find(|s| s.category.slug == product.category)
        {
            section.products.push(product);
        }
    }
    sections.retain(|section| !section.products.is_empty());
    sections
}

/// The list as CSV with a header line, prices in rupees with two decimals.
///
/// # Errors
/// Never in practice: writing goes to memory.
pub fn to_csv(sections: &[Section]) -> Result<Vec<u8>, csv::Error> {
    let header = [
        "category",
        "sku",
        "name",
        "pack",
        "unit",
        "mrp_inr",
        "price_inr",
        "discount_percent",
        "availability",
        "restricted",
    ];
    let rows = sections.iter().flat_map(|section| {
        let rows = section.products.iter();
        rows.map(|product| row(&section.category, product))
    });
    sheets::to_csv(std::iter::once(header.map(str::to_owned)).chain(rows))
}

fn row(category: &Category, product: &Product) -> [String; 10] {
    [
        safe(&category.name),
        safe(&product.sku),
        safe(&product.name),
        safe(&product.pack),
        safe(&product.unit),
        rupees(product.mrp),
        rupees(product.price),
        product.mrp.discount_percent(product.price).to_string(),
        product.availability.as_str().to_owned(),
        if product.restricted { "yes" } else { "no" }.to_owned(),
    ]
}

//! The price list: every active product by category, as shops in this trade print it.

use super::categories::Category;
use super::products::Product;

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

/// The list as CSV (RFC 4180: CRLF, quotes where needed) with a header line, prices in rupees with two decimals.
///
/// # Errors
/// Never in practice: writing goes to memory.
pub fn to_csv(sections: &[Section]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record([
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
    ])?;
    for section in sections {
        for product in &section.products {
            writer.write_record([
                safe(&section.category.name).as_str(),
                safe(&product.sku).as_str(),
                safe(&product.name).as_str(),
                safe(&product.pack).as_str(),
                safe(&product.unit).as_str(),
                &rupees(product.mrp.0),
                &rupees(product.price.0),
                &product.mrp.discount_percent(product.price).to_string(),
                product.availability.as_str(),
                if product.restricted { "yes" } else { "no" },
            ])?;
        }
    }
    writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))
}

/// Spreadsheets run cells that begin like a formula (CSV injection): a leading apostrophe keeps them text.
fn safe(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

fn rupees(paise: i64) -> String {
    format!(
        "{}{}.{:02}",
        if paise < 0 { "-" } else { "" },
        (paise / 100).abs(),
        (paise % 100).abs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_begin_like_a_formula_stay_text() {
        for cell in ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"] {
            assert_eq!(safe(cell), format!("'{cell}"));
        }
        assert_eq!(safe("7 cm Electric"), "7 cm Electric");
    }

    #[test]
    fn rupees_have_two_decimals() {
        assert_eq!((rupees(800).as_str(), rupees(5).as_str()), ("8.00", "0.05"));
    }
}

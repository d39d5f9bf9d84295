//! Products as rows of a spreadsheet: written by the export, read by the import. What the one writes the other takes, and
//! finds unchanged.

mod carry_out;
mod plan;
mod read;

use super::products::Product;
use super::sheets::{plain, rupees, rupees_of, safe};

pub use carry_out::{carry_out, known};
pub use plan::{Known, NewLine, Plan, plan};
pub use read::{Line, Sheet, SheetProblem, read};

/// Words of a list in one cell are held apart by this.
const BETWEEN: char = '|';

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// The article number: which product a line is of. The one column that must be there.
    Sku,
    /// Name in URLs.
    Slug,
    /// Name for people.
    Name,
    /// Plain text.
    Description,
    /// Slug of its category.
    Category,
    /// Slugs, held apart by `|`.
    SubCategories,
    /// Maximum retail price, in rupees.
    Mrp,
    /// What the shop asks, in rupees.
    Price,
    /// What one of it is.
    Unit,
    /// What is in one.
    Pack,
    /// Grams.
    WeightGrams,
    /// The least that can be ordered.
    OrderMin,
    /// The most that can be ordered.
    OrderMax,
    /// Words, held apart by `|`.
    Tags,
    /// Sentences, held apart by `|`.
    SafetyNotes,
    /// `yes` or `no`.
    Featured,
    /// `yes` or `no`.
    Active,
    /// `yes` or `no`.
    Restricted,
    /// Pieces of a product that the line makes. Nothing to one that is there: its stock has its own ledger.
    OpeningStock,
    /// At or below this the public word is `low`; for a product that the line makes.
    LowAt,
}

/// Columns of the export; those of the stock are not among them.
pub const HEADER: [&str; 18] = [
    "sku",
    "slug",
    "name",
    "description",
    "category",
    "sub_categories",
    "mrp_inr",
    "price_inr",
    "unit",
    "pack",
    "weight_grams",
    "order_min",
    "order_max",
    "tags",
    "safety_notes",
    "featured",
    "active",
    "restricted",
];

impl Column {
    /// Every column.
    pub const ALL: [Self; 20] = [
        Self::Sku,
        Self::Slug,
        Self::Name,
        Self::Description,
        Self::Category,
        Self::SubCategories,
        Self::Mrp,
        Self::Price,
        Self::Unit,
        Self::Pack,
        Self::WeightGrams,
        Self::OrderMin,
        Self::OrderMax,
        Self::Tags,
        Self::SafetyNotes,
        Self::Featured,
        Self::Active,
        Self::Restricted,
        Self::OpeningStock,
        Self::LowAt,
    ];

    /// Its name in the header line.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpeningStock => "opening_stock",
            Self::LowAt => "low_at",
            of_product => HEADER[of_product as usize],
        }
    }

    /// The column with a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// The column of a field, as the rules of products name it.
    fn of_field(field: &str) -> Option<Self> {
        match field {
            "mrp_paise" => Some(Self::Mrp),
            "price_paise" => Some(Self::Price),
            name => Self::of_name(name),
        }
    }
}

/// A product as it is exported.
pub fn row(product: &Product) -> [String; HEADER.len()] {
    let list = |words: &[String]| safe(&joined(words));
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    [
        safe(&product.sku),
        safe(&product.slug),
        safe(&product.name),
        safe(&product.description),
        safe(&product.category),
        list(&product.sub_categories),
        rupees(product.mrp),
        rupees(product.price),
        safe(&product.unit),
        safe(&product.pack),
        product.weight_grams.to_string(),
        product.order_min.to_string(),
        product.order_max.to_string(),
        list(&product.tags),
        list(&product.safety_notes),
        yes(product.featured),
        yes(product.active),
        yes(product.restricted),
    ]
}

/// Words in one cell; what holds them apart, within a word, stands behind a backslash.
fn joined(words: &[String]) -> String {
    let escaped = words
        .iter()
        .map(|word| word.replace('\\', "\\\\").replace(BETWEEN, "\\|"));
    escaped.collect::<Vec<_>>().join("|")
}

/// The words of a cell; empty ones are none.
fn split(cell: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut letters = cell.chars();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            BETWEEN => {
                words.push(String::new());
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Sets a field to what a cell says. An empty cell empties what may be empty, and leaves everything else as it is.
///
/// # Errors
/// What is expected there.
fn set(product: &mut Product, column: Column, cell: &str) -> Result<(), &'static str> {
    let whole = plain(cell);
    let text = whole.trim();
    let price = || rupees_of(text).ok_or("rupees with at most two decimals, such as 1250.50");
    let number = || text.parse::<u32>().map_err(|_| "a whole number");
    let slugs = || -> Vec<String> {
        let words = split(text);
        words.iter().map(|word| word.trim().to_owned()).collect()
    };
    match column {
        Column::Description => product.description = whole.to_owned(),
        Column::SubCategories => product.sub_categories = slugs(),
        Column::Pack => product.pack = whole.to_owned(),
        Column::Unit => product.unit = whole.to_owned(),
        Column::Tags => product.tags = slugs(),
        Column::SafetyNotes => product.safety_notes = split(whole),
        // The stock is no field of a product.
        Column::OpeningStock | Column::LowAt => {}
        _ if text.is_empty() => {}
        Column::Sku => product.sku = text.to_owned(),
        Column::Slug => product.slug = text.to_owned(),
        Column::Name => product.name = text.to_owned(),
        Column::Category => product.category = text.to_owned(),
        Column::Mrp => product.mrp = price()?,
        Column::Price => product.price = price()?,
        Column::WeightGrams => product.weight_grams = number()?,
        Column::OrderMin => product.order_min = number()?,
        Column::OrderMax => product.order_max = number()?,
        Column::Featured => product.featured = is_yes(text)?,
        Column::Active => product.active = is_yes(text)?,
        Column::Restricted => product.restricted = is_yes(text)?,
    }
    Ok(())
}

fn is_yes(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("yes or no"),
    }
}

/// Pieces of a stock; those of an empty cell are none.
fn pieces(cell: &str) -> Result<i64, &'static str> {
    match plain(cell).trim() {
        "" => Ok(0),
        text => match text.parse::<u32>() {
            Ok(count) if count <= 10_000_000 => Ok(i64::from(count)),
            _ => Err("0 to 10000000"),
        },
    }
}

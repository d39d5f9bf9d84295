//! What a sheet would do: which products come, which change, and everything that is wrong.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Column, Line, Sheet, SheetProblem, pieces, set};
use crate::commerce::categories::{Category, Misplaced};
use crate::commerce::product_rules::problems;
use crate::commerce::products::Product;

/// What is there before.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Every product that has an article number or a name in URLs that the sheet names.
    pub products: Vec<Product>,
    /// All of them.
    pub categories: Vec<Category>,
}

/// A product that a line makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLine {
    /// The product.
    pub product: Product,
    /// Pieces there.
    pub stock: i64,
    /// At or below this the public word is `low`.
    pub low_at: i64,
}

/// What a sheet would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Products that come.
    pub new: Vec<NewLine>,
    /// Products that change, as they would be; their version is the one that this was decided on.
    pub changed: Vec<Product>,
    /// Lines that say what is so already.
    pub unchanged: usize,
    /// In the order of the lines.
    pub problems: Vec<SheetProblem>,
}

/// Decides what a sheet does, and writes nothing.
pub fn plan(sheet: &Sheet, known: &Known, at: Timestamp) -> Plan {
    let by_sku: BTreeMap<_, _> = known.products.iter().map(|p| (p.sku.as_str(), p)).collect();
    let mut slugs: BTreeMap<String, String> = known
        .products
        .iter()
        .map(|product| (product.slug.clone(), product.sku.clone()))
        .collect();
    let mut seen = BTreeSet::new();
    let mut plan = Plan::default();
    for line in &sheet.lines {
        let cells: BTreeMap<_, _> = sheet.columns.iter().copied().zip(&line.cells).collect();
        let sku = super::plain(cells.get(&Column::Sku).map_or("", |cell| cell.as_str())).trim();
        let before = by_sku.get(sku).copied();
        let mut product = before.map_or_else(|| Product::blank(at), Clone::clone);
        let mut wrong = filled(line, &cells, &mut product);
        wrong.extend(broken_rules(line, (&product, before), &wrong, known));
        if !seen.insert(sku.to_owned()) {
            wrong.push(of(
                line,
                Column::Sku,
                "doubled_line",
                "each article number once",
            ));
        }
        let owner = slugs
            .entry(product.slug.clone())
            .or_insert_with(|| sku.to_owned());
        if !product.slug.is_empty() && owner != sku {
            wrong.push(of(
                line,
                Column::Slug,
                "already_exists",
                "a slug that no other product has",
            ));
        }
        if !wrong.is_empty() {
            plan.problems.append(&mut wrong);
            continue;
        }
        match before {
            Some(before) if *before == product => plan.unchanged += 1,
            Some(_) => {
                product.updated_at = at;
                plan.changed.push(product);
            }
            None => plan.new.push(NewLine {
                product,
                stock: counted(&cells, Column::OpeningStock),
                low_at: counted(&cells, Column::LowAt),
            }),
        }
    }
    plan
}

/// Sets every field that a line has a cell for; what cannot be read.
fn filled(
    line: &Line,
    cells: &BTreeMap<Column, &String>,
    product: &mut Product,
) -> Vec<SheetProblem> {
    let mut wrong = Vec::new();
    for (column, cell) in cells {
        let is_set = match column {
            Column::OpeningStock | Column::LowAt => pieces(cell).map(drop),
            column => set(product, *column, cell),
        };
        if let Err(expected) = is_set {
            wrong.push(of(line, *column, "invalid_field", expected));
        }
    }
    wrong
}

/// What is wrong with the product that a line describes, where its cells could be read.
fn broken_rules(
    line: &Line,
    (product, before): (&Product, Option<&Product>),
    unread: &[SheetProblem],
    known: &Known,
) -> Vec<SheetProblem> {
    let mut wrong = Vec::new();
    for (field, expected) in problems(product) {
        let column = Column::of_field(field);
        let is_named = |one: &SheetProblem| one.column.as_deref() == column.map(Column::name);
        if !unread.iter().any(is_named) {
            wrong.push(SheetProblem {
                line: line.number,
                column: Some(column.map_or(field, Column::name).to_owned()),
                code: "invalid_field",
                expected: expected.to_owned(),
            });
        }
    }
    let misplaced = Misplaced::of(product, before, &known.categories);
    // One without a category is told so by the rules.
    if let Some(misplaced) = misplaced.filter(|_| !product.category.is_empty())
        && let Some(column) = Column::of_field(misplaced.field())
    {
        wrong.push(of(line, column, misplaced.code(), misplaced.expected()));
    }
    wrong
}

fn of(line: &Line, column: Column, code: &'static str, expected: &str) -> SheetProblem {
    SheetProblem {
        line: line.number,
        column: Some(column.name().to_owned()),
        code,
        expected: expected.to_owned(),
    }
}

fn counted(cells: &BTreeMap<Column, &String>, column: Column) -> i64 {
    cells
        .get(&column)
        .and_then(|cell| pieces(cell).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::{HEADER, read, row};
    use super::*;
    use crate::commerce::seed;
    use crate::commerce::sheets::to_csv;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn known() -> Known {
        let made = seed::catalogue(40, 1, || ());
        Known {
            products: made
                .batch
                .products
                .into_iter()
                .map(|(product, _, _)| product)
                .collect(),
            categories: made.batch.categories,
        }
    }

    fn planned(text: &str, known: &Known) -> Plan {
        plan(&read(text.as_bytes(), 1000).unwrap(), known, NOW)
    }

    fn found(plan: &Plan) -> Vec<(u64, &str, &str)> {
        let problems = plan.problems.iter();
        problems
            .map(|one| (one.line, one.column.as_deref().unwrap_or(""), one.code))
            .collect()
    }

    #[test]
    fn what_was_exported_changes_nothing() {
        let mut known = known();
        // What a spreadsheet would run or mangle comes back as it was, too.
        known.products[0].name = "=SUM(A1:A9)".to_owned();
        known.products[1].description = "two\nlines, \"quoted\"".to_owned();
        known.products[2].pack = "'10 pcs ".to_owned();
        known.products[3].safety_notes = vec!["a|b".to_owned(), "c\\".to_owned(), "-d".to_owned()];
        let rows = known.products.iter().map(row);
        let text = to_csv([HEADER.map(str::to_owned)].into_iter().chain(rows)).unwrap();
        let plan = planned(std::str::from_utf8(&text).unwrap(), &known);
        assert_eq!(found(&plan), []);
        assert_eq!(
            (plan.new.len(), plan.changed.len(), plan.unchanged),
            (0, 0, 40)
        );
    }

    #[test]
    fn a_line_makes_changes_or_leaves_a_product() {
        let known = known();
        let (first, second) = (&known.products[0], &known.products[1]);
        let text = format!(
            "sku,slug,name,category,mrp_inr,price_inr,opening_stock,low_at\n\
             NEW1,new-one,=New,{category},100,80.5,12,3\n\
             {},,,,,{},,\n\
             {},,Other,,,,99,\n",
            first.sku,
            crate::commerce::sheets::rupees(first.price),
            second.sku,
            category = first.category,
        );
        let plan = planned(&text, &known);
        assert_eq!(found(&plan), []);
        let new = &plan.new[0];
        assert_eq!(
            (
                new.product.name.as_str(),
                new.product.price.0,
                new.stock,
                new.low_at
            ),
            ("=New", 8050, 12, 3)
        );
        assert_eq!(plan.unchanged, 1);
        let changed = Product {
            name: "Other".to_owned(),
            updated_at: NOW,
            ..second.clone()
        };
        assert_eq!(plan.changed, [changed]);
    }

    #[test]
    fn everything_that_is_wrong_is_named_by_line_and_column() {
        let known = known();
        let taken = &known.products[0].slug;
        let category = &known.products[0].category;
        let text = format!(
            "sku,slug,name,category,mrp_inr,price_inr,order_max,active,opening_stock\n\
             N1,n1,N,{category},100,1e2,,,\n\
             N2,{taken},N,{category},100,50,,,\n\
             N3,n3,N,nowhere,100,150,,maybe,-1\n\
             N4,n4,,{category},100,50,x,,\n\
             N5,n5,N,{category},100,50,,,\n\
             N5,n6,N,{category},100,50,,,\n"
        );
        let plan = planned(&text, &known);
        let wanted = [
            (2, "price_inr", "invalid_field"),
            (3, "slug", "already_exists"),
            (4, "active", "invalid_field"),
            (4, "opening_stock", "invalid_field"),
            (4, "price_inr", "invalid_field"),
            (4, "category", "unknown_category"),
            (5, "order_max", "invalid_field"),
            (5, "name", "invalid_field"),
            (7, "sku", "doubled_line"),
        ];
        assert_eq!(found(&plan), wanted);
        assert_eq!((plan.new.len(), plan.changed.len()), (1, 0));
    }
}

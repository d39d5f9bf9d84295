//! What staff are told of stocks that fall: once for each fall.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::mail::Mail;
use super::products::Product;
use super::records::{Kept, Stored, Writes};
use super::staff::{Right, StaffMember};
use super::stock::StockRecord;
use crate::database::{Answer, Database};

/// Members of staff who are written to.
const RECIPIENTS_MAX: usize = 20;
/// Products that one mail names; the others are counted.
const LINES_MAX: usize = 50;

/// That staff were told of a stock that fell. Written together with the mail, and removed when the stock has risen: so a fall is
/// told once, whatever dies in between.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct StockAlert {
    /// Which product.
    pub product_id: String,
}

impl Kept for StockAlert {
    const KIND: &'static str = "stock_alert";

    fn id(&self) -> &str {
        &self.product_id
    }
}

/// A stock that fell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallen {
    /// The product.
    pub product: Product,
    /// Its stock.
    pub stock: StockRecord,
}

/// What is written of at most 500 stocks as they are now, beside `writes`: alerts for those that have fallen to their mark or below it,
/// and mails that tell of them; nothing for those that were told of.
///
/// # Errors
/// What the database fails with.
pub async fn told(
    database: &Database,
    product_ids: &[String],
    shop: &str,
    at: Timestamp,
    mut writes: Writes,
) -> Answer<Writes> {
    let stocks = database.stocks(product_ids).await?;
    let alerts = database.get_all::<StockAlert>(product_ids).await?;
    let mut fallen_stocks = Vec::new();
    for stock in stocks {
        let is_its = |alert: &&Stored<StockAlert>| alert.value.product_id == stock.product_id;
        match (stock.available <= stock.low_at, alerts.iter().find(is_its)) {
            (true, None) => fallen_stocks.push(stock),
            (false, Some(alert)) => writes = writes.remove(alert),
            _ => {}
        }
    }
    if fallen_stocks.is_empty() {
        return Ok(writes);
    }
    let ids: Vec<_> = fallen_stocks
        .iter()
        .map(|stock| stock.product_id.clone())
        .collect();
    // What is not active is nobody's concern until it is.
    let products = database.products_by_ids(&ids).await?;
    let mut fallen = Vec::new();
    for product in products {
        if let Some(stock) = fallen_stocks
            .iter()
            .find(|one| one.product_id == product.id)
        {
            writes = writes.with(&StockAlert {
                product_id: product.id.clone(),
            })?;
            let stock = stock.clone();
            fallen.push(Fallen { product, stock });
        }
    }
    if fallen.is_empty() {
        return Ok(writes);
    }
    for to in recipients(database).await? {
        writes = writes.with(&mail(&to, &fallen, shop, at))?;
    }
    Ok(writes)
}

/// Whoever may do something about it.
async fn recipients(database: &Database) -> Answer<Vec<String>> {
    let all = database.list::<StaffMember>("all", None, 1000).await?;
    let members = all.into_iter().map(|Stored { value, .. }| value);
    let concerned = members.filter(|one| one.active && one.role.has(Right::Catalogue));
    Ok(concerned
        .take(RECIPIENTS_MAX)
        .map(|one| one.email)
        .collect())
}

fn mail(to: &str, fallen: &[Fallen], shop: &str, at: Timestamp) -> Mail {
    let subject = match fallen {
        [one] => format!("{shop}: {} is running out", one.product.name),
        several => format!("{shop}: {} products are running out", several.len()),
    };
    let mut paragraphs: Vec<_> = fallen
        .iter()
        .take(LINES_MAX)
        .map(|one| {
            let (product, stock) = (&one.product, &one.stock);
            format!(
                "{} {}: {} left, low at {}",
                product.sku, product.name, stock.available, stock.low_at
            )
        })
        .collect();
    if fallen.len() > LINES_MAX {
        paragraphs.push(format!("And {} more.", fallen.len() - LINES_MAX));
    }
    Mail::new(to, &subject, &paragraphs, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_names_few_and_counts_the_rest() {
        let one = |number: i64| Fallen {
            product: Product {
                sku: format!("S{number}"),
                name: "Rocket".to_owned(),
                ..Product::blank(Timestamp::UNIX_EPOCH)
            },
            stock: StockRecord {
                product_id: number.to_string(),
                available: number,
                low_at: 60,
                version: 1,
            },
        };
        let all: Vec<_> = (0..52).map(one).collect();
        let mail = mail("a@b.in", &all, "Shop", Timestamp::UNIX_EPOCH);
        assert_eq!(mail.subject, "Shop: 52 products are running out");
        assert!(mail.text.contains("S49 Rocket: 49 left, low at 60") && !mail.text.contains("S50"));
        assert!(mail.text.ends_with("And 2 more."));
    }
}

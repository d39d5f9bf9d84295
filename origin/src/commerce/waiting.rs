//! Who waits for a product to come back. Kept until they were told, half a year at most.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::availability::Availability;
use super::mail::Mail;
use super::products::Product;
use super::records::{Kept, Writes};
use crate::database::{Answer, Database, DatabaseError};

/// The most addresses that wait for one product.
const OF_PRODUCT_MAX: u32 = 1000;
/// The most products that one address waits for.
const OF_ADDRESS_MAX: u32 = 20;
/// For how long somebody waits.
const WAITS_FOR: SignedDuration = SignedDuration::from_hours(24 * 180);
/// Addresses that are told in one write.
const TOLD_AT_ONCE: u32 = 100;

/// The kind of change that somebody who begins to wait leaves.
pub const CHANGE: &str = "waiting";

/// Somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Waiting {
    /// Of product and address: the same wish is kept once.
    pub id: String,
    /// For which product.
    pub product_id: String,
    /// Who is told.
    pub email: String,
    /// Until when.
    pub until: Timestamp,
}

impl Kept for Waiting {
    const KIND: &'static str = "waiting";

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<String> {
        vec![of_product(&self.product_id), of_address(&self.email)]
    }

    fn due_at(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

fn of_product(id: &str) -> String {
    format!("product:{id}")
}

fn of_address(email: &str) -> String {
    format!("email:{email}")
}

/// Whether somebody who waits for it can buy it now.
fn is_back(product: &Product) -> bool {
    product.active && !product.restricted && product.availability != Availability::SoldOut
}

/// Lets an address wait for a product. Whether it waits already, or there are too many, nobody learns. It leaves a change,
/// so that who asks at the moment when the product comes back is told as well.
///
/// # Errors
/// What the database fails with.
pub async fn wait(database: &Database, product_id: &str, email: &str, at: Timestamp) -> Answer<()> {
    let waiting = Waiting {
        id: format!("{product_id}:{email}"),
        product_id: product_id.to_owned(),
        email: email.to_owned(),
        until: at + WAITS_FOR,
    };
    for (key, most) in [
        (of_product(product_id), OF_PRODUCT_MAX),
        (of_address(email), OF_ADDRESS_MAX),
    ] {
        if database.records_counted(Waiting::KIND, &key, most).await? >= most {
            return Ok(());
        }
    }
    let writes = Writes::default().with(&waiting)?;
    let writes = writes.change(CHANGE, product_id, Vec::new());
    match database.write_records(&writes, at).await {
        Err(DatabaseError::AlreadyExists(_)) => Ok(()),
        done => done,
    }
}

/// Adds the mails to everybody who waits for a product that is back, and takes them off the list in the same write: each
/// is told once. Where they are too many for one write, a change that this leaves lets the next one go on.
///
/// # Errors
/// What the database fails with.
pub async fn told(
    database: &Database,
    product_id: &str,
    (shop, public_url): (&str, &str),
    mut writes: Writes,
    at: Timestamp,
) -> Answer<Writes> {
    let key = of_product(product_id);
    let waiting = database.list::<Waiting>(&key, None, TOLD_AT_ONCE).await?;
    if waiting.is_empty() {
        return Ok(writes);
    }
    let found = database.products_by_ids(&[product_id.to_owned()]).await?;
    let Some(product) = found.into_iter().find(is_back) else {
        return Ok(writes);
    };
    for one in &waiting {
        let mail = mail(&product, &one.value.email, (shop, public_url), at);
        writes = writes.remove(one).with(&mail)?;
    }
    if waiting.len() == TOLD_AT_ONCE as usize {
        writes = writes.change(CHANGE, product_id, Vec::new());
    }
    Ok(writes)
}

fn mail(product: &Product, email: &str, (shop, public_url): (&str, &str), at: Timestamp) -> Mail {
    let paragraphs = [
        format!("{} is in stock again at {shop}.", product.name),
        format!("{public_url}/product/{}", product.slug),
        "You asked to be told, and this was the only mail about it.".to_owned(),
    ];
    let subject = format!("{} is back", product.name);
    Mail::new(email, &subject, &paragraphs, at)
}

/// Forgets who has waited too long, at most `limit`.
///
/// # Errors
/// What the database fails with.
pub async fn forget(database: &Database, at: Timestamp, limit: u32) -> Answer<()> {
    let mut writes = Writes::default();
    for waiting in database.due::<Waiting>(at, limit).await? {
        writes = writes.remove(&waiting);
    }
    if writes.steps.is_empty() {
        return Ok(());
    }
    match database.write_records(&writes, at).await {
        // Told, or forgotten by another origin.
        Err(DatabaseError::VersionConflict { .. }) => Ok(()),
        done => done,
    }
}

//! The versions of what quotes were made from, read for a whole batch of orders in the snapshot that places them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use serde::Deserialize;

use super::error::Failure;
use super::products::from_json;
use super::{Mongo, records};
use crate::commerce::basis::{Basis, Ground};
use crate::commerce::coupons::Coupon;
use crate::commerce::orders::NewOrder;
use crate::commerce::records::Kept as _;

/// The versions that things have now.
pub(super) struct Versions(BTreeMap<Ground, i64>);

impl Versions {
    /// Whether everything that a price was made from is still what it was.
    pub(super) fn are_those_of(&self, basis: &Basis) -> bool {
        basis
            .iter()
            .all(|(ground, version)| self.0.get(ground) == Some(&version))
    }

    /// Reads those that a batch was made from: at most one question for each kind of thing.
    pub(super) async fn of_orders(
        this: &Mongo,
        session: &mut ClientSession,
        orders: &[NewOrder],
    ) -> Result<Self, Failure> {
        let grounds: BTreeSet<&Ground> = orders
            .iter()
            .flat_map(|order| order.basis.iter().map(|(ground, _)| ground))
            .collect();
        let mut versions = BTreeMap::new();
        let mut ids: BTreeMap<&str, Vec<(String, &Ground)>> = BTreeMap::new();
        for ground in grounds {
            let (collection, id) = match ground {
                Ground::Shop => ("shop", "shop".to_owned()),
                Ground::Product(id) => ("products", id.clone()),
                Ground::Combo(id) => ("combos", id.clone()),
                Ground::Coupon(code) => ("records", records::full(Coupon::KIND, code)),
            };
            ids.entry(collection).or_default().push((id, ground));
        }
        for (collection, ids) in ids {
            let found = read(this, session, collection, &ids).await?;
            for (id, ground) in ids {
                if let Some(version) = found.get(&id) {
                    versions.insert(ground.clone(), *version);
                }
            }
        }
        Ok(Self(versions))
    }
}

/// What has no version beside its document has one in it.
#[derive(Deserialize)]
struct Versioned {
    version: i64,
}

async fn read(
    this: &Mongo,
    session: &mut ClientSession,
    collection: &str,
    ids: &[(String, &Ground)],
) -> Result<BTreeMap<String, i64>, Failure> {
    let ids: Vec<&str> = ids.iter().map(|(id, _)| id.as_str()).collect();
    let fields = match collection {
        "products" | "records" => doc! { "version": 1 },
        _ => doc! { "document": 1 },
    };
    let collection = this.collection(collection);
    let find = this
        .find(&collection, doc! { "_id": { "$in": ids } })
        .projection(fields);
    let mut found = find.session(&mut *session).await?;
    let documents: Vec<Document> = found.stream(session).try_collect().await?;
    let mut versions = BTreeMap::new();
    for document in &documents {
        let version = match document.get_i64("version") {
            Ok(version) => version,
            Err(_) => from_json::<Versioned>(document)?.version,
        };
        if let Ok(id) = document.get_str("_id") {
            versions.insert(id.to_owned(), version);
        }
    }
    Ok(versions)
}

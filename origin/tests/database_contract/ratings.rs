//! What both databases promise of ratings: counted on together with what counts.

use crackers_origin::commerce::products::Product;
use crackers_origin::commerce::ratings::{Rating, RatingChange};
use crackers_origin::commerce::records::{Stored, Writes};
use crackers_origin::database::{Database, DatabaseError};

use crate::Opened;
use crate::promises::NOW;
use crate::records::letter;

async fn product(database: &Database) -> Product {
    let all = database.products_after("", 1).await.unwrap();
    all.into_iter().next().unwrap()
}

pub(crate) async fn a_rating_is_counted_together_with_what_counts(opened: Opened) {
    let database = opened.seeded().await.database;
    let before = product(&database).await;
    let one = RatingChange::of(1, 5);
    let writes = Writes::default().with(&letter("a", "meena")).unwrap();
    let sequence = database.last_sequence().await.unwrap();
    database.rate(&before.id, one, &writes, NOW).await.unwrap();
    let after = product(&database).await;
    let rating = before.rating.changed(one);
    assert_eq!(
        after,
        Product {
            rating,
            ..before.clone()
        }
    );
    let changes = database.changes_after(sequence, 10).await.unwrap();
    let tags: Vec<_> = changes.iter().map(|change| change.tags.clone()).collect();
    let own = [
        format!("product:{}", before.id),
        "products".to_owned(),
        format!("category:{}", before.category),
    ];
    assert_eq!(tags, [own.to_vec()]);
    // What is refused counts nothing: the record is there, another has changed it, there is no such product.
    let stale = Writes::default()
        .replace(&Stored {
            version: 7,
            value: letter("a", "ravi"),
        })
        .unwrap();
    for (id, writes) in [
        (before.id.as_str(), &writes),
        (before.id.as_str(), &stale),
        ("nothing", &Writes::default()),
    ] {
        assert!(database.rate(id, one, writes, NOW).await.is_err());
    }
    let missing = Writes::default().with(&letter("b", "meena")).unwrap();
    let refused = database.rate("nothing", one, &missing, NOW).await;
    assert!(
        matches!(refused, Err(DatabaseError::NotFound { .. })),
        "{refused:?}"
    );
    assert_eq!(database.record("letter", "b").await.unwrap(), None);
    assert_eq!(product(&database).await.rating, rating);
    // Staff who change the product keep what was counted in between.
    let mut changed = before.clone();
    changed.name = "Another name".to_owned();
    changed.rating = Rating::default();
    let changed = database
        .replace_product(&changed, before.version, NOW)
        .await
        .unwrap();
    assert_eq!(
        (changed.rating, product(&database).await.rating),
        (rating, rating)
    );
}

//! What both databases promise of records, of what staff change in the catalogue, and of the uses of coupons.

use crackers_origin::commerce::orders::Placed;
use crackers_origin::commerce::products::Product;
use crackers_origin::commerce::records::{Kept, Stored, Writes};
use crackers_origin::commerce::stock::{StockAdjustment, coupon_stock};
use crackers_origin::database::DatabaseError;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Opened;
use crate::orders::{available, order_of, stocked};
use crate::promises::{NOW, sample};

/// A thing to keep.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Letter {
    id: String,
    to: String,
    stamp: Option<String>,
    send_at: Option<Timestamp>,
}

impl Kept for Letter {
    const KIND: &'static str = "letter";

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<String> {
        vec!["all".to_owned(), format!("to:{}", self.to)]
    }

    fn unique_keys(&self) -> Vec<String> {
        self.stamp
            .iter()
            .map(|stamp| format!("stamp:{stamp}"))
            .collect()
    }

    fn due_at(&self) -> Option<Timestamp> {
        self.send_at
    }
}

pub(crate) fn letter(id: &str, to: &str) -> Letter {
    Letter {
        id: id.to_owned(),
        to: to.to_owned(),
        stamp: Some(id.to_owned()),
        send_at: None,
    }
}

fn ids(found: &[Stored<Letter>]) -> Vec<&str> {
    found.iter().map(|one| one.value.id.as_str()).collect()
}

pub(crate) async fn records_are_found_by_id_and_by_every_key(opened: Opened) {
    let database = opened.database;
    let mut writes = Writes::default();
    for (id, to) in [("a", "meena"), ("b", "ravi"), ("c", "meena")] {
        writes = writes.with(&letter(id, to)).unwrap();
    }
    database.write_records(&writes, NOW).await.unwrap();
    let found = database.get::<Letter>("b").await.unwrap().unwrap();
    assert_eq!((found.version, &found.value), (1, &letter("b", "ravi")));
    assert_eq!(database.get::<Letter>("z").await.unwrap(), None);
    let stamped = database.get_by::<Letter>("stamp:c").await.unwrap();
    assert_eq!(stamped.unwrap().value.id, "c");
    let all = database.list::<Letter>("all", None, 2).await.unwrap();
    assert_eq!(ids(&all), ["c", "b"]);
    let rest = database.list::<Letter>("all", Some("b"), 2).await.unwrap();
    assert_eq!(ids(&rest), ["a"]);
    let hers = database.list::<Letter>("to:meena", None, 9).await.unwrap();
    assert_eq!(ids(&hers), ["c", "a"]);
    let wanted = ["c", "z", "a"].map(str::to_owned);
    let mut named = database.get_all::<Letter>(&wanted).await.unwrap();
    named.sort_by(|one, other| one.value.id.cmp(&other.value.id));
    assert_eq!(ids(&named), ["a", "c"]);
    // Keys follow the struct.
    let mut moved = hers.into_iter().next().unwrap();
    moved.value.to = "ravi".to_owned();
    moved.value.stamp = None;
    let writes = Writes::default().replace(&moved).unwrap();
    database.write_records(&writes, NOW).await.unwrap();
    let his = database.list::<Letter>("to:ravi", None, 9).await.unwrap();
    assert_eq!(ids(&his), ["c", "b"]);
    assert_eq!(database.get_by::<Letter>("stamp:c").await.unwrap(), None);
}

pub(crate) async fn a_write_of_records_takes_every_step_or_none(opened: Opened) {
    let database = opened.database;
    let first = Writes::default().with(&letter("a", "meena")).unwrap();
    database.write_records(&first, NOW).await.unwrap();
    let before = database.last_sequence().await.unwrap();
    let mut same_stamp = letter("c", "ravi");
    same_stamp.stamp = Some("a".to_owned());
    let stale = Stored {
        version: 7,
        value: letter("a", "nobody"),
    };
    for (writes, taken) in [
        (Writes::default().with(&letter("a", "ravi")).unwrap(), true),
        (Writes::default().with(&same_stamp).unwrap(), true),
        (Writes::default().replace(&stale).unwrap(), false),
        (Writes::default().remove(&stale), false),
    ] {
        let mut both = Writes::default()
            .with(&letter("b", "ravi"))
            .unwrap()
            .change("letter", "b", Vec::new());
        both.steps.extend(writes.steps);
        let refused = database.write_records(&both, NOW).await.unwrap_err();
        assert!(
            match refused {
                DatabaseError::AlreadyExists(_) => taken,
                DatabaseError::VersionConflict {
                    expected: 7,
                    actual: 1,
                } => !taken,
                _ => false,
            },
            "{refused}"
        );
        assert_eq!(database.get::<Letter>("b").await.unwrap(), None);
        assert_eq!(database.last_sequence().await.unwrap(), before);
    }
    let found = database.get::<Letter>("a").await.unwrap().unwrap();
    assert_eq!(found.value, letter("a", "meena"));
    let gone = Writes::default().remove(&found);
    database.write_records(&gone, NOW).await.unwrap();
    assert_eq!(database.get::<Letter>("a").await.unwrap(), None);
    assert!(
        database
            .list::<Letter>("all", None, 9)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn records_are_due_in_the_order_of_their_time(opened: Opened) {
    let database = opened.database;
    let mut writes = Writes::default();
    for (id, minutes) in [
        ("late", Some(3)),
        ("never", None),
        ("soon", Some(1)),
        ("far", Some(60)),
    ] {
        let mut one = letter(id, "meena");
        one.send_at = minutes.map(|minutes| NOW + SignedDuration::from_mins(minutes));
        writes = writes.with(&one).unwrap();
    }
    database.write_records(&writes, NOW).await.unwrap();
    let at = NOW + SignedDuration::from_mins(10);
    let due = database.due::<Letter>(at, 9).await.unwrap();
    assert_eq!(ids(&due), ["soon", "late"]);
}

pub(crate) async fn concurrent_changes_of_a_record_all_count(opened: Opened) {
    let database = opened.database;
    let writes = Writes::default().with(&letter("a", "")).unwrap();
    database.write_records(&writes, NOW).await.unwrap();
    let workers = (0..4).map(|_| {
        let database = database.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                let changed = database.update::<Letter, DatabaseError>("a", NOW, |letter| {
                    letter.to.push('x');
                    Ok(())
                });
                assert!(changed.await.unwrap().is_some());
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let found = database.get::<Letter>("a").await.unwrap().unwrap();
    assert_eq!((found.version, found.value.to.len()), (21, 20));
}

pub(crate) async fn staff_add_and_replace_products_categories_and_combos(opened: Opened) {
    let database = opened.seeded().await.database;
    let new = Product {
        id: "new".to_owned(),
        sku: "NEW1".to_owned(),
        slug: "new-rocket".to_owned(),
        ..sample().remove(0)
    };
    let made = database.create_product(&new, 12, 3, NOW).await.unwrap();
    assert_eq!(made.version, 1);
    assert_eq!(available(&database, "new").await, 12);
    let again = database.create_product(&new, 12, 3, NOW).await;
    assert!(
        matches!(again, Err(DatabaseError::AlreadyExists(_))),
        "{again:?}"
    );
    let mut renamed = made.clone();
    renamed.name = "Newer".to_owned();
    let replaced = database.replace_product(&renamed, 1, NOW).await.unwrap();
    assert_eq!((replaced.version, replaced.name.as_str()), (2, "Newer"));
    let stale = database.replace_product(&renamed, 1, NOW).await;
    assert!(
        matches!(stale, Err(DatabaseError::VersionConflict { actual: 2, .. })),
        "{stale:?}"
    );

    let mut category = database.categories().await.unwrap().remove(0);
    category.name = "Other".to_owned();
    category.active = false;
    let version = category.version;
    let put = database
        .put_category(&category, Some(version), NOW)
        .await
        .unwrap();
    assert_eq!((put.version, put.name.as_str()), (version + 1, "Other"));
    let kept = database.categories().await.unwrap();
    assert!(kept.contains(&put), "{kept:?}");
    let taken = database.put_category(&category, None, NOW).await;
    assert!(
        matches!(taken, Err(DatabaseError::AlreadyExists(_))),
        "{taken:?}"
    );

    let kind = crackers_origin::commerce::combos::ComboKind::Bundle;
    let mut combo = database.combos_after(kind, "", 1).await.unwrap().remove(0);
    combo.active = false;
    let version = combo.version;
    database
        .put_combo(&combo, Some(version), NOW)
        .await
        .unwrap();
    let found = database.combo_by_id(&combo.id).await.unwrap().unwrap();
    assert_eq!((found.version, found.active), (version + 1, false));
    assert!(
        database
            .combo_by_id_or_slug(kind, &combo.id)
            .await
            .unwrap()
            .is_none()
    );
}

pub(crate) async fn a_coupon_is_used_as_often_as_it_may_be(opened: Opened) {
    let database = opened.seeded().await.database;
    let products = stocked(&database, 100, 1).await;
    let coupon = coupon_stock("DIWALI");
    database.create_stock(&coupon, 2, NOW).await.unwrap();
    database.create_stock(&coupon, 50, NOW).await.unwrap();
    for round in 0..3 {
        let mut order = order_of(&[(&products[0], 1)]);
        order.quote.lines[0].pieces.insert(coupon.clone(), 1);
        let placed = database.place_order(&order).await.unwrap();
        assert_eq!(matches!(placed, Placed::New(_)), round < 2, "{placed:?}");
    }
    assert_eq!(available(&database, &coupon).await, 0);
    let more = StockAdjustment::By(1);
    database
        .adjust_stock(&coupon, more, "one more", NOW)
        .await
        .unwrap();
    assert_eq!(available(&database, &coupon).await, 1);
}

pub(crate) async fn numbers_of_a_sequence_have_no_doubles(opened: Opened) {
    let database = opened.database;
    let all = (0..40).map(|_| database.next_number("letters"));
    let mut numbers = futures_util::future::try_join_all(all).await.unwrap();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<i64>>());
    assert_eq!(database.next_number("others").await.unwrap(), 1);
}

pub(crate) async fn records_are_counted_up_to_a_limit(opened: Opened) {
    let database = opened.database;
    let mut writes = Writes::default();
    for number in 0..5 {
        writes = writes.with(&letter(&number.to_string(), "meena")).unwrap();
    }
    database.write_records(&writes, NOW).await.unwrap();
    for (key, most, count) in [("to:meena", 9, 5), ("to:meena", 3, 3), ("to:ravi", 9, 0)] {
        let counted = database.records_counted("letter", key, most).await.unwrap();
        assert_eq!(counted, count, "{key} {most}");
    }
}

//! What both databases promise of many products at once, and of looking for orders.

use crackers_origin::commerce::orders::{Order, OrderQuery, OrderState, Placed};
use crackers_origin::commerce::products::{Product, ProductWrite};
use crackers_origin::commerce::records::{Write, Writes};
use crackers_origin::commerce::staff::{Role, StaffMember};
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::commerce::stock_alerts;
use crackers_origin::database::{Database, DatabaseError};
use jiff::SignedDuration;

use crate::Opened;
use crate::orders::{available, ledger_holds, order_of, stocked};
use crate::promises::{NOW, sample};

fn renamed(product: &Product, name: &str) -> ProductWrite {
    ProductWrite::Replace {
        product: Product {
            name: name.to_owned(),
            ..product.clone()
        },
        expected_version: product.version,
    }
}

pub(crate) async fn many_products_are_written_all_or_none(opened: Opened) {
    let database = opened.seeded().await.database;
    let (first, second) = (sample().remove(0), sample().remove(1));
    let new = |sku: &str| ProductWrite::New {
        product: Product {
            id: sku.to_owned(),
            sku: sku.to_owned(),
            slug: sku.to_lowercase(),
            ..first.clone()
        },
        available: 7,
        low_at: 3,
    };
    let before = database.last_sequence().await.unwrap();
    let mut stale = renamed(&second, "Stale");
    if let ProductWrite::Replace {
        expected_version, ..
    } = &mut stale
    {
        *expected_version = 9;
    }
    for (bad, is_stale) in [(stale, true), (new(&second.sku), false)] {
        let writes = [new("N1"), renamed(&first, "Renamed"), bad];
        let refused = database.write_products(&writes, NOW).await.unwrap_err();
        assert!(
            match refused {
                DatabaseError::VersionConflict { .. } => is_stale,
                DatabaseError::AlreadyExists(_) => !is_stale,
                _ => false,
            },
            "{refused}"
        );
        assert_eq!(database.last_sequence().await.unwrap(), before);
        assert_eq!(database.product_by_any_key("N1").await.unwrap(), None);
    }
    let writes = [new("N1"), renamed(&first, "Renamed")];
    database.write_products(&writes, NOW).await.unwrap();
    assert_eq!(available(&database, "N1").await, 7);
    assert_eq!(database.last_sequence().await.unwrap(), before + 2);
    let tags = database.changes_after(before, 9).await.unwrap();
    assert!(
        tags.iter()
            .all(|change| change.tags.contains(&"products".to_owned()))
    );
    let keys = |texts: &[&str]| -> Vec<String> { texts.iter().map(|t| (*t).to_owned()).collect() };
    let found = database
        .products_by_keys(&keys(&["N1", "none"]), &keys(&["n1", &first.slug]))
        .await
        .unwrap();
    let mut names: Vec<_> = found
        .iter()
        .map(|one| (one.sku.as_str(), one.version))
        .collect();
    names.sort_unstable();
    let mut wanted = [("N1", 1), (first.sku.as_str(), first.version + 1)];
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    let none = database.products_by_keys(&[], &[]).await.unwrap();
    assert!(none.is_empty());
}

pub(crate) async fn many_stocks_are_adjusted_together_or_not_at_all(opened: Opened) {
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 10, 3).await;
    let before = database.last_sequence().await.unwrap();
    let adjust = |first: i64, second: i64, third: &str| {
        let lines = vec![
            (ids[0].clone(), StockAdjustment::By(first)),
            (ids[1].clone(), StockAdjustment::By(second)),
            (third.to_owned(), StockAdjustment::To(7)),
        ];
        let database = database.clone();
        async move { database.adjust_stocks(&lines, "test", NOW).await }
    };
    let short = adjust(-11, -10, &ids[2]).await.unwrap().unwrap_err();
    let named: Vec<_> = short
        .iter()
        .map(|one| (&one.product_id, one.wanted, one.available))
        .collect();
    assert_eq!(named, [(&ids[0], 11, 10)]);
    let missing = adjust(1, 1, "none").await;
    assert!(
        matches!(missing, Err(DatabaseError::NotFound { .. })),
        "{missing:?}"
    );
    assert_eq!(database.last_sequence().await.unwrap(), before);
    let records = adjust(-10, 5, &ids[2]).await.unwrap().unwrap();
    let after: Vec<_> = records.iter().map(|record| record.available).collect();
    assert_eq!(after, [0, 15, 7]);
    for id in &ids {
        ledger_holds(&database, id).await;
    }
    let changes = database.changes_after(before, 9).await.unwrap();
    let named: Vec<_> = changes.iter().map(|change| &change.entity_id).collect();
    assert_eq!(named, ids.iter().collect::<Vec<_>>());
    assert!(changes[0].tags.contains(&format!("product:{}", ids[0])));
}

async fn told(database: &Database, ids: &[String]) -> Vec<String> {
    let writes = stock_alerts::told(database, ids, "Shop", NOW, Writes::default());
    let writes = writes.await.unwrap();
    database.write_records(&writes, NOW).await.unwrap();
    let added = writes.steps.into_iter().filter_map(|step| match step {
        Write::Add(record) if record.kind == "mail" => Some(record.document),
        _ => None,
    });
    added.collect()
}

pub(crate) async fn staff_are_told_of_each_fall_of_a_stock_once(opened: Opened) {
    let database = opened.seeded().await.database;
    let member = StaffMember::new("a@b.in", "A", Role::Admin, "a long enough password", NOW);
    let packer = StaffMember::new(
        "p@b.in",
        "P",
        Role::Moderator,
        "a long enough password",
        NOW,
    );
    let both = Writes::default()
        .with(&member)
        .unwrap()
        .with(&packer)
        .unwrap();
    database.write_records(&both, NOW).await.unwrap();
    let ids = stocked(&database, 1000, 2).await;
    for (pieces, mails) in [(1000, 0), (1, 1), (0, 0), (1, 0), (1000, 0), (0, 1)] {
        let to = StockAdjustment::To(pieces);
        database
            .adjust_stock(&ids[0], to, "test", NOW)
            .await
            .unwrap();
        let told = told(&database, &ids).await;
        assert_eq!(told.len(), mails, "{pieces}");
        assert!(told.iter().all(|mail| mail.contains("a@b.in")), "{told:?}");
    }
}

async fn numbers(database: &Database, query: OrderQuery) -> Vec<i64> {
    let query = OrderQuery { limit: 10, ..query };
    let found = database.orders(&query).await.unwrap();
    found.iter().map(|order| order.number).collect()
}

pub(crate) async fn orders_are_found_by_name_number_and_time(opened: Opened) {
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 10, 1).await;
    for (hours, name) in [(0, "Meena  Kumari"), (1, "Ravi Kumar"), (2, "MEENA")] {
        let mut order = order_of(&[(&ids[0], 1)]);
        order.contact.name = name.to_owned();
        order.at = NOW + SignedDuration::from_hours(hours);
        assert!(matches!(
            database.place_order(&order).await.unwrap(),
            Placed::New(_)
        ));
    }
    let named = |name: &str| OrderQuery {
        mark: Some(Order::name_mark(name)),
        ..OrderQuery::default()
    };
    for (name, wanted) in [
        ("meena", vec![3, 1]),
        ("Meena kumari", vec![1]),
        ("kumar", vec![2]),
        ("kum", vec![]),
    ] {
        assert_eq!(numbers(&database, named(name)).await, wanted, "{name}");
    }
    let one = OrderQuery {
        number: Some(2),
        ..OrderQuery::default()
    };
    assert_eq!(numbers(&database, one.clone()).await, [2]);
    let later = OrderQuery {
        before: Some(2),
        ..one
    };
    assert_eq!(numbers(&database, later).await, [] as [i64; 0]);
    let hour = |hours| Some(NOW + SignedDuration::from_hours(hours));
    let between = OrderQuery {
        from: hour(1),
        to: hour(2),
        ..OrderQuery::default()
    };
    assert_eq!(numbers(&database, between.clone()).await, [2]);
    let both = OrderQuery {
        state: Some(OrderState::AwaitingPayment),
        from: hour(1),
        ..named("meena")
    };
    assert_eq!(numbers(&database, both).await, [3]);
}

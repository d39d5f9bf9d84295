//! Promises about stock and combos.

use crackers_origin::commerce::availability::Availability;
use crackers_origin::commerce::combos::ComboKind;
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::database::DatabaseError;

use crate::Opened;
use crate::promises::{NOW, sample};

pub(crate) async fn stock_never_becomes_negative_and_is_the_sum_of_its_ledger(opened: Opened) {
    let database = opened.seeded().await.database;
    let id = sample().swap_remove(5).id;
    for adjustment in [
        StockAdjustment::To(20),
        StockAdjustment::By(-5),
        StockAdjustment::By(7),
    ] {
        database
            .adjust_stock(&id, adjustment, "test", NOW)
            .await
            .expect("an adjustment");
    }
    let refused = database
        .adjust_stock(&id, StockAdjustment::By(-23), "test", NOW)
        .await;
    assert!(
        matches!(&refused, Err(DatabaseError::StockTooLow(low)) if low.available == 22),
        "{refused:?}"
    );
    assert!(
        database
            .adjust_stock(&id, StockAdjustment::To(-1), "test", NOW)
            .await
            .is_err()
    );
    let stock = database
        .stock(&id)
        .await
        .expect("an answer")
        .expect("a stock");
    assert_eq!((stock.available, stock.version), (22, 3));
    let ledger = database.stock_movements(&id, 100).await.expect("a ledger");
    assert_eq!(
        ledger.iter().map(|movement| movement.delta).sum::<i64>(),
        22
    );
    assert_eq!(
        (ledger.len(), ledger[0].delta, ledger[3].reason.as_str()),
        (4, 7, "opening")
    );
}

pub(crate) async fn concurrent_adjustments_add_up(opened: Opened) {
    let database = opened.seeded().await.database;
    let id = sample().swap_remove(5).id;
    database
        .adjust_stock(&id, StockAdjustment::To(10), "test", NOW)
        .await
        .expect("an adjustment");
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (database, id) = (database.clone(), id.clone());
            tokio::spawn(async move {
                database
                    .adjust_stock(&id, StockAdjustment::By(-1), "test", NOW)
                    .await
            })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(_) => taken += 1,
            Err(DatabaseError::StockTooLow(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let stock = database
        .stock(&id)
        .await
        .expect("an answer")
        .expect("a stock");
    assert_eq!((taken, stock.available), (10, 0));
}

pub(crate) async fn only_a_changed_word_leaves_tags(opened: Opened) {
    let database = opened.seeded().await.database;
    let product = sample()
        .into_iter()
        .find(|product| product.availability == Availability::InStock)
        .expect("one");
    let adjust = async |to: i64| {
        let sequence = database.last_sequence().await.expect("a number");
        let adjusted = database
            .adjust_stock(&product.id, StockAdjustment::To(to), "test", NOW)
            .await
            .expect("one");
        let changes = database.changes_after(sequence, 10).await.expect("changes");
        assert_eq!(changes.len(), 1);
        (
            adjusted.after,
            changes[0].tags.contains(&format!("product:{}", product.id)),
        )
    };
    assert_eq!(adjust(400).await, (Availability::InStock, false));
    assert_eq!(adjust(5).await, (Availability::Low, true));
    assert_eq!(adjust(4).await, (Availability::Low, false));
    assert_eq!(adjust(0).await, (Availability::SoldOut, true));
    let seen = database
        .product_by_id_or_slug(&product.id)
        .await
        .expect("an answer")
        .expect("a product");
    assert_eq!(
        (seen.availability, seen.version),
        (Availability::SoldOut, 1)
    );
}

pub(crate) async fn a_combo_is_as_available_as_its_scarcest_component(opened: Opened) {
    let database = opened.seeded().await.database;
    let combo = database
        .combos(ComboKind::Bundle)
        .await
        .expect("combos")
        .swap_remove(0)
        .combo;
    let now = async || {
        let found = database
            .combo_by_id_or_slug(ComboKind::Bundle, &combo.slug)
            .await
            .expect("an answer");
        found.expect("a combo").availability
    };
    for component in &combo.components {
        let adjusted =
            database.adjust_stock(&component.product_id, StockAdjustment::To(400), "test", NOW);
        adjusted.await.expect("an adjustment");
    }
    assert_eq!(now().await, Availability::InStock);
    let sequence = database.last_sequence().await.expect("a number");
    let scarce = &combo.components[0].product_id;
    database
        .adjust_stock(scarce, StockAdjustment::To(0), "test", NOW)
        .await
        .expect("an adjustment");
    assert_eq!(now().await, Availability::SoldOut);
    let tags = &database.changes_after(sequence, 10).await.expect("changes")[0].tags;
    assert!(
        tags.contains(&format!("combo:{}", combo.id)) && tags.contains(&"bundles".to_owned()),
        "{tags:?}"
    );
    assert!(
        database
            .combo_by_id_or_slug(ComboKind::GiftBox, &combo.slug)
            .await
            .expect("an answer")
            .is_none()
    );
}

//! What both databases promise of an order whose price was made from something that has changed.

use crackers_origin::commerce::basis::{Basis, Ground};
use crackers_origin::commerce::combos::ComboKind;
use crackers_origin::commerce::coupons::{Coupon, Discount};
use crackers_origin::commerce::money::Paise;
use crackers_origin::commerce::orders::{NewOrder, Placed};
use crackers_origin::commerce::products::ProductPatch;
use crackers_origin::commerce::records::Writes;
use crackers_origin::commerce::seed;
use crackers_origin::database::Database;

use crate::Opened;
use crate::orders::{available, order_of, stocked};
use crate::promises::NOW;

/// An order of one piece whose price was made from these.
fn made_from(product: &str, grounds: &[(Ground, i64)]) -> NewOrder {
    let mut basis = Basis::default();
    for (ground, version) in grounds {
        basis.note(ground.clone(), *version);
    }
    NewOrder {
        basis,
        ..order_of(&[(product, 1)])
    }
}

async fn is_placed(database: &Database, order: &NewOrder) -> bool {
    match database.place_order(order).await.unwrap() {
        Placed::New(_) => true,
        Placed::Stale => false,
        other => panic!("{other:?}"),
    }
}

fn coupon() -> Coupon {
    Coupon {
        code: "DIWALI".to_owned(),
        discount: Discount::Amount {
            amount_paise: Paise(100),
        },
        minimum_goods: Paise(0),
        starts_at: None,
        ends_at: None,
        is_counted: false,
        active: true,
    }
}

pub(crate) async fn an_order_made_from_what_has_changed_is_not_placed(opened: Opened) {
    let database = opened.seeded().await.database;
    let product = stocked(&database, 100, 1).await.remove(0);
    let settings = seed::shop_settings();
    let shop = database.put_shop_settings(&settings, None, NOW);
    let shop = shop.await.unwrap();
    let of_product = database.products_by_ids(std::slice::from_ref(&product));
    let version = of_product.await.unwrap()[0].version;
    let combo = database.combos_after(ComboKind::Bundle, "", 1);
    let combo = combo.await.unwrap().remove(0);
    let writes = Writes::default().with(&coupon()).unwrap();
    database.write_records(&writes, NOW).await.unwrap();
    let grounds = [
        (Ground::Shop, shop.version),
        (Ground::Product(product.clone()), version),
        (Ground::Combo(combo.id.clone()), combo.version),
        (Ground::Coupon("DIWALI".to_owned()), 1),
    ];
    assert!(is_placed(&database, &made_from(&product, &grounds)).await);

    let other = database.put_shop_settings(&shop, Some(shop.version), NOW);
    other.await.unwrap();
    let patch = ProductPatch {
        price: Some(Paise(1)),
        ..ProductPatch::default()
    };
    let patched = database.patch_product(&product, &patch, None, NOW);
    patched.await.unwrap();
    let put = database.put_combo(&combo, Some(combo.version), NOW);
    put.await.unwrap();
    let mut used = database.get::<Coupon>("DIWALI").await.unwrap().unwrap();
    used.value.active = false;
    let writes = Writes::default().replace(&used).unwrap();
    database.write_records(&writes, NOW).await.unwrap();

    for (ground, version) in &grounds {
        let old = [(ground.clone(), *version)];
        assert!(
            !is_placed(&database, &made_from(&product, &old)).await,
            "{ground:?}"
        );
        let now = [(ground.clone(), version + 1)];
        assert!(
            is_placed(&database, &made_from(&product, &now)).await,
            "{ground:?}"
        );
        let gone = match ground {
            Ground::Shop => continue,
            Ground::Product(_) => Ground::Product("none".to_owned()),
            Ground::Combo(_) => Ground::Combo("none".to_owned()),
            Ground::Coupon(_) => Ground::Coupon("NONE".to_owned()),
        };
        assert!(!is_placed(&database, &made_from(&product, &[(gone, 1)])).await);
    }
    assert_eq!(available(&database, &product).await, 95);
}

pub(crate) async fn what_was_placed_is_answered_again_whatever_has_changed(opened: Opened) {
    let database = opened.seeded().await.database;
    let product = stocked(&database, 100, 1).await.remove(0);
    let order = made_from(&product, &[]);
    assert!(is_placed(&database, &order).await);
    let again = NewOrder {
        basis: made_from(&product, &[(Ground::Product(product.clone()), 99)]).basis,
        ..order
    };
    let placed = database.place_order(&again).await.unwrap();
    assert!(matches!(placed, Placed::Before(_)), "{placed:?}");
    let ids = [again.id.clone(), "none".to_owned()];
    let found = database.orders_by_ids(&ids).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, again.id);
}

//! A program that dies in the middle of a transaction must not stop the sale of what it touched.

use ::mongodb::bson::{Document, doc};
use ::mongodb::options::ClientOptions;
use crackers_origin::commerce::orders::Placed;

use crate::orders::order_of;
use crate::{mongodb as on_mongodb, promises};

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_nobody_ends_holds_up_an_order_for_seconds_only() {
    let Some(opened) = on_mongodb().await else {
        return;
    };
    let opened = opened.seeded().await;
    let sample = promises::sample();
    let product = sample.iter().find(|product| !product.restricted).unwrap();
    let settings = &opened.config.mongodb;
    let mut options = ClientOptions::parse(&settings.uri).await.unwrap();
    options.app_name = Some("crackers-origin".to_owned());
    let dead = ::mongodb::Client::with_options(options).unwrap();
    let mut session = dead.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let stock = dead
        .database(&settings.database)
        .collection::<Document>("stock");
    let touch = stock.update_one(
        doc! { "_id": &product.id },
        doc! { "$inc": { "version": 1_i64 } },
    );
    touch.session(&mut session).await.unwrap();

    let placed = opened
        .database
        .place_order(&order_of(&[(&product.id, 1)]))
        .await;
    assert!(matches!(placed, Ok(Placed::New(_))), "{placed:?}");
    // Whoever was only slow is told, and changes nothing.
    assert!(session.commit_transaction().await.is_err());
}

//! What MongoDB promises where something fails: a batch, a commit, a session.

use ::mongodb::bson::{Document, doc};
use crackers_origin::commerce::ids;
use crackers_origin::commerce::orders::{NewOrder, Placed};
use crackers_origin::commerce::stock::StockAdjustment;
use crackers_origin::database::{Database, DatabaseError};
use crackers_tests::mongod::Mongod;
use futures_util::future::join_all;

use crate::limits::{end, on_own_server};
use crate::mongodb as on_mongodb;
use crate::orders::{available, ledger_holds, order_of, stocked};
use crate::promises::NOW;

async fn place_together(database: &Database, orders: &[NewOrder]) -> Vec<Placed> {
    let placed = join_all(orders.iter().map(|order| database.place_order(order))).await;
    placed.into_iter().map(|placed| placed.unwrap()).collect()
}

/// One thread: all orders wait before the task that writes them looks, and are one batch.
#[tokio::test]
async fn an_order_that_spoils_a_batch_fails_alone() {
    let Some(opened) = on_mongodb().await else {
        return;
    };
    let database = opened.seeded().await.database;
    let ids = stocked(&database, 100, 1).await;
    let first = order_of(&[(&ids[0], 1)]);
    let mut orders = vec![order_of(&[(&ids[0], 1)]); 20];
    for order in &mut orders {
        order.id = ids::unguessable();
        order.idempotency_key = ids::unguessable();
        order.tracking_token = ids::unguessable();
    }
    place_together(&database, std::slice::from_ref(&first)).await;
    // Nothing of this is looked at before it is written.
    orders[13].tracking_token = first.tracking_token;
    let placed = join_all(orders.iter().map(|order| database.place_order(order))).await;
    let mut numbers = Vec::new();
    for (place, placed) in placed.into_iter().enumerate() {
        match placed {
            Ok(Placed::New(order)) => numbers.push(order.number),
            Err(DatabaseError::Unavailable(_)) => assert_eq!(place, 13),
            other => panic!("{place}: {other:?}"),
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (2..=20).collect::<Vec<_>>());
    assert_eq!(available(&database, &ids[0]).await, 80);
    ledger_holds(&database, &ids[0]).await;
}

/// From now on each commit is answered so, until [`Mongod::hurry`].
async fn answer_commits(server: &Mongod, how: Document) {
    let client = ::mongodb::Client::with_uri_str(server.uri()).await.unwrap();
    let mut data = doc! { "failCommands": ["commitTransaction"] };
    data.extend(how);
    let command = doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data };
    let done = client.database("admin").run_command(command).await;
    done.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_unknown_result_that_was_made_is_found_by_its_keys() {
    let Some((server, opened)) = on_own_server(|_| ()).await else {
        return;
    };
    let database = &opened.database;
    let ids = stocked(database, 100, 1).await;
    // It is committed, but the server does not know whether the others of the set have it.
    let unknown =
        doc! { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "the test wants it" };
    // It is asked again and again, and has it meanwhile: what is read of the keys is what a majority has.
    let how = doc! { "writeConcernError": unknown, "blockConnection": true, "blockTimeMS": 20 };
    answer_commits(&server, how).await;
    let one = [order_of(&[(&ids[0], 1)])];
    let some = [(); 3].map(|()| order_of(&[(&ids[0], 1)]));
    let mut numbers = Vec::new();
    for orders in [&one[..], &some[..]] {
        for (placed, wanted) in place_together(database, orders)
            .await
            .into_iter()
            .zip(orders)
        {
            let (Placed::New(order) | Placed::Before(order)) = placed else {
                panic!("{placed:?}");
            };
            assert_eq!(order.id, wanted.id);
            numbers.push(order.number);
        }
    }
    server.hurry().await.unwrap();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(available(database, &ids[0]).await, 96);
    ledger_holds(database, &ids[0]).await;
    end(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_unknown_result_that_was_not_made_is_told_and_may_be_sent_again() {
    let Some((server, opened)) = on_own_server(|_| ()).await else {
        return;
    };
    let database = &opened.database;
    let ids = stocked(database, 100, 1).await;
    let order = order_of(&[(&ids[0], 1)]);
    answer_commits(&server, doc! { "closeConnection": true }).await;
    let unknown = database.place_order(&order).await;
    assert!(
        matches!(unknown, Err(DatabaseError::Unavailable(_))),
        "{unknown:?}"
    );
    server.hurry().await.unwrap();
    for is_new in [true, false] {
        let placed = database.place_order(&order).await.unwrap();
        assert_eq!(matches!(placed, Placed::New(_)), is_new, "{placed:?}");
        assert_eq!(available(database, &ids[0]).await, 99);
    }
    ledger_holds(database, &ids[0]).await;
    end(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_left_in_a_transaction_is_not_leased_again() {
    let one_and_impatient = |config: &mut crackers_origin::database::settings::Config| {
        (config.pool.size_max, config.pool.size_min) = (1, 0);
        config.mongodb.uri.push_str("&socketTimeoutMS=5000");
    };
    let Some((server, opened)) = on_own_server(one_and_impatient).await else {
        return;
    };
    let database = &opened.database;
    let ids = stocked(database, 10, 1).await;
    let adjust = || database.adjust_stock(&ids[0], StockAdjustment::By(1), "test", NOW);
    for round in 1..=2 {
        server.delay(&["find"], 12_000).await.unwrap();
        let given_up = adjust().await;
        assert!(
            matches!(given_up, Err(DatabaseError::QueryTimeout(5000))),
            "{given_up:?}"
        );
        server.hurry().await.unwrap();
        let adjusted = adjust().await;
        assert!(adjusted.is_ok(), "{adjusted:?}");
        assert_eq!(available(database, &ids[0]).await, 10 + round);
    }
    ledger_holds(database, &ids[0]).await;
    end(server).await;
}

//! Orders that arrive together share a commit: on a hot product, a transaction for each is a storm of conflicts.

use ::mongodb::bson::doc;
use crackers_origin::commerce::orders::Placed;
use crackers_tests::mongod::Mongod;
use futures_util::future::join_all;

use crate::limits::{end, on_own_server};
use crate::orders::{available, ledger_holds, order_of, stocked};

/// Transactions that a server has committed, by its own count.
async fn commits(server: &Mongod) -> i64 {
    let client = ::mongodb::Client::with_uri_str(server.uri()).await.unwrap();
    let asked = client.database("admin");
    let status = asked.run_command(doc! { "serverStatus": 1 }).await.unwrap();
    let transactions = status.get_document("transactions").unwrap();
    transactions.get_i64("totalCommitted").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_orders_at_once_share_a_few_commits_on_mongodb() {
    let Some((server, opened)) = on_own_server(|_| ()).await else {
        return;
    };
    let database = &opened.database;
    let ids = stocked(database, 1000, 1).await;
    let orders = [(); 200].map(|()| order_of(&[(&ids[0], 2)]));
    let before = commits(&server).await;
    let placed = join_all(orders.iter().map(|order| database.place_order(order))).await;
    let all_new = placed.iter().all(|one| matches!(one, Ok(Placed::New(_))));
    assert!(all_new, "{placed:?}");
    let commits = commits(&server).await - before;
    assert!((1..60).contains(&commits), "{commits}");
    assert_eq!(available(database, &ids[0]).await, 600);
    ledger_holds(database, &ids[0]).await;
    end(server).await;
}

//! Lists of orders by time.

use futures_util::TryStreamExt as _;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::options::Hint;

use super::super::order_window::OrderWindow;
use super::Mongo;
use super::error::Failure;
use crate::commerce::orders::OrderQuery;

/// One page of a query that asks by time.
pub(super) async fn page(
    this: &Mongo,
    session: &mut ClientSession,
    query: &OrderQuery,
) -> Result<Vec<Document>, Failure> {
    let orders = this.collection("orders");
    let shown = match query.before {
        Some(number) => {
            let find = this.find_one(&orders, doc! { "number": number });
            find.session(&mut *session).await?
        }
        None => None,
    };
    let shown_at = shown.and_then(|order| order.get_i64("placed_at").ok());
    let window = OrderWindow::of(query, shown_at);
    let (at, number) = window.before;
    let mut filter = match number {
        i64::MIN => doc! { "placed_at": { "$gte": window.from, "$lt": at } },
        // The first condition bounds the walk; the second leaves out what was shown of the last microsecond.
        _ => doc! {
            "placed_at": { "$gte": window.from, "$lte": at },
            "$or": [{ "placed_at": { "$lt": at } }, { "number": { "$lt": number } }],
        },
    };
    let mut index = "placed";
    if let Some(state) = query.state {
        filter.insert("state", state.as_str());
        index = "state_placed";
    }
    let newest_first = doc! { "placed_at": -1, "number": -1 };
    let find = this.find(&orders, filter).sort(newest_first);
    let find = find.hint(Hint::Name(index.to_owned()));
    let find = find.limit(i64::from(query.limit));
    let mut found = find.session(&mut *session).await?;
    Ok(found.stream(session).try_collect().await?)
}

//! Orders and products as CSV, made page by page while they are sent: no export is ever held whole.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};

use super::orders::query_of;
use super::write_down;
use crate::accept::Broken;
use crate::api::error::ApiError;
use crate::api::response::{Reply, Streamed};
use crate::api::routes::Call;
use crate::app::App;
use crate::commerce::orders::{Order, OrderQuery};
use crate::commerce::products::Product;
use crate::commerce::{order_sheet, product_sheet, sheets};

/// Rows read at once.
const ROWS_AT_ONCE: u32 = 100;

/// What spreadsheets take as CSV with a header line (RFC 4180 3).
pub(in crate::api) const CSV: &str = "text/csv; charset=utf-8; header=present";

/// Where an export stands.
enum Place<T> {
    /// Nothing is sent yet.
    Header,
    /// The rows after this one follow.
    After(T),
    /// All of it is sent.
    End,
}

/// A part of an export, and where it goes on; fails where the database does.
type Part<T> = Result<(Bytes, Place<T>), ApiError>;

/// The parts of an export one after the other; broken off, never cut short in silence.
fn parts<T, F>(
    part: impl Fn(Place<T>) -> F + Send + 'static,
) -> impl Stream<Item = Result<Bytes, Broken>>
where
    F: Future<Output = Part<T>>,
{
    stream::unfold((Place::Header, part), |(place, part)| async move {
        if matches!(place, Place::End) {
            return None;
        }
        match part(place).await {
            Ok((bytes, next)) => Some((Ok(bytes), (next, part))),
            Err(error) => {
                tracing::error!(%error, "an export broke off");
                Some((Err(Broken), (Place::End, part)))
            }
        }
    })
}

fn csv<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> Result<Bytes, ApiError> {
    let written = sheets::to_csv(rows);
    let written = written.map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(written.into())
}

fn header<const N: usize>(names: [&str; N]) -> Result<Bytes, ApiError> {
    csv([names.map(str::to_owned)])
}

async fn orders_after(app: Arc<App>, query: OrderQuery, place: Place<i64>) -> Part<i64> {
    let before = match place {
        Place::Header => return Ok((header(order_sheet::HEADER)?, Place::After(i64::MAX))),
        Place::After(number) => Some(number),
        Place::End => None,
    };
    let query = OrderQuery {
        before,
        limit: ROWS_AT_ONCE,
        ..query
    };
    let found: Vec<Order> = app.database.orders(&query).await?;
    let next = match found.last() {
        Some(last) if found.len() == ROWS_AT_ONCE as usize => Place::After(last.number),
        _ => Place::End,
    };
    Ok((csv(found.iter().map(order_sheet::row))?, next))
}

pub(in crate::api) async fn orders(call: Call) -> Result<Reply, ApiError> {
    let query = query_of(&call)?;
    // Reads are not written down, but what people's addresses leave by is.
    write_down(&call, "GET /api/admin/orders/export.csv".to_owned()).await?;
    let app = Arc::clone(&call.app);
    let stream = Streamed::new(move || {
        let (app, query) = (Arc::clone(&app), query.clone());
        parts(move |place| orders_after(Arc::clone(&app), query.clone(), place))
    });
    Ok(Reply::streamed(CSV, "orders.csv".to_owned(), stream))
}

async fn products_after(app: Arc<App>, place: Place<String>) -> Part<String> {
    let after = match place {
        Place::Header => return Ok((header(product_sheet::HEADER)?, Place::After(String::new()))),
        Place::After(id) => id,
        Place::End => String::new(),
    };
    let found: Vec<Product> = app.database.products_after(&after, ROWS_AT_ONCE).await?;
    let next = match found.last() {
        Some(last) if found.len() == ROWS_AT_ONCE as usize => Place::After(last.id.clone()),
        _ => Place::End,
    };
    Ok((csv(found.iter().map(product_sheet::row))?, next))
}

pub(in crate::api) async fn products(call: Call) -> Result<Reply, ApiError> {
    let app = Arc::clone(&call.app);
    let stream = Streamed::new(move || {
        let app = Arc::clone(&app);
        parts(move |place| products_after(Arc::clone(&app), place))
    });
    Ok(Reply::streamed(CSV, "products.csv".to_owned(), stream))
}

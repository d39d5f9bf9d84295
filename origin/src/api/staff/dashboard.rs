//! What staff look at first: all of it is counted already when somebody looks.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::error::ApiError;
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::Money;
use crate::commerce::money::Paise;
use crate::commerce::orders::OrderState;
use crate::commerce::products::{ProductFilter, StockFilter};
use crate::commerce::tallies;
use crate::database::Database;

/// Days that are shown.
const DAYS: u32 = 30;
/// Products in the list of those that sell most.
const TOP: u32 = 10;

/// What was sold, where orders stand, what is running out.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DashboardView {
    /// How many orders stand in each state.
    pub orders_by_state: BTreeMap<String, i64>,
    /// The last 30 days in the shop's time (IST), today first. Each holds the orders that were placed on it and are confirmed,
    /// packed, dispatched or delivered.
    pub days: Vec<DayView>,
    /// What sold most this month, at most ten.
    pub top_products: Vec<TopView>,
    /// Active products that are low.
    pub low: u64,
    /// Active products that are sold out.
    pub sold_out: u64,
}

/// One day.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DayView {
    /// `2026-11-08`.
    pub day: String,
    /// How many orders.
    pub orders: i64,
    /// What they are worth.
    pub revenue: Money,
}

/// A product that sells.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TopView {
    /// Its id.
    pub id: String,
    /// Article number; null for a product that is not active any more.
    pub sku: Option<String>,
    /// Name for people; null for a product that is not active any more.
    pub name: Option<String>,
    /// Pieces that were sold this month, those in bundles and gift boxes too.
    pub pieces: i64,
}

async fn days(database: &Database, at: jiff::Timestamp) -> Result<Vec<DayView>, ApiError> {
    let days: Vec<_> = (0..i64::from(DAYS))
        .map(|ago| tallies::day_of(at - SignedDuration::from_hours(24 * ago)))
        .collect();
    let first = days.last().map_or("", String::as_str);
    let mut by_kind = Vec::with_capacity(2);
    for kind in [tallies::SOLD, tallies::REVENUE] {
        let found = database.tallies(kind, first, DAYS).await?;
        by_kind.push(found.into_iter().collect::<BTreeMap<_, _>>());
    }
    let of = |place: usize, day: &str| by_kind[place].get(day).copied().unwrap_or(0);
    let views = days.iter().map(|day| DayView {
        day: day.clone(),
        orders: of(0, day),
        revenue: Paise(of(1, day)).into(),
    });
    Ok(views.collect())
}

async fn top(database: &Database, at: jiff::Timestamp) -> Result<Vec<TopView>, ApiError> {
    let kind = tallies::pieces_of(&tallies::month_of(at));
    let most = database.largest_tallies(&kind, TOP).await?;
    let ids: Vec<_> = most.iter().map(|(id, _)| id.clone()).collect();
    let products = database.products_by_ids(&ids).await?;
    let views = most.into_iter().map(|(id, pieces)| {
        let product = products.iter().find(|product| product.id == id);
        TopView {
            sku: product.map(|product| product.sku.clone()),
            name: product.map(|product| product.name.clone()),
            id,
            pieces,
        }
    });
    Ok(views.collect())
}

pub(in crate::api) async fn show(call: Call) -> Result<Reply, ApiError> {
    let (database, at) = (&call.app.database, call.app.clock.now());
    let count = async |stock: StockFilter| {
        let filter = ProductFilter {
            stock: Some(stock),
            ..ProductFilter::default()
        };
        database.product_count(&filter).await
    };
    let states = u32::try_from(OrderState::ALL.len()).unwrap_or(u32::MAX);
    let by_state = database.tallies(tallies::BY_STATE, "", states).await?;
    let mut orders_by_state: BTreeMap<_, _> = OrderState::ALL
        .into_iter()
        .map(|state| (state.as_str().to_owned(), 0))
        .collect();
    orders_by_state.extend(by_state);
    let view = DashboardView {
        orders_by_state,
        days: days(database, at).await?,
        top_products: top(database, at).await?,
        low: count(StockFilter::Low).await?,
        sold_out: count(StockFilter::SoldOut).await?,
    };
    Reply::fresh(StatusCode::OK, &view)
}

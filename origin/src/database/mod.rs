//! Two databases, one contract. Commerce asks one question per method; a method exists only when both databases pass
//! the same contract suite on it. Knows the plain structs of [`crate::commerce`], not its rules, and no HTTP.

pub mod error;
pub mod mongodb;
mod order_window;
pub mod settings;
pub mod sqlite;

use std::time::Duration;

use jiff::Timestamp;
use prometheus::IntCounterVec;

use crate::commerce::categories::{Category, CategoryCount};
use crate::commerce::changes::Change;
use crate::commerce::combos::{Combo, ComboKind, ComboWithParts};
use crate::commerce::orders::{NewOrder, Order, OrderQuery, OrderStep, Placed};
use crate::commerce::products::{
    Product, ProductFilter, ProductPatch, ProductQuery, ProductSort, ProductWrite,
};
use crate::commerce::ratings::RatingChange;
use crate::commerce::records::{Record, Writes};
use crate::commerce::reservation::StocksAdjusted;
use crate::commerce::shop::ShopSettings;
use crate::commerce::stock::{StockAdjusted, StockAdjustment, StockMovement, StockRecord};
pub use error::DatabaseError;

/// What every question answers with.
pub type Answer<T> = Result<T, DatabaseError>;

/// Where the shop's data lives. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Database {
    engine: Engine,
    counted_by: Option<IntCounterVec>,
}

/// One of the two.
#[derive(Clone)]
enum Engine {
    /// Embedded; nothing to install.
    Sqlite(sqlite::Sqlite),
    /// A replica set, a single-node one is enough.
    Mongo(mongodb::Mongo),
}

/// What health and metrics say of the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections (SQLite) or sessions (MongoDB) that exist.
    pub size: u32,
    /// Those leased now.
    pub in_use: u32,
    /// The most there may be.
    pub size_max: u32,
    /// Leases that had to wait, since the start.
    pub waited: u64,
    /// Leases given up after waiting too long, since the start.
    pub timed_out: u64,
}

/// A whole catalogue, as `seed` writes it. Written in one piece: all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct CatalogueBatch {
    /// Categories.
    pub categories: Vec<Category>,
    /// Products, each with its opening stock and low-stock mark.
    pub products: Vec<(Product, i64, i64)>,
    /// Bundles and gift boxes.
    pub combos: Vec<Combo>,
}

macro_rules! questions {
    ($($(#[$doc:meta])* fn $name:ident(&self $(, $argument:ident: $kind:ty)*) -> $answer:ty;)*) => {
        impl Database {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`DatabaseError`]: see its variants.
            pub async fn $name(&self $(, $argument: $kind)*) -> Answer<$answer> {
                self.count(stringify!($name));
                match &self.engine {
                    Engine::Sqlite(database) => database.$name($($argument),*).await,
                    // On the heap: the driver's futures are large, and would make every handler's so.
                    Engine::Mongo(database) => Box::pin(database.$name($($argument),*)).await,
                }
            })*
        }
    };
}

questions! {
    /// How long the database takes to answer the smallest question.
    fn ping(&self) -> Duration;
    /// The random id that this database got when it was made; tells a restored or replaced one from the one before.
    fn database_id(&self) -> String;

    /// One page of active products.
    fn product_page(&self, query: &ProductQuery) -> Vec<Product>;
    /// How many active products a filter leaves.
    fn product_count(&self, filter: &ProductFilter) -> u64;
    /// One active product by id or slug.
    fn product_by_id_or_slug(&self, id_or_slug: &str) -> Option<Product>;
    /// Any product, active or not, by id, slug or SKU: what staff type on the command line.
    fn product_by_any_key(&self, key: &str) -> Option<Product>;
    /// Active products by id, at most 500, in the order of `ids`; those that do not exist are left out.
    fn products_by_ids(&self, ids: &[String]) -> Vec<Product>;
    /// All products, active or not, in order of id, after `after_id`, at most `limit`: for the search index and sitemap.
    fn products_after(&self, after_id: &str, limit: u32) -> Vec<Product>;
    /// Changes fields of a product, by id. Bumps its version and leaves a change with its tags.
    /// With `expected_version`, refuses ([`DatabaseError::VersionConflict`]) when it is no longer that.
    fn patch_product(&self, id: &str, patch: &ProductPatch, expected_version: Option<i64>, at: Timestamp) -> Product;
    /// Adds a product with its opening stock and low-stock mark; refuses ([`DatabaseError::AlreadyExists`]) a taken id, SKU
    /// or slug.
    fn create_product(&self, product: &Product, available: i64, low_at: i64, at: Timestamp) -> Product;
    /// Replaces a product that still has `expected_version`; the public word of its stock and its rating stay what they are.
    fn replace_product(&self, product: &Product, expected_version: i64, at: Timestamp) -> Product;

    /// Products, active or not, that have one of these article numbers or slugs, each once; at most 500 of both.
    fn products_by_keys(&self, skus: &[String], slugs: &[String]) -> Vec<Product>;
    /// Writes new and changed products, at most 1000, all of them or none: refused for a stale version
    /// ([`DatabaseError::VersionConflict`]) and a taken id, SKU or slug ([`DatabaseError::AlreadyExists`]).
    fn write_products(&self, writes: &[ProductWrite], at: Timestamp) -> ();

    /// The stock of a product, by id.
    fn stock(&self, product_id: &str) -> Option<StockRecord>;
    /// Stocks by id, at most 500; those that do not exist are left out.
    fn stocks(&self, ids: &[String]) -> Vec<StockRecord>;
    /// The latest movements of a product, newest first, at most `limit`.
    fn stock_movements(&self, product_id: &str, limit: u32) -> Vec<StockMovement>;
    /// Adjusts a stock and writes its ledger row in one step; refuses ([`DatabaseError::StockTooLow`]) what would make
    /// it negative. Updates the product's public word; the change carries tags only when that word changes.
    fn adjust_stock(&self, product_id: &str, adjustment: StockAdjustment, reason: &str, at: Timestamp) -> StockAdjusted;

    /// Adjusts many stocks, each once, all of them in one step or none: then with those that there is too little of.
    fn adjust_stocks(&self, adjustments: &[(String, StockAdjustment)], reason: &str, at: Timestamp) -> StocksAdjusted;

    /// All categories, in order of position.
    fn categories(&self) -> Vec<Category>;
    /// How many active products each category holds, sorted by slug.
    fn category_counts(&self) -> Vec<CategoryCount>;

    /// Adds a category (`expected_version` is `None`) or replaces the one that still has that version.
    fn put_category(&self, category: &Category, expected_version: Option<i64>, at: Timestamp) -> Category;

    /// All active combos of a kind with their parts, in order of position and slug.
    fn combos(&self, kind: ComboKind) -> Vec<ComboWithParts>;
    /// One active combo by id or slug.
    fn combo_by_id_or_slug(&self, kind: ComboKind, id_or_slug: &str) -> Option<ComboWithParts>;

    /// Any combo, active or not, by id.
    fn combo_by_id(&self, id: &str) -> Option<Combo>;
    /// Combos of a kind, active or not, in order of id, after `after_id`, at most `limit`.
    fn combos_after(&self, kind: ComboKind, after_id: &str, limit: u32) -> Vec<Combo>;
    /// Makes a stock that is no product's: the uses of a coupon. One that is there already stays as it is.
    fn create_stock(&self, id: &str, available: i64, at: Timestamp) -> ();
    /// Adds a combo (`expected_version` is `None`) or replaces the one that still has that version.
    fn put_combo(&self, combo: &Combo, expected_version: Option<i64>, at: Timestamp) -> Combo;

    /// The shop's settings; `None` before the first seed or set-up.
    fn shop_settings(&self) -> Option<ShopSettings>;
    /// Writes the shop's settings; leaves a change tagged `shop`. With `expected_version`, refuses
    /// ([`DatabaseError::VersionConflict`]) when they are no longer that one.
    fn put_shop_settings(&self, settings: &ShopSettings, expected_version: Option<i64>, at: Timestamp) -> ShopSettings;

    /// Places an order and holds its stock: all of its lines or none, in one step that is on disk before this answers.
    /// The same key places nothing twice, however often and from wherever it is sent.
    fn place_order(&self, order: &NewOrder) -> Placed;
    /// The order that a key has placed, and the hash of the body it came with.
    fn order_by_key(&self, idempotency_key: &str) -> Option<(String, Order)>;
    /// An order by its id.
    fn order_by_id(&self, id: &str) -> Option<Order>;
    /// Orders by their ids, at most 500, in no order; those that do not exist are left out.
    fn orders_by_ids(&self, ids: &[String]) -> Vec<Order>;
    /// An order by what its customer was given to follow it.
    fn order_by_tracking_token(&self, token: &str) -> Option<Order>;
    /// An order by its number.
    fn order_by_number(&self, number: i64) -> Option<Order>;
    /// Orders that a query asks for, newest first: by number, and where it asks by time alone or with a state, by when they
    /// were placed and then by number. Costs what it shows, not what there is.
    fn orders(&self, query: &OrderQuery) -> Vec<Order>;
    /// Ids of orders that were not paid in time, longest overdue first, at most `limit`.
    fn orders_due(&self, at: Timestamp, limit: u32) -> Vec<String>;
    /// Takes an order one step on, and puts its stock back where that step gives it up, both or neither. Refuses
    /// ([`DatabaseError::NoSuchStep`]) a state that does not follow, and with `expected_version`
    /// ([`DatabaseError::VersionConflict`]) an order that somebody else has changed.
    fn step_order(&self, id: &str, step: &OrderStep, expected_version: Option<i64>) -> Order;
    /// Forgets keys of requests that placed orders before a time, at most `limit`; answers with how many.
    fn forget_order_keys(&self, before: Timestamp, limit: u32) -> u64;

    /// What is counted of orders ([`crate::commerce::tallies`]): keys and values of a kind in order of key, from a key on, at
    /// most `limit`.
    fn tallies(&self, kind: &str, from: &str, limit: u32) -> Vec<(String, i64)>;
    /// The largest values of a kind that are above zero, largest first, at most `limit`.
    fn largest_tallies(&self, kind: &str, limit: u32) -> Vec<(String, i64)>;

    /// A record by its kind and id.
    fn record(&self, kind: &str, id: &str) -> Option<Record>;
    /// Records of a kind by their ids, at most 500, in no order; those that do not exist are left out.
    fn records_by_ids(&self, kind: &str, ids: &[String]) -> Vec<Record>;
    /// A record by a key that it alone has.
    fn record_by_unique_key(&self, kind: &str, key: &str) -> Option<Record>;
    /// Records that share a key, in descending order of id, below `before`, at most `limit`.
    fn records_by_key(&self, kind: &str, key: &str, before: Option<&str>, limit: u32) -> Vec<Record>;
    /// Records that are due by a time, longest due first, at most `limit`.
    fn records_due(&self, kind: &str, at: Timestamp, limit: u32) -> Vec<Record>;
    /// How many records share a key, counted up to `most`.
    fn records_counted(&self, kind: &str, key: &str, most: u32) -> u32;
    /// The next number of a sequence, from 1 on: never the same twice. One that is not used is left out.
    fn next_number(&self, sequence: &str) -> i64;
    /// Takes every step of a write, or none.
    fn write_records(&self, writes: &Writes, at: Timestamp) -> ();
    /// Takes every step of a write and counts a product's rating on, both or neither. Leaves a change with the tags of the
    /// product; its version stays what it is.
    fn rate(&self, product_id: &str, change: RatingChange, writes: &Writes, at: Timestamp) -> ();

    /// The last number of the `changes` sequence; 0 before the first.
    fn last_sequence(&self) -> i64;
    /// Changes after a number, in order, at most `limit`.
    fn changes_after(&self, sequence: i64, limit: u32) -> Vec<Change>;

    /// Whether there is any category, product or combo.
    fn is_catalogue_empty(&self) -> bool;
    /// Adds a catalogue. With `replace`, everything in the catalogue, stock and ledger before it is removed in the same
    /// transaction (or, where the database limits a transaction's size, under a marker that makes a broken run start over).
    /// Leaves one change of entity `catalogue` that carries the tags of every list.
    fn write_catalogue(&self, batch: &CatalogueBatch, replace: Replace, at: Timestamp) -> ();
}

/// Whether `seed` may remove what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Remove the catalogue that is there.
    Existing,
    /// Only write into an empty catalogue.
    Nothing,
}

impl Database {
    /// Opens the database that the settings name, making what is missing and bringing its schema up to date.
    ///
    /// # Errors
    /// [`DatabaseError`]: see its variants.
    pub async fn open(config: &settings::Config) -> Answer<Self> {
        let engine = match config.kind {
            settings::Kind::Sqlite => Engine::Sqlite(sqlite::Sqlite::open(config).await?),
            settings::Kind::Mongodb => Engine::Mongo(Box::pin(mongodb::Mongo::open(config)).await?),
        };
        Ok(Self {
            engine,
            counted_by: None,
        })
    }

    /// Counts every question from now on, by its name, the label of this counter.
    #[must_use]
    pub fn counted_by(mut self, counter: IntCounterVec) -> Self {
        self.counted_by = Some(counter);
        self
    }

    fn count(&self, question: &str) {
        if let Some(counter) = &self.counted_by {
            counter.with_label_values(&[question]).inc();
        }
    }

    /// How much of the pool is in use.
    pub fn pool_use(&self) -> PoolUse {
        match &self.engine {
            Engine::Sqlite(database) => database.pool_use(),
            Engine::Mongo(database) => database.pool_use(),
        }
    }

    /// The word for this kind of database: `sqlite` or `mongodb`.
    pub fn kind(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Mongo(_) => "mongodb",
        }
    }
}

/// The field or column that a sort ascends by, on either database.
fn order_name(sort: ProductSort) -> &'static str {
    match sort {
        ProductSort::New => "order_new",
        ProductSort::PriceAscending => "order_price",
        ProductSort::PriceDescending => "order_price_descending",
        ProductSort::Name => "order_name",
        ProductSort::Rating => "order_rating",
        ProductSort::Popular | ProductSort::Relevance => "order_popular",
    }
}

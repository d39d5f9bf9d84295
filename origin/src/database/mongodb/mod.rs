//! Placeholder for Mongo.
#![allow(missing_docs, unused_variables, clippy::unused_async)]

use super::*;

#[derive(Clone)]
pub struct Mongo;

impl Mongo {
    pub async fn open(config: &settings::Config) -> Answer<Self> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub fn pool_use(&self) -> PoolUse {
        PoolUse::default()
    }

    pub async fn ping(&self) -> Answer<Duration> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn database_id(&self) -> Answer<String> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn product_page(&self, query: &ProductQuery) -> Answer<Vec<Product>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn product_count(&self, filter: &ProductFilter) -> Answer<u64> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn product_by_id_or_slug(&self, id_or_slug: &str) -> Answer<Option<Product>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn product_by_any_key(&self, key: &str) -> Answer<Option<Product>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn products_by_ids(&self, ids: &[String]) -> Answer<Vec<Product>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn products_after(&self, after_id: &str, limit: u32) -> Answer<Vec<Product>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn patch_product(
        &self,
        id: &str,
        patch: &ProductPatch,
        expected_version: Option<i64>,
        at: Timestamp,
    ) -> Answer<Product> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn stock(&self, product_id: &str) -> Answer<Option<StockRecord>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn stock_movements(
        &self,
        product_id: &str,
        limit: u32,
    ) -> Answer<Vec<StockMovement>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn adjust_stock(
        &self,
        product_id: &str,
        adjustment: StockAdjustment,
        reason: &str,
        at: Timestamp,
    ) -> Answer<StockAdjusted> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn categories(&self) -> Answer<Vec<Category>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn category_counts(&self) -> Answer<Vec<CategoryCount>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn combos(&self, kind: ComboKind) -> Answer<Vec<ComboWithParts>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn combo_by_id_or_slug(
        &self,
        kind: ComboKind,
        id_or_slug: &str,
    ) -> Answer<Option<ComboWithParts>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn shop_settings(&self) -> Answer<Option<ShopSettings>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn put_shop_settings(
        &self,
        settings: &ShopSettings,
        at: Timestamp,
    ) -> Answer<ShopSettings> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn last_sequence(&self) -> Answer<i64> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn changes_after(&self, sequence: i64, limit: u32) -> Answer<Vec<Change>> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn is_catalogue_empty(&self) -> Answer<bool> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }

    pub async fn write_catalogue(
        &self,
        batch: &CatalogueBatch,
        replace: Replace,
        at: Timestamp,
    ) -> Answer<()> {
        Err(DatabaseError::Unavailable("not built yet".to_owned()))
    }
}

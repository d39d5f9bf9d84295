//! How the shop sells, as staff change it.

use http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::expected_version;
use crate::api::body;
use crate::api::error::{ApiError, FieldError};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::shop::ShopView;
use crate::app::App;
use crate::commerce::money::Paise;
use crate::commerce::product_rules::PRICE_MAX;
use crate::commerce::shop::{Notice, SalesMode, ShopSettings};
use crate::commerce::zones::{ZONES_MAX, Zone, wrong_zone};

/// The most notices on every page.
const NOTICES_MAX: usize = 5;

/// What is changed of how the shop sells; what is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShopChange {
    /// How it sells.
    #[serde(default)]
    pub mode: Option<SalesMode>,
    /// Whether customers can look and nothing else, while staff work on.
    #[serde(default)]
    pub read_only: Option<bool>,
    /// Percent of the goods' value for packing, at most 50.
    #[serde(default)]
    pub packing_percent: Option<u8>,
    /// The least an order may be worth, in paise.
    #[serde(default)]
    pub minimum_order_paise: Option<i64>,
    /// Lines for every page, at most 5 of 1 to 300 characters.
    #[serde(default)]
    pub notices: Option<Vec<Notice>>,
    /// Where it delivers, and for how much; at most 100.
    #[serde(default)]
    pub zones: Option<Vec<Zone>>,
    /// When orders open this season: RFC 3339; null for always.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<String>")]
    pub opens_at: Option<Option<Timestamp>>,
    /// When orders close this season: RFC 3339; null for never.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<String>")]
    pub closes_at: Option<Option<Timestamp>>,
}

/// The shop with what only staff see of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffShopView {
    /// As the public sees it.
    #[serde(flatten)]
    pub shop: ShopView,
    /// Where it delivers.
    pub zones: Vec<Zone>,
}

/// Tells a field that is null from one that is not there.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl ShopChange {
    /// Everything that is wrong with it.
    fn problems(&self) -> Vec<FieldError> {
        let mut wrong = Vec::new();
        let mut expect = |is_good: bool, pointer: String, detail: &str| {
            if !is_good {
                wrong.push(FieldError::at(pointer, "invalid_field", detail));
            }
        };
        expect(
            self.packing_percent.is_none_or(|percent| percent <= 50),
            "/packing_percent".to_owned(),
            "expected 0 to 50",
        );
        expect(
            self.minimum_order_paise
                .is_none_or(|paise| (0..=PRICE_MAX).contains(&paise)),
            "/minimum_order_paise".to_owned(),
            "expected 0 to 1000000000",
        );
        let notices = self.notices.as_deref().unwrap_or_default();
        expect(
            notices.len() <= NOTICES_MAX,
            "/notices".to_owned(),
            "expected at most 5",
        );
        for (place, notice) in notices.iter().enumerate() {
            let text = notice.text.trim();
            expect(
                (1..=300).contains(&text.chars().count()) && !text.chars().any(char::is_control),
                format!("/notices/{place}/text"),
                "expected 1 to 300 characters",
            );
        }
        let zones = self.zones.as_deref().unwrap_or_default();
        expect(
            zones.len() <= ZONES_MAX,
            "/zones".to_owned(),
            "expected at most 100",
        );
        if let Some((place, field, detail)) = wrong_zone(zones) {
            expect(false, format!("/zones/{place}/{field}"), detail);
        }
        wrong
    }

    fn apply_to(self, shop: &mut ShopSettings) {
        shop.mode = self.mode.unwrap_or(shop.mode);
        shop.read_only = self.read_only.unwrap_or(shop.read_only);
        shop.packing_percent = self.packing_percent.unwrap_or(shop.packing_percent);
        shop.minimum_order = self.minimum_order_paise.map_or(shop.minimum_order, Paise);
        shop.opens_at = self.opens_at.unwrap_or(shop.opens_at);
        shop.closes_at = self.closes_at.unwrap_or(shop.closes_at);
        if let Some(notices) = self.notices {
            shop.notices = notices;
        }
        if let Some(zones) = self.zones {
            shop.zones = zones;
        }
    }
}

fn shown(app: &App, shop: ShopSettings) -> Result<Reply, ApiError> {
    let etag = format!("\"{}\"", shop.version);
    let view = StaffShopView {
        zones: shop.zones.clone(),
        shop: ShopView::new(shop, app.gateway.is_some()),
    };
    let mut reply = Reply::fresh(StatusCode::OK, &view)?;
    reply.etag = Some(etag);
    Ok(reply)
}

pub(in crate::api) async fn show(call: Call) -> Result<Reply, ApiError> {
    let shop = call.app.database.shop_settings().await?;
    shown(&call.app, shop.ok_or(ApiError::NotFound)?)
}

pub(in crate::api) async fn change(call: Call) -> Result<Reply, ApiError> {
    let change: ShopChange = body::json(&call)?;
    let expected = expected_version(&call)?;
    let wrong = change.problems();
    if !wrong.is_empty() {
        return Err(ApiError::BadBody(wrong));
    }
    let database = &call.app.database;
    let mut shop = database.shop_settings().await?.ok_or(ApiError::NotFound)?;
    change.apply_to(&mut shop);
    if let (Some(opens), Some(closes)) = (shop.opens_at, shop.closes_at)
        && closes <= opens
    {
        let wrong = FieldError::at("/closes_at", "invalid_field", "must be after opens_at");
        return Err(ApiError::BadBody(vec![wrong]));
    }
    let at = call.app.clock.now();
    shown(
        &call.app,
        database
            .put_shop_settings(&shop, Some(expected), at)
            .await?,
    )
}

//! `GET /api/shop`.

use schemars::JsonSchema;
use serde::Serialize;

use super::error::ApiError;
use super::response::Reply;
use super::routes::Call;
use super::views::{Money, time};
use crate::commerce::orders::PaymentMethod;
use crate::commerce::shop::{Notice, SalesMode, ShopSettings};
use crate::commerce::zones::Zone;

/// What every page needs to know of the shop.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ShopView {
    /// Its name.
    pub name: String,
    /// One line under it.
    pub tagline: String,
    /// How it sells now.
    pub mode: SalesMode,
    /// Always `INR`.
    pub currency: &'static str,
    /// The licence that the law asks for.
    pub licence: Licence,
    /// How to reach it.
    pub contact: Contact,
    /// For every page.
    pub notices: Vec<Notice>,
    /// What is added to goods.
    pub charges: Charges,
    /// When it sells.
    pub season: Season,
    /// Whether customers can look and nothing else now.
    pub read_only: bool,
    /// How an order can be paid.
    pub payments: Vec<PaymentMethod>,
    /// Years a buyer must have.
    pub minimum_age: u8,
}

/// Where the shop delivers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ZonePage {
    /// The zones; none for a shop that delivers everywhere and free.
    pub items: Vec<Zone>,
}

/// A licence to sell fireworks.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Licence {
    /// Its number.
    pub number: String,
    /// Whose it is.
    pub holder: String,
}

/// How to reach the shop.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Contact {
    /// International form.
    pub phone: String,
    /// International form.
    pub whatsapp: String,
    /// Mail.
    pub email: String,
    /// Post.
    pub address: String,
}

/// What is added to goods.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Charges {
    /// Of the goods' value.
    pub packing_percent: u8,
    /// The least an order may be worth.
    pub minimum_order: Money,
}

/// When the shop sells.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Season {
    /// RFC 3339; null when always.
    pub opens_at: Option<String>,
    /// RFC 3339; null when always.
    pub closes_at: Option<String>,
}

impl ShopView {
    /// What every page needs to know of it.
    pub fn new(shop: ShopSettings, has_gateway: bool) -> Self {
        let mut payments = vec![PaymentMethod::CashOnDelivery, PaymentMethod::BankTransfer];
        payments.extend(has_gateway.then_some(PaymentMethod::Gateway));
        Self {
            payments,
            name: shop.name,
            tagline: shop.tagline,
            mode: shop.mode,
            currency: "INR",
            licence: Licence {
                number: shop.licence_number,
                holder: shop.licence_holder,
            },
            contact: Contact {
                phone: shop.phone,
                whatsapp: shop.whatsapp,
                email: shop.email,
                address: shop.address,
            },
            notices: shop.notices,
            charges: Charges {
                packing_percent: shop.packing_percent,
                minimum_order: shop.minimum_order.into(),
            },
            season: Season {
                opens_at: shop.opens_at.map(time),
                closes_at: shop.closes_at.map(time),
            },
            read_only: shop.read_only,
            minimum_age: 18,
        }
    }
}

pub(super) async fn zones(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        let shop = app.database.shop_settings().await?;
        let items = shop.ok_or(ApiError::NotFound)?.zones;
        Reply::public(&ZonePage { items }, vec!["shop".to_owned()])
    };
    app.answers
        .get("zones".to_owned(), &app.metrics, make)
        .await
}

pub(super) async fn show(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        let shop = app
            .database
            .shop_settings()
            .await?
            .ok_or(ApiError::NotFound)?;
        let shop = ShopView::new(shop, app.gateway.is_some());
        Reply::public(&shop, vec!["shop".to_owned()])
    };
    app.answers.get("shop".to_owned(), &app.metrics, make).await
}

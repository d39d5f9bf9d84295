//! `GET /api/bundles`, `/api/giftboxes`, and one of either.

use schemars::JsonSchema;
use serde::Serialize;

use super::error::ApiError;
use super::response::Reply;
use super::routes::Call;
use super::views::{Money, Page};
use crate::commerce::availability::Availability;
use crate::commerce::changes::{combo_tag, product_tag};
use crate::commerce::combos::{ComboKind, ComboWithParts};
use crate::commerce::products::Image;

/// All combos of a kind.
pub type ComboPage = Page<ComboView>;

/// Several products sold as one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ComboView {
    /// Id.
    pub id: String,
    /// Bundle or gift box.
    pub kind: ComboKind,
    /// Article number.
    pub sku: String,
    /// Name in URLs.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Plain text.
    pub description: String,
    /// What the shop asks.
    pub price: Money,
    /// Maximum retail price.
    pub mrp: Money,
    /// By how much the price is below the MRP.
    pub discount_percent: u8,
    /// That of its scarcest component.
    pub availability: Availability,
    /// Its picture.
    pub image: Option<Image>,
    /// What is in it.
    pub components: Vec<ComponentView>,
    /// How many products are in it.
    pub component_count: usize,
    /// Counts changes.
    pub version: i64,
}

/// A product in a combo.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ComponentView {
    /// Which product.
    pub product_id: String,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// How many of it.
    pub quantity: u32,
    /// What is in one of it.
    pub pack: String,
}

impl From<ComboWithParts> for ComboView {
    fn from(with_parts: ComboWithParts) -> Self {
        let ComboWithParts {
            combo,
            parts,
            availability,
        } = with_parts;
        let components = parts.into_iter().map(|part| ComponentView {
            product_id: part.product_id,
            slug: part.slug,
            name: part.name,
            quantity: part.quantity,
            pack: part.pack,
        });
        Self {
            id: combo.id,
            kind: combo.kind,
            sku: combo.sku,
            slug: combo.slug,
            name: combo.name,
            description: combo.description,
            price: combo.price.into(),
            mrp: combo.mrp.into(),
            discount_percent: combo.mrp.discount_percent(combo.price),
            availability,
            image: combo.image,
            component_count: combo.components.len(),
            components: components.collect(),
            version: combo.version,
        }
    }
}

async fn list(call: Call, kind: ComboKind) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        let combos = app.database.combos(kind).await?;
        let views = combos.into_iter().map(ComboView::from).collect();
        Reply::public(&Page::whole(views), vec![kind.tag().to_owned()])
    };
    app.answers
        .get(kind.tag().to_owned(), &app.metrics, make)
        .await
}

async fn one(call: Call, kind: ComboKind) -> Result<Reply, ApiError> {
    let app = &call.app;
    let key = format!("{}\u{1f}{}", kind.as_str(), call.segment);
    let make = async {
        let found = app
            .database
            .combo_by_id_or_slug(kind, &call.segment)
            .await?;
        let found = found.ok_or(ApiError::NotFound)?;
        let mut tags = vec![combo_tag(&found.combo.id)];
        tags.extend(found.parts.iter().map(|part| product_tag(&part.product_id)));
        Reply::public(&ComboView::from(found), tags)
    };
    app.answers.get(key, &app.metrics, make).await
}

pub(super) async fn bundles(call: Call) -> Result<Reply, ApiError> {
    list(call, ComboKind::Bundle).await
}

pub(super) async fn bundle(call: Call) -> Result<Reply, ApiError> {
    one(call, ComboKind::Bundle).await
}

pub(super) async fn gift_boxes(call: Call) -> Result<Reply, ApiError> {
    list(call, ComboKind::GiftBox).await
}

pub(super) async fn gift_box(call: Call) -> Result<Reply, ApiError> {
    one(call, ComboKind::GiftBox).await
}

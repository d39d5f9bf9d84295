//! Bundles and gift boxes, as staff make and change them. One that was made stays: it is switched off, since orders name it.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expected_version;
use crate::api::body;
use crate::api::error::{ApiError, FieldError};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::Money;
use crate::commerce::combos::{COMPONENT_QUANTITY_MAX, Combo, ComboKind, Component};
use crate::commerce::ids;
use crate::commerce::money::Paise;
use crate::commerce::product_rules::{PRICE_MAX, SLUG, is_sku, is_slug, is_text};
use crate::commerce::products::Image;
use crate::database::DatabaseError;

/// The most products in a combo.
const COMPONENTS_MAX: usize = 50;

/// What a bundle or gift box is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComboTerms {
    /// Article number, 1 to 64 visible characters.
    pub sku: String,
    /// Name in URLs: lower-case letters, digits and hyphens.
    pub slug: String,
    /// Name, 1 to 200 characters.
    pub name: String,
    /// Plain text, at most 5000 characters.
    #[serde(default)]
    pub description: String,
    /// Maximum retail price, in paise.
    pub mrp_paise: i64,
    /// Price, in paise; at most the MRP.
    pub price_paise: i64,
    /// What is in it, 1 to 50 products, each once.
    pub components: Vec<ComponentTerms>,
    /// Public or not.
    pub active: bool,
    /// Lists are in ascending order of it.
    #[serde(default)]
    pub position: i32,
}

/// One product in a combo.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComponentTerms {
    /// Id of an active product.
    pub product_id: String,
    /// How many of it, 1 to 1000.
    pub quantity: u32,
}

/// A bundle or gift box, as staff see it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffComboView {
    /// Its id.
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
    /// Maximum retail price.
    pub mrp: Money,
    /// What the shop asks.
    pub price: Money,
    /// What is in it.
    pub components: Vec<ComponentTerms>,
    /// Public or not.
    pub active: bool,
    /// Lists are in ascending order of it.
    pub position: i32,
    /// Its picture.
    pub image: Option<Image>,
    /// What `If-Match` names.
    pub version: i64,
}

/// A page of bundles or gift boxes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffComboPage {
    /// In order of id.
    pub items: Vec<StaffComboView>,
    /// What `cursor` the next page has; null on the last one.
    pub next_cursor: Option<String>,
}

impl From<&Combo> for StaffComboView {
    fn from(combo: &Combo) -> Self {
        let components = combo.components.iter().map(|one| ComponentTerms {
            product_id: one.product_id.clone(),
            quantity: one.quantity,
        });
        Self {
            id: combo.id.clone(),
            kind: combo.kind,
            sku: combo.sku.clone(),
            slug: combo.slug.clone(),
            name: combo.name.clone(),
            description: combo.description.clone(),
            mrp: combo.mrp.into(),
            price: combo.price.into(),
            components: components.collect(),
            active: combo.active,
            position: combo.position,
            image: combo.image.clone(),
            version: combo.version,
        }
    }
}

impl ComboTerms {
    /// What is wrong with its own fields.
    fn problems(&self) -> Vec<FieldError> {
        let is_priced = (1..=self.mrp_paise).contains(&self.price_paise);
        let is_name = is_text(&self.name, 1, 200) && !self.name.trim().is_empty();
        let is_filled = (1..=COMPONENTS_MAX).contains(&self.components.len());
        let rules = [
            ("sku", is_sku(&self.sku), "1 to 64 visible ASCII characters"),
            ("slug", is_slug(&self.slug), SLUG),
            ("name", is_name, "1 to 200 characters"),
            (
                "description",
                is_text(&self.description, 0, 5000),
                "at most 5000 characters",
            ),
            (
                "mrp_paise",
                (1..=PRICE_MAX).contains(&self.mrp_paise),
                "1 to 1000000000",
            ),
            ("price_paise", is_priced, "at least 1, at most the MRP"),
            ("components", is_filled, "1 to 50 products"),
        ];
        let wrong = rules.into_iter().filter(|(_, holds, _)| !holds);
        wrong
            .map(|(field, _, expected)| {
                let detail = format!("expected {expected}");
                FieldError::at(format!("/{field}"), "invalid_field", detail)
            })
            .collect()
    }

    /// What is wrong with its components; those that it had before stay, even where their product is no longer sold.
    async fn component_problems(
        &self,
        call: &Call,
        before: &[Component],
    ) -> Result<Vec<FieldError>, ApiError> {
        let mut wrong = Vec::new();
        let wanted: Vec<_> = self
            .components
            .iter()
            .map(|one| one.product_id.clone())
            .collect();
        let known = call.app.database.products_by_ids(&wanted).await?;
        for (place, one) in self.components.iter().enumerate() {
            let id = &one.product_id;
            let was_there = before.iter().any(|part| part.product_id == *id);
            let is_known = was_there || known.iter().any(|product| product.id == *id);
            if !is_known || wanted[..place].contains(id) {
                let detail = "expected the id of an active product that is not in it already";
                let pointer = format!("/components/{place}/product_id");
                wrong.push(FieldError::at(pointer, "invalid_field", detail));
            }
            if !(1..=COMPONENT_QUANTITY_MAX).contains(&one.quantity) {
                let pointer = format!("/components/{place}/quantity");
                wrong.push(FieldError::at(
                    pointer,
                    "invalid_field",
                    "expected 1 to 1000",
                ));
            }
        }
        Ok(wrong)
    }

    /// The combo, or everything that is wrong with it.
    async fn applied_to(self, call: &Call, before: Combo) -> Result<Combo, ApiError> {
        let mut wrong = self.problems();
        if self.components.len() <= COMPONENTS_MAX {
            wrong.extend(self.component_problems(call, &before.components).await?);
        }
        if !wrong.is_empty() {
            return Err(ApiError::BadBody(wrong));
        }
        let components = self.components.into_iter().map(|one| Component {
            product_id: one.product_id,
            quantity: one.quantity,
        });
        Ok(Combo {
            sku: self.sku,
            slug: self.slug,
            name: self.name.trim().to_owned(),
            description: self.description,
            mrp: Paise(self.mrp_paise),
            price: Paise(self.price_paise),
            components: components.collect(),
            active: self.active,
            position: self.position,
            ..before
        })
    }
}

/// A combo before anything is said of it.
fn blank(kind: ComboKind) -> Combo {
    Combo {
        id: ids::unguessable(),
        legacy_id: None,
        kind,
        sku: String::new(),
        slug: String::new(),
        name: String::new(),
        description: String::new(),
        mrp: Paise(0),
        price: Paise(0),
        image: None,
        components: Vec::new(),
        active: true,
        position: 0,
        version: 1,
    }
}

pub(super) fn shown(status: StatusCode, combo: &Combo) -> Result<Reply, ApiError> {
    let mut reply = Reply::fresh(status, &StaffComboView::from(combo))?;
    reply.etag = Some(format!("\"{}\"", combo.version));
    Ok(reply)
}

pub(super) async fn required(call: &Call, kind: ComboKind) -> Result<Combo, ApiError> {
    let found = call.app.database.combo_by_id(&call.segment).await?;
    found
        .filter(|combo| combo.kind == kind)
        .ok_or(ApiError::NotFound)
}

async fn list(call: Call, kind: ComboKind) -> Result<Reply, ApiError> {
    let (after, limit) = call.page();
    let after = after.unwrap_or_default();
    let database = &call.app.database;
    let mut found = database.combos_after(kind, after, limit + 1).await?;
    let next_cursor = crate::api::next_cursor(&mut found, limit, |combo| combo.id.clone());
    let items = found.iter().map(StaffComboView::from).collect();
    Reply::fresh(StatusCode::OK, &StaffComboPage { items, next_cursor })
}

async fn show(call: Call, kind: ComboKind) -> Result<Reply, ApiError> {
    shown(StatusCode::OK, &required(&call, kind).await?)
}

async fn create(call: Call, kind: ComboKind) -> Result<Reply, ApiError> {
    let terms: ComboTerms = body::json(&call)?;
    let combo = terms.applied_to(&call, blank(kind)).await?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let made = database.put_combo(&combo, None, at).await?;
    shown(StatusCode::CREATED, &made)
}

async fn replace(call: Call, kind: ComboKind) -> Result<Reply, ApiError> {
    let terms: ComboTerms = body::json(&call)?;
    let expected = expected_version(&call)?;
    let before = required(&call, kind).await?;
    if before.version != expected {
        let actual = before.version;
        return Err(DatabaseError::VersionConflict { expected, actual }.into());
    }
    let combo = terms.applied_to(&call, before).await?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let changed = database.put_combo(&combo, Some(expected), at).await?;
    shown(StatusCode::OK, &changed)
}

/// The handlers of one kind.
macro_rules! handlers {
    ($name:ident, $kind:expr) => {
        pub(in crate::api) mod $name {
            use super::{ApiError, Call, ComboKind, Reply};

            pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
                super::list(call, $kind).await
            }

            pub(in crate::api) async fn show(call: Call) -> Result<Reply, ApiError> {
                super::show(call, $kind).await
            }

            pub(in crate::api) async fn create(call: Call) -> Result<Reply, ApiError> {
                super::create(call, $kind).await
            }

            pub(in crate::api) async fn replace(call: Call) -> Result<Reply, ApiError> {
                super::replace(call, $kind).await
            }

            pub(in crate::api) async fn put_image(call: Call) -> Result<Reply, ApiError> {
                super::super::images::put_of_combo(call, $kind).await
            }
        }
    };
}

handlers!(bundles, ComboKind::Bundle);
handlers!(gift_boxes, ComboKind::GiftBox);

//! `POST /api/orders`: from a list to an order, once.

use std::sync::Arc;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body;
use super::error::{ApiError, FieldError};
use super::permission;
use super::quotes::{self, QuotedLineView, WantedView};
use super::response::{Reply, etag_of};
use super::routes::Call;
use super::views::{Money, time};
use crate::app::App;
use crate::commerce::contact::{Address, Contact, Wrong};
use crate::commerce::ids;
use crate::commerce::known::Catalogue;
use crate::commerce::lines::WantedLine;
use crate::commerce::money::Paise;
use crate::commerce::orders::{NewOrder, Order, OrderState, PaymentMethod, Placed, may_order};
use crate::commerce::quote::Quote;
use crate::commerce::reservation::Shortage;
use crate::commerce::shop::ShopSettings;
use crate::commerce::stock::coupon_stock;
use crate::commerce::zones::Destination;

/// What an order is placed with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// 1 to 200 of them, each thing once.
    pub lines: Vec<WantedView>,
    /// Who orders.
    pub contact: ContactView,
    /// Where it goes.
    pub address: AddressView,
    /// How it will be paid.
    pub payment: PaymentMethod,
    /// A coupon's code.
    #[serde(default)]
    pub coupon: Option<String>,
    /// That whoever orders is at least 18 years old; must be true.
    pub is_adult: bool,
    /// The total that the customer was shown, in paise: an order never costs more than its customer saw.
    pub expected_total_paise: i64,
}

/// Who orders.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactView {
    /// Name.
    pub name: String,
    /// Indian mobile number.
    pub phone: String,
    /// Mail address.
    pub email: String,
}

/// Where it goes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressView {
    /// House and street.
    pub line1: String,
    /// Anything more.
    #[serde(default)]
    pub line2: String,
    /// City, town or village.
    pub city: String,
    /// State.
    pub state: String,
    /// Six digits.
    pub pincode: String,
}

/// An order as its customer sees it on the day.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OrderView {
    /// For people, for example CR000042.
    pub number: String,
    /// Lets whoever has it see how the order stands.
    pub tracking_token: String,
    /// Where it stands.
    pub state: OrderState,
    /// How it will be paid.
    pub payment: PaymentMethod,
    /// What was ordered.
    pub lines: Vec<QuotedLineView>,
    /// What a coupon took off.
    pub discount: Money,
    /// For packing.
    pub packing: Money,
    /// For delivery.
    pub delivery: Money,
    /// What is paid.
    pub total: Money,
    /// When it was placed: RFC 3339, UTC.
    pub placed_at: String,
    /// When its stock is free again unless it is paid; null when it need not be.
    pub expires_at: Option<String>,
}

impl From<&Order> for OrderView {
    fn from(order: &Order) -> Self {
        Self {
            number: order.number_text(),
            tracking_token: order.tracking_token.clone(),
            state: order.state,
            payment: order.payment,
            lines: order.quote.lines.iter().map(QuotedLineView::from).collect(),
            discount: order.quote.discount().into(),
            packing: order.quote.packing.into(),
            delivery: order.quote.delivery.unwrap_or_default().into(),
            total: order.quote.total.into(),
            placed_at: time(order.placed_at),
            expires_at: order.expires_at.map(time),
        }
    }
}

/// How often a price is made anew because somebody changes what it is made from at the same moment.
const TRIES: usize = 3;

pub(super) async fn place(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let key = idempotency_key(&call)?;
    let body_hash = etag_of(&call.body);
    let placed = match tried(&call, &key, &body_hash).await {
        Ok(placed) => placed,
        // What was placed stays placed, whatever shop and catalogue say now.
        Err(refused) => match app.database.order_by_key(&key).await? {
            Some((known, order)) => Placed::again(order, known == body_hash),
            None => return Err(refused),
        },
    };
    let (outcome, answer) = match placed {
        Placed::New(order) => ("placed", Some(order)),
        Placed::Before(order) => ("repeated", Some(order)),
        Placed::Short(_) | Placed::Stale | Placed::OtherBody => ("other_body", None),
    };
    app.metrics.orders.asked.with_label_values(&[outcome]).inc();
    let order = answer.ok_or_else(other_body)?;
    Reply::fresh(StatusCode::OK, &OrderView::from(&order))
}

/// Prices by memory and places. Where memory is behind, and before anything is refused that it may be wrong about, prices
/// by what is there now.
async fn tried(call: &Call, key: &str, body_hash: &str) -> Result<Placed, ApiError> {
    let app = &call.app;
    let asked = Asked::of(call).await?;
    let mut shop = app.shop_settings().await?;
    let mut catalogue = app.catalogue();
    for _ in 0..TRIES {
        let shop_now = shop.as_deref().ok_or(ApiError::NotFound)?;
        match asked.order(app, catalogue, shop_now, key, body_hash).await {
            Ok(order) => match app.database.place_order(&order).await? {
                Placed::Short(short) => {
                    app.metrics.orders.asked.with_label_values(&["short"]).inc();
                    return Err(too_little(&order.quote, &short));
                }
                Placed::Stale => app.metrics.orders.asked.with_label_values(&["stale"]).inc(),
                placed => return Ok(placed),
            },
            Err(refused) if catalogue.known.is_none() => return Err(refused),
            Err(_) => {}
        }
        shop = app.database.shop_settings().await?.map(Arc::new);
        catalogue.known = None;
    }
    let detail =
        "Prices are being changed at this moment: ask what the list costs, and order again.";
    Err(conflict("price_changed", detail.to_owned()))
}

/// What a request asks for, as far as it can be judged without the catalogue.
struct Asked {
    request: OrderRequest,
    lines: Vec<WantedLine>,
    contact: Contact,
    address: Address,
    customer_id: Option<String>,
}

impl Asked {
    async fn of(call: &Call) -> Result<Self, ApiError> {
        let mut request: OrderRequest = body::json(call)?;
        let (contact, address) = checked(&request)?;
        if request.payment == PaymentMethod::Gateway && call.app.gateway.is_none() {
            return Err(not_offered());
        }
        let lines = std::mem::take(&mut request.lines);
        Ok(Self {
            lines: lines.into_iter().map(WantedLine::from).collect(),
            request,
            contact,
            address,
            customer_id: permission::customer(&call.app, &call.headers).await?,
        })
    }

    /// The order, checked against shop and catalogue.
    async fn order(
        &self,
        app: &App,
        catalogue: Catalogue<'_>,
        shop: &ShopSettings,
        key: &str,
        body_hash: &str,
    ) -> Result<NewOrder, ApiError> {
        let wish = quotes::Wish {
            coupon: self.request.coupon.as_deref(),
            to: Some(Destination {
                state: &self.address.state,
                pincode: &self.address.pincode,
            }),
        };
        let priced = quotes::price(app, catalogue, shop, &self.lines, wish).await?;
        let at = app.clock.now();
        may_order(shop, at).map_err(|why| conflict("not_selling", why.to_string()))?;
        let quote = priced.quote;
        if !quote.meets_minimum() {
            return Err(below_minimum(quote.minimum));
        }
        if quote.total.0 != self.request.expected_total_paise {
            let detail = format!("The total is {} paise now.", quote.total.0);
            return Err(conflict("price_changed", detail));
        }
        Ok(NewOrder {
            // Neighbours in time are neighbours in the index: a batch of orders changes few pages.
            id: ids::in_order_of_time(at),
            tracking_token: ids::unguessable(),
            idempotency_key: key.to_owned(),
            body_hash: body_hash.to_owned(),
            customer_id: self.customer_id.clone(),
            contact: self.contact.clone(),
            address: self.address.clone(),
            payment: self.request.payment,
            quote,
            basis: priced.basis,
            at,
            expires_at: Some(at + app.config.commerce.payment_window()),
        })
    }
}

/// The client's own key for this one intent.
pub(super) fn idempotency_key(call: &Call) -> Result<String, ApiError> {
    let value = call.headers.get("idempotency-key");
    let value = value.and_then(|value| value.to_str().ok());
    let fits = |key: &&str| {
        (16..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    value.filter(fits).map(str::to_owned).ok_or(ApiError::BadHeader(
        "Idempotency-Key must be there: 16 to 128 visible ASCII characters that the client makes once for this one intent",
    ))
}

impl From<&AddressView> for Address {
    fn from(view: &AddressView) -> Self {
        Self {
            line1: view.line1.clone(),
            line2: view.line2.clone(),
            city: view.city.clone(),
            state: view.state.clone(),
            pincode: view.pincode.clone(),
        }
    }
}

fn checked(request: &OrderRequest) -> Result<(Contact, Address), ApiError> {
    let contact = Contact {
        name: request.contact.name.clone(),
        phone: request.contact.phone.clone(),
        email: request.contact.email.clone(),
    };
    let address = Address::from(&request.address);
    let (contact, address) = (contact.checked(), address.checked());
    let mut fields = Vec::new();
    if !request.is_adult {
        let detail = "must be true: fireworks are sold to adults only";
        fields.push(FieldError::at("/is_adult", "adults_only", detail));
    }
    fields.extend(wrong("/contact", contact.as_ref().err()));
    fields.extend(wrong("/address", address.as_ref().err()));
    match (contact, address) {
        (Ok(contact), Ok(address)) if fields.is_empty() => Ok((contact, address)),
        _ => Err(ApiError::Refused {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: fields.first().map_or("invalid_field", |field| field.code),
            detail: "Some fields are wrong.".to_owned(),
            fields,
        }),
    }
}

/// Fields that cannot be what they say, under a place in the body.
pub(super) fn wrong(under: &str, wrong: Option<&Vec<Wrong>>) -> Vec<FieldError> {
    let all = wrong.map_or(&[][..], Vec::as_slice).iter();
    all.map(|one| {
        let pointer = format!("{under}/{}", one.field);
        FieldError::at(
            pointer,
            "invalid_field",
            format!("expected {}", one.expected),
        )
    })
    .collect()
}

/// A request that may succeed later, or in another form.
pub(super) fn conflict(code: &'static str, detail: String) -> ApiError {
    ApiError::Refused {
        status: StatusCode::CONFLICT,
        code,
        detail,
        fields: Vec::new(),
    }
}

pub(super) fn below_minimum(minimum: Paise) -> ApiError {
    let detail = format!("goods must be worth at least {} paise", minimum.0);
    ApiError::Refused {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code: "below_minimum_order",
        detail: detail.clone(),
        fields: vec![FieldError::at("/lines", "below_minimum_order", detail)],
    }
}

fn not_offered() -> ApiError {
    let detail = "the shop takes no payments that way";
    ApiError::Refused {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code: "payment_not_offered",
        detail: detail.to_owned(),
        fields: vec![FieldError::at("/payment", "payment_not_offered", detail)],
    }
}

pub(super) fn other_body() -> ApiError {
    ApiError::Refused {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code: "idempotency_key_reused",
        detail: "This Idempotency-Key was sent with another body.".to_owned(),
        fields: Vec::new(),
    }
}

/// Names the lines that there is too little for; how much there is stays the shop's own.
fn too_little(quote: &Quote, short: &[Shortage]) -> ApiError {
    let coupon = quote
        .coupon
        .as_ref()
        .map(|coupon| coupon_stock(&coupon.code));
    if coupon.is_some_and(|stock| short.iter().any(|one| one.product_id == stock)) {
        let detail = "this coupon was used as often as it may be";
        return ApiError::Refused {
            status: StatusCode::CONFLICT,
            code: "coupon_used_up",
            detail: detail.to_owned(),
            fields: vec![FieldError::at("/coupon", "coupon_used_up", detail)],
        };
    }
    let is_short = |product: &String| short.iter().any(|one| one.product_id == *product);
    let lines = quote.lines.iter().enumerate();
    let fields = lines
        .filter(|(_, line)| line.pieces.keys().any(is_short))
        .map(|(place, line)| {
            let detail = format!("there are not so many of {} any more", line.name);
            FieldError::at(format!("/lines/{place}/quantity"), "stock_too_low", detail)
        });
    ApiError::Refused {
        status: StatusCode::CONFLICT,
        code: "stock_too_low",
        detail: "Some of it was sold in the meantime; nothing was ordered.".to_owned(),
        fields: fields.collect(),
    }
}

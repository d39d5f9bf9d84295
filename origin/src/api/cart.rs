//! A customer's cart: what is in it, what of it can be had, and what all of it would cost.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::asker;
use super::body;
use super::error::{ApiError, FieldError};
use super::orders::conflict;
use super::quotes::{self, QuoteView, QuotedLineView, WantedView, Wish};
use super::response::Reply;
use super::routes::Call;
use crate::commerce::basis::Basis;
use crate::commerce::cart::{Cart, CartFull, QUANTITY_MAX};
use crate::commerce::coupons::Coupon;
use crate::commerce::goods;
use crate::commerce::lines::{Goods, LINES_MAX, LineKey, LineKind, WantedLine};
use crate::commerce::quote;

/// How many of a thing are wanted, whatever was wanted before.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuantityView {
    /// 0 takes it out.
    pub quantity: u32,
}

/// How many of several things are wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinesView {
    /// 1 to 200 of them; a quantity of 0 takes a thing out.
    pub lines: Vec<WantedView>,
}

/// A coupon for the cart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CouponGiven {
    /// Its code.
    pub code: String,
}

/// A cart.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CartView {
    /// In the order in which they came.
    pub lines: Vec<CartLineView>,
    /// The coupon's code.
    pub coupon: Option<String>,
    /// What all of it would cost; null while there is nothing in it, or something that cannot be had so.
    pub quote: Option<QuoteView>,
    /// Why there is no quote, where it is not because of a line.
    pub refused: Option<String>,
}

/// A line of a cart.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CartLineView {
    /// What kind of thing.
    pub kind: LineKind,
    /// Its id.
    pub id: String,
    /// How many of it are wanted.
    pub quantity: u32,
    /// With its price now; null where it cannot be had so.
    pub priced: Option<QuotedLineView>,
    /// Why it cannot be had so.
    pub refused: Option<String>,
}

impl From<CartFull> for ApiError {
    fn from(full: CartFull) -> Self {
        conflict("cart_full", full.to_string())
    }
}

/// `kind:id` of the path.
fn key_of(call: &Call) -> Result<LineKey, ApiError> {
    let (kind, id) = call.segment.split_once(':').ok_or(ApiError::NotFound)?;
    let kind = match kind {
        "product" => LineKind::Product,
        "bundle" => LineKind::Bundle,
        "gift_box" => LineKind::GiftBox,
        _ => return Err(ApiError::NotFound),
    };
    Ok(LineKey {
        kind,
        id: id.to_owned(),
    })
}

/// Refuses quantities beyond what a cart takes, and things that are not there. What an order takes of a thing is said by
/// the cart's lines, and may change until it is ordered.
async fn check(
    call: &Call,
    lines: &[WantedLine],
    pointer: impl Fn(usize) -> String,
) -> Result<(), ApiError> {
    if lines.is_empty() || lines.len() > LINES_MAX {
        let wrong = FieldError::at("/lines", "invalid_field", "expected 1 to 200 lines");
        return Err(ApiError::BadBody(vec![wrong]));
    }
    let found = goods::of(&call.app.catalogue(), lines, &mut Basis::default()).await?;
    let mut wrong = Vec::new();
    for (place, (line, found)) in lines.iter().zip(&found).enumerate() {
        if line.quantity > QUANTITY_MAX {
            let at = format!("{}/quantity", pointer(place));
            wrong.push(FieldError::at(at, "invalid_field", "expected 0 to 100000"));
        }
        if found.is_none() && line.quantity > 0 {
            let at = format!("{}/id", pointer(place));
            wrong.push(FieldError::at(at, "unknown_item", "there is no such thing"));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(ApiError::BadBody(wrong))
    }
}

/// Changes the cart of whoever asks, and shows it.
async fn changed(
    call: &Call,
    change: impl Fn(&mut Cart) -> Result<(), ApiError>,
) -> Result<Reply, ApiError> {
    let (_, customer) = asker(call)?;
    let at = call.app.clock.now();
    let new = || Cart::empty(customer);
    let cart = call.app.database.change_or_add(new, at, change).await?;
    shown(call, &cart).await
}

async fn shown(call: &Call, cart: &Cart) -> Result<Reply, ApiError> {
    let found = goods::of(&call.app.catalogue(), &cart.lines, &mut Basis::default()).await?;
    let lines: Vec<_> = cart.lines.iter().zip(&found).map(line_view).collect();
    let is_whole = !lines.is_empty() && lines.iter().all(|line| line.refused.is_none());
    let (mut quote, mut refused) = (None, None);
    if is_whole {
        match quoted(call, cart).await {
            Ok(view) => quote = Some(view),
            Err(ApiError::Refused { detail, .. }) => refused = Some(detail),
            Err(error) => return Err(error),
        }
    }
    let view = CartView {
        lines,
        coupon: cart.coupon.clone(),
        quote,
        refused,
    };
    Reply::fresh(StatusCode::OK, &view)
}

fn line_view((line, found): (&WantedLine, &Option<Goods>)) -> CartLineView {
    let priced = match found {
        Some(found) => quote::quoted(0, line, found).map_err(|why| match why {
            quote::QuoteRefused::NotForSale { name, .. } => format!("{name} is not for sale"),
            quote::QuoteRefused::Quantity {
                name, least, most, ..
            } => format!("{name} is sold in {least} to {most}"),
            other => other.to_string(),
        }),
        None => Err("there is no such thing any more".to_owned()),
    };
    CartLineView {
        kind: line.key.kind,
        id: line.key.id.clone(),
        quantity: line.quantity,
        priced: priced.as_ref().ok().map(QuotedLineView::from),
        refused: priced.err(),
    }
}

async fn quoted(call: &Call, cart: &Cart) -> Result<QuoteView, ApiError> {
    let shop = call.app.shop_settings().await?.ok_or(ApiError::NotFound)?;
    let wish = Wish {
        coupon: cart.coupon.as_deref(),
        to: None,
    };
    let catalogue = call.app.catalogue();
    let priced = quotes::price(&call.app, catalogue, &shop, &cart.lines, wish).await?;
    let until = quotes::valid_until(&shop, priced.coupon.as_ref(), call.app.clock.now());
    Ok(QuoteView::of(&priced.quote, until))
}

pub(super) async fn show(call: Call) -> Result<Reply, ApiError> {
    let (_, customer) = asker(&call)?;
    let found = call.app.database.get::<Cart>(customer).await?;
    let cart = found.map_or_else(|| Cart::empty(customer), |found| found.value);
    shown(&call, &cart).await
}

pub(super) async fn clear(call: Call) -> Result<Reply, ApiError> {
    changed(&call, |cart| {
        *cart = Cart::empty(&cart.customer_id);
        Ok(())
    })
    .await
}

pub(super) async fn set_line(call: Call) -> Result<Reply, ApiError> {
    let QuantityView { quantity } = body::json(&call)?;
    let key = key_of(&call)?;
    let line = WantedLine { key, quantity };
    check(&call, std::slice::from_ref(&line), |_| String::new()).await?;
    changed(&call, |cart| Ok(cart.set(&line.key, quantity)?)).await
}

pub(super) async fn remove_line(call: Call) -> Result<Reply, ApiError> {
    let key = key_of(&call)?;
    changed(&call, |cart| Ok(cart.set(&key, 0)?)).await
}

async fn lines_of(call: &Call) -> Result<Vec<WantedLine>, ApiError> {
    let wanted: LinesView = body::json(call)?;
    let lines: Vec<_> = wanted.lines.into_iter().map(WantedLine::from).collect();
    check(call, &lines, |place| format!("/lines/{place}")).await?;
    Ok(lines)
}

pub(super) async fn set_lines(call: Call) -> Result<Reply, ApiError> {
    let lines = lines_of(&call).await?;
    changed(&call, |cart| {
        for line in &lines {
            cart.set(&line.key, line.quantity)?;
        }
        Ok(())
    })
    .await
}

pub(super) async fn merge(call: Call) -> Result<Reply, ApiError> {
    let lines = lines_of(&call).await?;
    changed(&call, |cart| Ok(cart.merge(&lines)?)).await
}

pub(super) async fn set_coupon(call: Call) -> Result<Reply, ApiError> {
    let given: CouponGiven = body::json(&call)?;
    // Whether it exists is told by the quote, in the same words as for one that is over.
    let code = Coupon::code_of(&given.code).ok_or_else(|| {
        let detail = "expected 3 to 30 of A–Z, 0–9 and -";
        ApiError::BadBody(vec![FieldError::at("/code", "invalid_field", detail)])
    })?;
    changed(&call, |cart| {
        cart.coupon = Some(code.clone());
        Ok(())
    })
    .await
}

pub(super) async fn remove_coupon(call: Call) -> Result<Reply, ApiError> {
    changed(&call, |cart| {
        cart.coupon = None;
        Ok(())
    })
    .await
}

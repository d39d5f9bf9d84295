//! `POST /api/cart/quote`: what a list would cost.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body;
use super::error::{ApiError, FieldError};
use super::orders;
use super::response::Reply;
use super::routes::Call;
use super::views::{Money, time};
use crate::app::App;
use crate::commerce::basis::{Basis, Ground};
use crate::commerce::contact;
use crate::commerce::coupons::{Coupon, CouponRefused};
use crate::commerce::enquiries::Place;
use crate::commerce::goods;
use crate::commerce::known::Catalogue;
use crate::commerce::lines::{LineKey, LineKind, WantedLine};
use crate::commerce::quote::{self, Quote, QuoteRefused, QuotedLine, Terms};
use crate::commerce::shop::ShopSettings;
use crate::commerce::zones::Destination;

/// What is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WantedList {
    /// 1 to 200 of them, each thing once.
    pub lines: Vec<WantedView>,
    /// A coupon's code.
    #[serde(default)]
    pub coupon: Option<String>,
    /// Where it goes; without it, delivery is not known.
    #[serde(default)]
    pub destination: Option<DestinationView>,
}

/// Where it goes, as far as delivery is concerned.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationView {
    /// State.
    pub state: String,
    /// Six digits.
    pub pincode: String,
}

impl DestinationView {
    /// The place in its one spelling, or everything that is wrong with it.
    pub(super) fn checked(&self) -> Result<Place, ApiError> {
        let checked = contact::destination(&self.state, &self.pincode);
        let place = checked.map(|(state, pincode)| Place { state, pincode });
        place.map_err(|wrong| ApiError::Refused {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: "invalid_field",
            detail: "The destination is wrong.".to_owned(),
            fields: orders::wrong("/destination", Some(&wrong)),
        })
    }
}

/// How many of a thing are wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WantedView {
    /// What kind of thing.
    pub kind: LineKind,
    /// Its id.
    pub id: String,
    /// How many of it.
    pub quantity: u32,
}

impl From<WantedView> for WantedLine {
    fn from(view: WantedView) -> Self {
        Self {
            key: LineKey {
                kind: view.kind,
                id: view.id,
            },
            quantity: view.quantity,
        }
    }
}

/// A priced list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct QuoteView {
    /// In the order they were asked for.
    pub lines: Vec<QuotedLineView>,
    /// The lines' sum.
    pub goods: Money,
    /// How much less than at MRP.
    pub saved: Money,
    /// The coupon's code; null without one.
    pub coupon: Option<String>,
    /// What it takes off.
    pub discount: Money,
    /// For packing.
    pub packing: Money,
    /// For delivery; null while it is not known where to.
    pub delivery: Option<Money>,
    /// What makes the total a whole rupee.
    pub rounding: Money,
    /// What is paid.
    pub total: Money,
    /// The least that goods of an order may be worth.
    pub minimum_order: Money,
    /// Whether these are worth that.
    pub meets_minimum: bool,
    /// Until then nothing that is known now makes it another: RFC 3339, UTC. An order says which total it expects, and is
    /// refused when the shop changed a price in between.
    pub valid_until: String,
}

/// A line with its price.
#[derive(Debug, Serialize, JsonSchema)]
pub struct QuotedLineView {
    /// What kind of thing.
    pub kind: LineKind,
    /// Its id.
    pub id: String,
    /// Article number.
    pub sku: String,
    /// Name.
    pub name: String,
    /// Price of one.
    pub price: Money,
    /// How many.
    pub quantity: u32,
    /// Both multiplied.
    pub total: Money,
}

impl From<&QuotedLine> for QuotedLineView {
    fn from(line: &QuotedLine) -> Self {
        Self {
            kind: line.key.kind,
            id: line.key.id.clone(),
            sku: line.sku.clone(),
            name: line.name.clone(),
            price: line.price.into(),
            quantity: line.quantity,
            total: line.total.into(),
        }
    }
}

/// How long a quote is good for at most.
const GOOD_FOR: SignedDuration = SignedDuration::from_mins(15);

/// What else a list is priced by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish<'a> {
    /// The coupon as the customer wrote it.
    pub coupon: Option<&'a str>,
    /// Where it goes, when that is known.
    pub to: Option<Destination<'a>>,
}

pub(super) async fn quote(call: Call) -> Result<Reply, ApiError> {
    let wanted: WantedList = body::json(&call)?;
    let lines: Vec<_> = wanted.lines.into_iter().map(WantedLine::from).collect();
    let place = wanted.destination.map(|to| to.checked()).transpose()?;
    let to = place.as_ref().map(Place::destination);
    let coupon = wanted.coupon.as_deref();
    let shop = call.app.shop_settings().await?.ok_or(ApiError::NotFound)?;
    let wish = Wish { coupon, to };
    let priced = price(&call.app, call.app.catalogue(), &shop, &lines, wish).await?;
    let until = valid_until(&shop, priced.coupon.as_ref(), call.app.clock.now());
    Reply::fresh(StatusCode::OK, &QuoteView::of(&priced.quote, until))
}

/// The first moment at which something that is known now ends, at most [`GOOD_FOR`] from now.
pub(super) fn valid_until(
    shop: &ShopSettings,
    coupon: Option<&Coupon>,
    at: Timestamp,
) -> Timestamp {
    let ends = [shop.closes_at, coupon.and_then(|coupon| coupon.ends_at)];
    let ends = ends.into_iter().flatten().filter(|end| at < *end);
    ends.fold(at + GOOD_FOR, Timestamp::min)
}

impl QuoteView {
    /// A quote as customers see it.
    pub(super) fn of(quote: &Quote, valid_until: Timestamp) -> Self {
        Self {
            lines: quote.lines.iter().map(QuotedLineView::from).collect(),
            goods: quote.goods.into(),
            saved: quote.saved.into(),
            coupon: quote.coupon.as_ref().map(|coupon| coupon.code.clone()),
            discount: quote.discount().into(),
            packing: quote.packing.into(),
            delivery: quote.delivery.map(Money::from),
            rounding: quote.rounding.into(),
            total: quote.total.into(),
            minimum_order: quote.minimum.into(),
            meets_minimum: quote.meets_minimum(),
            valid_until: time(valid_until),
        }
    }
}

/// A list with its price.
pub(super) struct Priced {
    /// What it costs.
    pub quote: Quote,
    /// The coupon that was used.
    pub coupon: Option<Coupon>,
    /// What this was made from.
    pub basis: Basis,
}

/// Prices a list by what shop, catalogue and coupons say.
pub(super) async fn price(
    app: &App,
    catalogue: Catalogue<'_>,
    shop: &ShopSettings,
    lines: &[WantedLine],
    wish: Wish<'_>,
) -> Result<Priced, ApiError> {
    if lines.len() > crate::commerce::lines::LINES_MAX {
        return Err(refused(&QuoteRefused::TooLong));
    }
    let mut basis = Basis::default();
    basis.note(Ground::Shop, shop.version);
    let coupon = match wish.coupon {
        Some(text) => Some(coupon(app, text, &mut basis).await?),
        None => None,
    };
    let goods = goods::of(&catalogue, lines, &mut basis).await?;
    let terms = Terms {
        shop,
        coupon: coupon.as_ref(),
        to: wish.to,
        at: app.clock.now(),
    };
    let quote = quote::quote(&terms, lines, &goods).map_err(|error| refused(&error))?;
    Ok(Priced {
        quote,
        coupon,
        basis,
    })
}

async fn coupon(app: &App, text: &str, basis: &mut Basis) -> Result<Coupon, ApiError> {
    let found = match Coupon::code_of(text) {
        Some(code) => app.database.get::<Coupon>(&code).await?,
        None => None,
    };
    let found = found.ok_or_else(|| refused(&QuoteRefused::Coupon(CouponRefused::NotValid)))?;
    basis.note(Ground::Coupon(found.value.code.clone()), found.version);
    Ok(found.value)
}

pub(super) fn refused(error: &QuoteRefused) -> ApiError {
    let (pointer, code) = match error {
        QuoteRefused::Empty => ("/lines".to_owned(), "empty_list"),
        QuoteRefused::TooLong => ("/lines".to_owned(), "list_too_long"),
        QuoteRefused::TooLarge => ("/lines".to_owned(), "amount_too_large"),
        QuoteRefused::Coupon(CouponRefused::NotValid) => ("/coupon".to_owned(), "coupon_not_valid"),
        QuoteRefused::Coupon(CouponRefused::GoodsTooLow(_)) => {
            ("/coupon".to_owned(), "coupon_needs_more_goods")
        }
        QuoteRefused::NotServed(_) => ("/destination".to_owned(), "not_served"),
        QuoteRefused::Repeated { line } => (format!("/lines/{line}"), "repeated_line"),
        QuoteRefused::Unknown { line } => (format!("/lines/{line}/id"), "unknown_item"),
        QuoteRefused::NotForSale { line, .. } => (format!("/lines/{line}"), "not_for_sale"),
        QuoteRefused::Quantity { line, .. } => {
            (format!("/lines/{line}/quantity"), "quantity_out_of_range")
        }
    };
    ApiError::Refused {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code,
        detail: error.to_string(),
        fields: vec![FieldError::at(pointer, code, error.to_string())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commerce::coupons::Discount;
    use crate::commerce::money::Paise;
    use crate::commerce::seed;

    #[test]
    fn a_quote_holds_until_the_first_thing_that_is_known_to_end() {
        let at = Timestamp::UNIX_EPOCH;
        let minutes = |count| at + SignedDuration::from_mins(count);
        // When the shop closes, when the coupon ends, and until when the quote holds.
        for (closes, ends, until) in [
            (None, None, 15),
            (Some(60), Some(60), 15),
            (Some(10), None, 10),
            (None, Some(5), 5),
            (Some(10), Some(5), 5),
            (Some(3), Some(5), 3),
            // What is over already makes no difference any more.
            (Some(0), Some(-1), 15),
        ] {
            let shop = ShopSettings {
                closes_at: closes.map(minutes),
                ..seed::shop_settings()
            };
            let coupon = Coupon {
                code: "DIWALI".to_owned(),
                discount: Discount::Amount {
                    amount_paise: Paise(100),
                },
                minimum_goods: Paise(0),
                starts_at: None,
                ends_at: ends.map(minutes),
                is_counted: false,
                active: true,
            };
            let coupon = ends.map(|_| &coupon);
            let holds = valid_until(&shop, coupon, at);
            assert_eq!(holds, minutes(until), "{closes:?} {ends:?}");
        }
    }
}

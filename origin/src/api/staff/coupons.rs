//! Coupons, as staff make and change them. One that was made stays: it is switched off, since orders name it.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expected_version;
use crate::api::body;
use crate::api::error::{ApiError, FieldError};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::{Money, time};
use crate::commerce::coupons::{Coupon, Discount};
use crate::commerce::money::Paise;
use crate::commerce::product_rules::PRICE_MAX;
use crate::commerce::records::{Stored, Writes};
use crate::commerce::stock::{StockAdjustment, coupon_stock};

/// The most uses of a coupon.
const USES_MAX: i64 = 1_000_000;

/// What a coupon is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CouponTerms {
    /// What it takes off.
    pub discount: Discount,
    /// The least that goods must be worth, in paise.
    #[serde(default)]
    pub minimum_goods_paise: i64,
    /// Not before: RFC 3339.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub starts_at: Option<Timestamp>,
    /// Not from then on: RFC 3339.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub ends_at: Option<Timestamp>,
    /// Switched off, it is refused like one that does not exist.
    pub active: bool,
}

/// A new coupon.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCoupon {
    /// 3 to 30 of A–Z, 0–9 and `-`, in any case.
    pub code: String,
    /// How often it can be used; null for without end.
    #[serde(default)]
    pub uses: Option<i64>,
    /// What it is.
    pub terms: CouponTerms,
}

/// More or fewer uses of a counted coupon.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoreUses {
    /// Uses to add, or to take where negative.
    pub by: i64,
}

/// A coupon.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CouponView {
    /// What customers type.
    pub code: String,
    /// What it takes off.
    pub discount: Discount,
    /// The least that goods must be worth.
    pub minimum_goods: Money,
    /// Not before: RFC 3339, UTC.
    pub starts_at: Option<String>,
    /// Not from then on: RFC 3339, UTC.
    pub ends_at: Option<String>,
    /// Whether it can be used.
    pub active: bool,
    /// How often it can still be used; null for without end.
    pub uses_left: Option<i64>,
}

/// A page of coupons.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CouponPage {
    /// In descending order of code.
    pub items: Vec<CouponView>,
    /// Cursor of the next page.
    pub next_cursor: Option<String>,
}

impl CouponTerms {
    /// The coupon, or everything that is wrong with it under `at`.
    fn coupon(self, code: String, is_counted: bool, at: &str) -> Result<Coupon, ApiError> {
        let mut wrong = Vec::new();
        let mut expect = |is_good: bool, field: &str, detail: &str| {
            if !is_good {
                let pointer = format!("{at}/{field}");
                wrong.push(FieldError::at(pointer, "invalid_field", detail));
            }
        };
        let is_amount = |paise: i64| (1..=PRICE_MAX).contains(&paise);
        match self.discount {
            Discount::Amount { amount_paise } => {
                expect(
                    is_amount(amount_paise.0),
                    "discount/amount/amount_paise",
                    "expected 1 to 1000000000",
                );
            }
            Discount::Percent {
                percent,
                most_paise,
            } => {
                expect(
                    (1..=100).contains(&percent),
                    "discount/percent/percent",
                    "expected 1 to 100",
                );
                expect(
                    most_paise.is_none_or(|most| is_amount(most.0)),
                    "discount/percent/most_paise",
                    "expected 1 to 1000000000",
                );
            }
        }
        expect(
            (0..=PRICE_MAX).contains(&self.minimum_goods_paise),
            "minimum_goods_paise",
            "expected 0 to 1000000000",
        );
        let is_ordered = match (self.starts_at, self.ends_at) {
            (Some(starts), Some(ends)) => starts < ends,
            _ => true,
        };
        expect(is_ordered, "ends_at", "must be after starts_at");
        if !wrong.is_empty() {
            return Err(ApiError::BadBody(wrong));
        }
        Ok(Coupon {
            code,
            discount: self.discount,
            minimum_goods: Paise(self.minimum_goods_paise),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            is_counted,
            active: self.active,
        })
    }
}

async fn required(call: &Call) -> Result<Stored<Coupon>, ApiError> {
    let code = Coupon::code_of(&call.segment).ok_or(ApiError::NotFound)?;
    let found = call.app.database.get::<Coupon>(&code).await?;
    found.ok_or(ApiError::NotFound)
}

/// Coupons with what is left of them; the counted ones are asked for all at once.
async fn views(call: &Call, coupons: &[&Coupon]) -> Result<Vec<CouponView>, ApiError> {
    let counted = coupons.iter().filter(|coupon| coupon.is_counted);
    let ids: Vec<_> = counted.map(|coupon| coupon_stock(&coupon.code)).collect();
    let stocks = call.app.database.stocks(&ids).await?;
    let left: BTreeMap<_, _> = stocks
        .iter()
        .map(|stock| (stock.product_id.as_str(), stock.available))
        .collect();
    let views = coupons.iter().map(|coupon| {
        let available = left.get(coupon_stock(&coupon.code).as_str()).copied();
        view(coupon, coupon.is_counted.then(|| available.unwrap_or(0)))
    });
    Ok(views.collect())
}

fn view(coupon: &Coupon, uses_left: Option<i64>) -> CouponView {
    CouponView {
        code: coupon.code.clone(),
        discount: coupon.discount,
        minimum_goods: coupon.minimum_goods.into(),
        starts_at: coupon.starts_at.map(time),
        ends_at: coupon.ends_at.map(time),
        active: coupon.active,
        uses_left,
    }
}

async fn shown(
    call: &Call,
    status: StatusCode,
    stored: &Stored<Coupon>,
) -> Result<Reply, ApiError> {
    let views = views(call, &[&stored.value]).await?;
    let view = views.into_iter().next().ok_or(ApiError::NotFound)?;
    let mut reply = Reply::fresh(status, &view)?;
    reply.etag = Some(format!("\"{}\"", stored.version));
    Ok(reply)
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let (before, limit) = call.page();
    let mut found = call
        .app
        .database
        .list::<Coupon>("all", before, limit + 1)
        .await?;
    let next_cursor = crate::api::next_cursor(&mut found, limit, |one| one.value.code.clone());
    let coupons: Vec<_> = found.iter().map(|one| &one.value).collect();
    let items = views(&call, &coupons).await?;
    Reply::fresh(StatusCode::OK, &CouponPage { items, next_cursor })
}

pub(in crate::api) async fn create(call: Call) -> Result<Reply, ApiError> {
    let new: NewCoupon = body::json(&call)?;
    let field = |pointer: &str, detail: &str| {
        ApiError::BadBody(vec![FieldError::at(pointer, "invalid_field", detail)])
    };
    let code = Coupon::code_of(&new.code)
        .ok_or_else(|| field("/code", "expected 3 to 30 of A–Z, 0–9 and -"))?;
    if new.uses.is_some_and(|uses| !(1..=USES_MAX).contains(&uses)) {
        return Err(field("/uses", "expected 1 to 1000000"));
    }
    let coupon = new.terms.coupon(code, new.uses.is_some(), "/terms")?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let taken = database.get::<Coupon>(&coupon.code).await?;
    if let (Some(uses), None) = (new.uses, taken) {
        // Before the coupon itself: nobody can use what does not exist, whenever this breaks off.
        let stock = coupon_stock(&coupon.code);
        database.create_stock(&stock, uses, at).await?;
        let all = StockAdjustment::To(uses);
        database
            .adjust_stock(&stock, all, "uses of a new coupon", at)
            .await?;
    }
    let writes = Writes::default().with(&coupon)?;
    database.write_records(&writes, at).await?;
    let stored = Stored {
        version: 1,
        value: coupon,
    };
    shown(&call, StatusCode::CREATED, &stored).await
}

pub(in crate::api) async fn show(call: Call) -> Result<Reply, ApiError> {
    let stored = required(&call).await?;
    shown(&call, StatusCode::OK, &stored).await
}

pub(in crate::api) async fn replace(call: Call) -> Result<Reply, ApiError> {
    let terms: CouponTerms = body::json(&call)?;
    let expected = expected_version(&call)?;
    let before = required(&call).await?;
    let mut stored = Stored {
        version: expected,
        value: terms.coupon(before.value.code, before.value.is_counted, "")?,
    };
    let writes = Writes::default().replace(&stored)?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    database.write_records(&writes, at).await?;
    stored.version += 1;
    shown(&call, StatusCode::OK, &stored).await
}

pub(in crate::api) async fn more_uses(call: Call) -> Result<Reply, ApiError> {
    let more: MoreUses = body::json(&call)?;
    let stored = required(&call).await?;
    if more.by == 0 || !(-USES_MAX..=USES_MAX).contains(&more.by) {
        let wrong = FieldError::at("/by", "invalid_field", "expected ±1 to ±1000000");
        return Err(ApiError::BadBody(vec![wrong]));
    }
    if !stored.value.is_counted {
        return Err(ApiError::Refused {
            status: StatusCode::CONFLICT,
            code: "not_counted",
            detail: "This coupon can be used without end.".to_owned(),
            fields: Vec::new(),
        });
    }
    let (_, member) = super::asker(&call)?;
    let reason = format!("more uses ({})", member.email);
    let (database, at) = (&call.app.database, call.app.clock.now());
    let stock = coupon_stock(&stored.value.code);
    let by = StockAdjustment::By(more.by);
    database.adjust_stock(&stock, by, &reason, at).await?;
    shown(&call, StatusCode::OK, &stored).await
}

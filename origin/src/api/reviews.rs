//! What buyers think of a product, and what one thinks oneself.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::{asker, wrong_field};
use super::body;
use super::error::ApiError;
use super::response::Reply;
use super::routes::Call;
use super::views::{Page, time};
use crate::commerce::accounts::Customer;
use crate::commerce::changes::product_tag;
use crate::commerce::products::Product;
use crate::commerce::reviews::{self, Review, ReviewState, Written};

/// A page of reviews.
pub type ReviewPage = Page<ReviewView>;

/// A review as everybody sees it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReviewView {
    /// Its id.
    pub id: String,
    /// First name of a buyer.
    pub by: String,
    /// 1 to 5 stars.
    pub rating: u8,
    /// Plain text.
    pub text: String,
    /// When it was written: RFC 3339, UTC.
    pub written_at: String,
}

/// One's own review.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OwnReviewView {
    /// As everybody sees it once it is approved.
    #[serde(flatten)]
    pub review: ReviewView,
    /// Where it stands.
    pub state: ReviewState,
    /// Why it was rejected; null where it was not.
    pub reason: Option<String>,
}

/// What one thinks of a product.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewRequest {
    /// 1 to 5 stars.
    pub rating: u8,
    /// 3 to 2000 characters.
    pub text: String,
}

impl From<&Review> for ReviewView {
    fn from(review: &Review) -> Self {
        Self {
            id: review.id.clone(),
            by: review.by.clone(),
            rating: review.stars,
            text: review.text.clone(),
            written_at: time(review.written_at),
        }
    }
}

impl From<&Review> for OwnReviewView {
    fn from(review: &Review) -> Self {
        Self {
            review: ReviewView::from(review),
            state: review.state,
            reason: review.reason.clone(),
        }
    }
}

async fn product(call: &Call) -> Result<Product, ApiError> {
    let found = call.app.database.product_by_id_or_slug(&call.segment);
    found.await?.ok_or(ApiError::NotFound)
}

pub(super) async fn list(call: Call) -> Result<Reply, ApiError> {
    let app = &call.app;
    let make = async {
        let product = product(&call).await?;
        let (before, limit) = call.page();
        let key = Review::of_product(&product.id);
        let mut found = app.database.list::<Review>(&key, before, limit + 1).await?;
        let next_cursor = super::next_cursor(&mut found, limit, |one| one.value.id.clone());
        let items = found.iter().map(|one| ReviewView::from(&one.value));
        let page = ReviewPage {
            items: items.collect(),
            next_cursor,
            total: None,
        };
        Reply::public(&page, vec![product_tag(&product.id)])
    };
    let key = format!(
        "reviews\u{1f}{}\u{1f}{}",
        call.segment,
        call.query.canonical()
    );
    app.answers.get(key, &app.metrics, make).await
}

pub(super) async fn own(call: Call) -> Result<Reply, ApiError> {
    let (_, customer_id) = asker(&call)?;
    let product = product(&call).await?;
    let key = Review::of_buyer(&product.id, customer_id);
    let found = call.app.database.get_by::<Review>(&key).await?;
    let review = found.ok_or(ApiError::NotFound)?.value;
    Reply::fresh(StatusCode::OK, &OwnReviewView::from(&review))
}

pub(super) async fn write(call: Call) -> Result<Reply, ApiError> {
    let request: ReviewRequest = body::json(&call)?;
    if !(1..=5).contains(&request.rating) {
        return Err(wrong_field("/rating", "expected 1 to 5"));
    }
    let text = reviews::text(&request.text);
    let text = text.ok_or_else(|| wrong_field("/text", "expected 3 to 2000 characters"))?;
    let (_, customer_id) = asker(&call)?;
    let (database, at) = (&call.app.database, call.app.clock.now());
    let product = product(&call).await?;
    let customer = database.get::<Customer>(customer_id).await?;
    let customer = customer.ok_or(ApiError::NotLoggedIn)?.value;
    if !reviews::has_received(database, customer_id, &product.id).await? {
        return Err(ApiError::Refused {
            status: StatusCode::FORBIDDEN,
            code: "not_received",
            detail: "Only who has received this product can review it.".to_owned(),
            fields: Vec::new(),
        });
    }
    let written = Written {
        by: reviews::shown_name(&customer),
        stars: request.rating,
        text,
    };
    let (review, is_first) =
        reviews::write(database, &product.id, customer_id, &written, at).await?;
    let status = if is_first {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Reply::fresh(status, &OwnReviewView::from(&review))
}

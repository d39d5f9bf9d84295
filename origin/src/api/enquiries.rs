//! `POST /api/enquiries`: from a list to a numbered estimate, once.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body;
use super::error::{ApiError, FieldError};
use super::orders::{self, ContactView, conflict};
use super::quotes::{self, DestinationView, QuotedLineView, WantedView};
use super::response::{Reply, etag_of};
use super::routes::Call;
use super::views::{Money, time};
use crate::commerce::contact::Contact;
use crate::commerce::enquiries::{
    self, Enquiry, EnquiryEvent, EnquiryState, Place, Sent, may_enquire,
};
use crate::commerce::lines::WantedLine;
use crate::commerce::{ids, messages};

/// What an estimate is asked for with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnquiryRequest {
    /// 1 to 200 of them, each thing once.
    pub lines: Vec<WantedView>,
    /// Who asks.
    pub contact: ContactView,
    /// Where it would go; without it, delivery is not known.
    #[serde(default)]
    pub destination: Option<DestinationView>,
    /// A coupon's code; none of its uses is taken.
    #[serde(default)]
    pub coupon: Option<String>,
    /// Anything else, at most 1000 characters.
    #[serde(default)]
    pub message: String,
    /// That whoever asks is at least 18 years old; must be true.
    pub is_adult: bool,
}

/// An estimate, without who asked for it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EnquiryView {
    /// For people, for example EN000042.
    pub number: String,
    /// Lets whoever has it see the estimate.
    pub token: String,
    /// Where it stands.
    pub state: EnquiryState,
    /// What is wanted.
    pub lines: Vec<QuotedLineView>,
    /// The lines' sum.
    pub goods: Money,
    /// What a coupon takes off.
    pub discount: Money,
    /// For packing.
    pub packing: Money,
    /// For delivery; null while it is not known where to.
    pub delivery: Option<Money>,
    /// What makes the total a whole rupee.
    pub rounding: Money,
    /// What would be paid.
    pub total: Money,
    /// When it was sent: RFC 3339, UTC.
    pub sent_at: String,
}

impl From<&Enquiry> for EnquiryView {
    fn from(enquiry: &Enquiry) -> Self {
        let quote = &enquiry.quote;
        Self {
            number: enquiry.number_text(),
            token: enquiry.token.clone(),
            state: enquiry.state,
            lines: quote.lines.iter().map(QuotedLineView::from).collect(),
            goods: quote.goods.into(),
            discount: quote.discount().into(),
            packing: quote.packing.into(),
            delivery: quote.delivery.map(Money::from),
            rounding: quote.rounding.into(),
            total: quote.total.into(),
            sent_at: time(enquiry.at),
        }
    }
}

/// Who asks and what they say, or everything that is wrong with it.
fn checked(request: &EnquiryRequest) -> Result<(Contact, String), ApiError> {
    let contact = Contact {
        name: request.contact.name.clone(),
        phone: request.contact.phone.clone(),
        email: request.contact.email.clone(),
    };
    let contact = contact.checked();
    let message = messages::text(&request.message, 0, 1000);
    let mut fields = Vec::new();
    if !request.is_adult {
        let detail = "must be true: fireworks are sold to adults only";
        fields.push(FieldError::at("/is_adult", "adults_only", detail));
    }
    fields.extend(orders::wrong("/contact", contact.as_ref().err()));
    if message.is_none() {
        let detail = "expected at most 1000 characters";
        fields.push(FieldError::at("/message", "invalid_field", detail));
    }
    match (contact, message) {
        (Ok(contact), Some(message)) if fields.is_empty() => Ok((contact, message)),
        _ => Err(ApiError::Refused {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: fields.first().map_or("invalid_field", |field| field.code),
            detail: "Some fields are wrong.".to_owned(),
            fields,
        }),
    }
}

pub(super) async fn send(call: Call) -> Result<Reply, ApiError> {
    let key = orders::idempotency_key(&call)?;
    let body_hash = etag_of(&call.body);
    let database = &call.app.database;
    // What was sent stays sent, whatever shop and catalogue say now.
    let before = enquiries::sent_before(database, &key, &body_hash).await?;
    let sent = match before {
        Some(sent) => sent,
        None => new(&call, key, body_hash).await?,
    };
    match sent {
        Sent::Enquiry(enquiry) => Reply::fresh(StatusCode::OK, &EnquiryView::from(&*enquiry)),
        Sent::OtherBody => Err(orders::other_body()),
    }
}

/// The enquiry that a request asks for, checked against shop and catalogue as they are now, and written.
async fn new(call: &Call, idempotency_key: String, body_hash: String) -> Result<Sent, ApiError> {
    let (app, at) = (&call.app, call.app.clock.now());
    let request: EnquiryRequest = body::json(call)?;
    let (contact, message) = checked(&request)?;
    let place = request.destination.map(|to| to.checked()).transpose()?;
    let lines: Vec<_> = request.lines.into_iter().map(WantedLine::from).collect();
    // Read now, not from memory: who may ask is decided by what staff said last.
    let shop = app.database.shop_settings().await?;
    let shop = shop.ok_or(ApiError::NotFound)?;
    may_enquire(&shop, at).map_err(|why| conflict("no_enquiries", why.to_string()))?;
    let wish = quotes::Wish {
        coupon: request.coupon.as_deref(),
        to: place.as_ref().map(Place::destination),
    };
    let priced = quotes::price(app, app.catalogue(), &shop, &lines, wish).await?;
    let quote = priced.quote;
    if !quote.meets_minimum() {
        return Err(orders::below_minimum(quote.minimum));
    }
    let enquiry = Enquiry {
        id: ids::in_order_of_time(at),
        number: 0,
        token: ids::unguessable(),
        idempotency_key,
        body_hash,
        contact,
        place,
        message,
        quote,
        state: EnquiryState::New,
        history: vec![EnquiryEvent {
            state: EnquiryState::New,
            at,
            by: "customer".to_owned(),
            note: String::new(),
        }],
        at,
    };
    Ok(enquiries::send(&app.database, enquiry, &shop).await?)
}

/// The enquiry of the path's token.
pub(super) async fn of_token(call: &Call) -> Result<Enquiry, ApiError> {
    let key = Enquiry::of_token(&call.segment);
    let found = call.app.database.get_by::<Enquiry>(&key).await?;
    Ok(found.ok_or(ApiError::NotFound)?.value)
}

pub(super) async fn show(call: Call) -> Result<Reply, ApiError> {
    let enquiry = of_token(&call).await?;
    Reply::fresh(StatusCode::OK, &EnquiryView::from(&enquiry))
}

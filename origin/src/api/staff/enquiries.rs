//! Enquiries, as staff see and take them on.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{asker, expected_version};
use crate::api::auth::wrong_field;
use crate::api::body;
use crate::api::enquiries::EnquiryView;
use crate::api::error::{ApiError, FieldError, Place};
use crate::api::orders::conflict;
use crate::api::parameters::{CURSOR, Kind, LIMIT, Parameter};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::time;
use crate::commerce::enquiries::{self, Enquiry, EnquiryEvent, EnquiryState, Search};
use crate::commerce::records::Stored;
use crate::database::DatabaseError;

/// What the list of enquiries takes.
pub(in crate::api) const LIST: &[Parameter] = &[
    Parameter {
        name: "state",
        kind: Kind::Choice(&["new", "contacted", "converted", "closed"]),
        description: "Only those in this state; q goes before it",
    },
    Parameter {
        name: "q",
        kind: Kind::Text(254),
        description: "An enquiry's number, or the phone or mail address it was sent with",
    },
    CURSOR,
    LIMIT,
];

/// Enquiries.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffEnquiryPage {
    /// The newest first.
    pub items: Vec<StaffEnquiryView>,
    /// What `cursor` the next page has; null on the last one.
    pub next_cursor: Option<String>,
}

/// All that there is to an enquiry.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StaffEnquiryView {
    /// Its id.
    pub id: String,
    /// As whoever asked sees it.
    #[serde(flatten)]
    pub enquiry: EnquiryView,
    /// Name.
    pub name: String,
    /// Ten digits.
    pub phone: String,
    /// Mail address.
    pub email: String,
    /// State that it would go to; null where that was not told.
    pub destination_state: Option<String>,
    /// Pincode that it would go to; null where that was not told.
    pub destination_pincode: Option<String>,
    /// What else they say.
    pub message: String,
    /// Every state it was in, the first one first.
    pub history: Vec<EnquiryStepView>,
    /// What `If-Match` names.
    pub version: i64,
}

/// One step of an enquiry.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EnquiryStepView {
    /// The state it came into.
    pub state: EnquiryState,
    /// When: RFC 3339, UTC.
    pub at: String,
    /// Who did it.
    pub by: String,
    /// For staff.
    pub note: String,
}

/// What is done to an enquiry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnquiryStep {
    /// The state that it goes to.
    pub state: EnquiryState,
    /// For staff, at most 500 characters.
    #[serde(default)]
    pub note: String,
}

impl From<&Stored<Enquiry>> for StaffEnquiryView {
    fn from(stored: &Stored<Enquiry>) -> Self {
        let enquiry = &stored.value;
        let place = enquiry.place.as_ref();
        let steps = enquiry.history.iter().map(|event| EnquiryStepView {
            state: event.state,
            at: time(event.at),
            by: event.by.clone(),
            note: event.note.clone(),
        });
        Self {
            id: enquiry.id.clone(),
            enquiry: EnquiryView::from(enquiry),
            name: enquiry.contact.name.clone(),
            phone: enquiry.contact.phone.clone(),
            email: enquiry.contact.email.clone(),
            destination_state: place.map(|place| place.state.clone()),
            destination_pincode: place.map(|place| place.pincode.clone()),
            message: enquiry.message.clone(),
            history: steps.collect(),
            version: stored.version,
        }
    }
}

fn shown(stored: &Stored<Enquiry>) -> Result<Reply, ApiError> {
    let mut reply = Reply::fresh(StatusCode::OK, &StaffEnquiryView::from(stored))?;
    reply.etag = Some(format!("\"{}\"", stored.version));
    Ok(reply)
}

async fn required(call: &Call) -> Result<Stored<Enquiry>, ApiError> {
    let found = call.app.database.get::<Enquiry>(&call.segment).await?;
    found.ok_or(ApiError::NotFound)
}

pub(in crate::api) async fn list(call: Call) -> Result<Reply, ApiError> {
    let database = &call.app.database;
    let (before, limit) = call.page();
    let search = match call.query.text("q") {
        Some(text) => Enquiry::searched(text).ok_or_else(|| {
            ApiError::BadParameters(vec![FieldError {
                place: Place::Parameter("q".to_owned()),
                detail: "expected an enquiry's number, a phone or a mail address".to_owned(),
                code: "invalid_parameter",
            }])
        })?,
        None => Search::Several(call.query.text("state").unwrap_or("all").to_owned()),
    };
    let mut found = match search {
        Search::One(key) => {
            let found = database.get_by::<Enquiry>(&key).await?;
            found.into_iter().collect()
        }
        Search::Several(key) => database.list::<Enquiry>(&key, before, limit + 1).await?,
    };
    let next_cursor = crate::api::next_cursor(&mut found, limit, |one| one.value.id.clone());
    let items = found.iter().map(StaffEnquiryView::from).collect();
    Reply::fresh(StatusCode::OK, &StaffEnquiryPage { items, next_cursor })
}

pub(in crate::api) async fn show(call: Call) -> Result<Reply, ApiError> {
    shown(&required(&call).await?)
}

pub(in crate::api) async fn step(call: Call) -> Result<Reply, ApiError> {
    let request: EnquiryStep = body::json(&call)?;
    let expected = expected_version(&call)?;
    let note = request.note.trim();
    if note.chars().count() > 500 || note.chars().any(char::is_control) {
        return Err(wrong_field("/note", "expected at most 500 characters"));
    }
    let (_, member) = asker(&call)?;
    let mut stored = required(&call).await?;
    if stored.version != expected {
        let actual = stored.version;
        return Err(DatabaseError::VersionConflict { expected, actual }.into());
    }
    let at = call.app.clock.now();
    let event = EnquiryEvent {
        state: request.state,
        at,
        by: member.email.clone(),
        note: note.to_owned(),
    };
    let stepped = stored.value.stepped(event);
    stepped.map_err(|why| conflict("no_such_step", why.to_string()))?;
    enquiries::put(&call.app.database, &stored, at).await?;
    stored.version += 1;
    shown(&stored)
}

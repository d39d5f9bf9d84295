//! Enquiries: where the shop sells by enquiry, a visitor gets a numbered estimate, and the shop confirms offline. Nothing is
//! sold and no stock is held by one.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contact::{self, Contact};
use super::mail::Mail;
use super::money::rupees;
use super::quote::Quote;
use super::records::{Kept, Stored, Writes};
use super::shop::{SalesMode, ShopSettings};
use super::zones::Destination;
use crate::database::{Answer, Database, DatabaseError};

/// The sequence that numbers come from.
const SEQUENCE: &str = "enquiries";
/// Lines of goods that are written out in a mail.
const LINES_IN_MAIL_MAX: usize = 50;

/// Where an enquiry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnquiryState {
    /// Nobody has looked at it.
    New,
    /// The shop has talked to whoever asked.
    Contacted,
    /// It became a sale.
    Converted,
    /// It became none.
    Closed,
}

impl EnquiryState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::New, Self::Contacted, Self::Converted, Self::Closed];

    /// The states that may follow.
    pub fn followers(self) -> &'static [Self] {
        match self {
            Self::New => &[Self::Contacted, Self::Closed],
            Self::Contacted => &[Self::Converted, Self::Closed],
            Self::Converted | Self::Closed => &[],
        }
    }

    /// Its word in queries and keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Contacted => "contacted",
            Self::Converted => "converted",
            Self::Closed => "closed",
        }
    }

    /// The state from its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// Where it would go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Place {
    /// State.
    pub state: String,
    /// Six digits.
    pub pincode: String,
}

impl Place {
    /// As zones see it.
    pub fn destination(&self) -> Destination<'_> {
        Destination {
            state: &self.state,
            pincode: &self.pincode,
        }
    }
}

/// One step of an enquiry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct EnquiryEvent {
    /// The state it came into.
    pub state: EnquiryState,
    /// When.
    pub at: Timestamp,
    /// Who did it: `customer` or a member of staff.
    pub by: String,
    /// For staff.
    pub note: String,
}

/// An enquiry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Enquiry {
    /// Begins with the time.
    pub id: String,
    /// From a sequence without doubles; for people. A number is left out where an enquiry was not written after all.
    pub number: i64,
    /// What lets a stranger see it; unguessable.
    pub token: String,
    /// The client's key: the same key never makes a second one.
    pub idempotency_key: String,
    /// Of the request's body: the same key with another body is a mistake.
    pub body_hash: String,
    /// Who asks.
    pub contact: Contact,
    /// Where it would go, where that was told.
    pub place: Option<Place>,
    /// What else they say; plain text.
    pub message: String,
    /// What it would cost, as it was then.
    pub quote: Quote,
    /// Where it stands.
    pub state: EnquiryState,
    /// Every state it was in, the first one first.
    pub history: Vec<EnquiryEvent>,
    /// When it was sent.
    pub at: Timestamp,
}

impl Kept for Enquiry {
    const KIND: &'static str = "enquiry";

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<String> {
        vec![
            "all".to_owned(),
            self.state.as_str().to_owned(),
            format!("phone:{}", self.contact.phone),
            format!("email:{}", self.contact.email),
        ]
    }

    fn unique_keys(&self) -> Vec<String> {
        vec![
            Self::of_key(&self.idempotency_key),
            Self::of_token(&self.token),
            format!("number:{}", self.number),
        ]
    }
}

/// That state does not follow this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an enquiry that is {} cannot become {}", from.as_str(), to.as_str())]
pub struct NoSuchStep {
    from: EnquiryState,
    to: EnquiryState,
}

/// Why the shop takes no enquiries now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEnquiries {
    /// It takes orders.
    #[error("the shop takes orders: there is no need to ask")]
    TakesOrders,
    /// It is closed, or the season has not begun or is over.
    #[error("the shop is closed now")]
    Closed,
}

/// Whether the shop takes enquiries at a time.
///
/// # Errors
/// Why not.
pub fn may_enquire(shop: &ShopSettings, at: Timestamp) -> Result<(), NoEnquiries> {
    let in_season = shop.opens_at.is_none_or(|opens| opens <= at)
        && shop.closes_at.is_none_or(|closes| at < closes);
    match shop.mode {
        SalesMode::Order => Err(NoEnquiries::TakesOrders),
        SalesMode::Enquiry if in_season => Ok(()),
        SalesMode::Enquiry | SalesMode::Closed => Err(NoEnquiries::Closed),
    }
}

/// What came of sending one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is written, now or by the same request before.
    Enquiry(Box<Enquiry>),
    /// The key was used with another body.
    OtherBody,
}

impl Enquiry {
    /// The key that the client's own key is found by.
    pub fn of_key(idempotency_key: &str) -> String {
        format!("key:{idempotency_key}")
    }

    /// The key that a token is found by.
    pub fn of_token(token: &str) -> String {
        format!("token:{token}")
    }

    /// The number as people write it.
    pub fn number_text(&self) -> String {
        format!("EN{:06}", self.number)
    }

    /// What enquiries are listed by, for what staff type: a phone number or a mail address; or the key of the one with this
    /// number.
    pub fn searched(text: &str) -> Option<Search> {
        let phone = contact::phone(text).map(|phone| format!("phone:{phone}"));
        let key = phone.or_else(|| contact::email(text).map(|email| format!("email:{email}")));
        if let Some(key) = key {
            return Some(Search::Several(key));
        }
        let text = text.trim().to_ascii_uppercase();
        let digits = text.strip_prefix("EN").unwrap_or(&text);
        let number: i64 = digits.parse().ok().filter(|number| *number > 0)?;
        Some(Search::One(format!("number:{number}")))
    }

    /// One step on.
    ///
    /// # Errors
    /// [`NoSuchStep`] when that state does not follow.
    pub fn stepped(&mut self, event: EnquiryEvent) -> Result<(), NoSuchStep> {
        let (from, to) = (self.state, event.state);
        if !from.followers().contains(&to) {
            return Err(NoSuchStep { from, to });
        }
        self.state = to;
        self.history.push(event);
        Ok(())
    }

    /// The mails that go with a new one: the estimate to whoever asked, and word of it to the shop.
    fn mails(&self, shop: &ShopSettings) -> [Mail; 2] {
        let (number, total) = (self.number_text(), rupees(self.quote.total.0));
        let goods = self.quote.lines.iter().take(LINES_IN_MAIL_MAX);
        let goods = goods.map(|line| {
            let total = rupees(line.total.0);
            format!("{} × {} ({}): {total}", line.quantity, line.name, line.sku)
        });
        let mut goods: Vec<_> = goods.collect();
        if let Some(more) = self.quote.lines.len().checked_sub(LINES_IN_MAIL_MAX + 1) {
            goods.push(format!("and {} more", more + 1));
        }
        let delivery = match self.quote.delivery {
            Some(delivery) => rupees(delivery.0),
            None => "not known yet".to_owned(),
        };
        goods.push(format!(
            "Packing {}, delivery {delivery}. Altogether {total}.",
            rupees(self.quote.packing.0)
        ));
        let mut to_customer = vec![
            format!("Dear {},", self.contact.name),
            format!("This is your estimate {number} from {}:", shop.name),
        ];
        to_customer.extend(goods.iter().cloned());
        to_customer
            .push("Nothing is sold or held by it. We get in touch with you to confirm.".to_owned());
        let place = self.place.as_ref().map_or_else(String::new, |place| {
            format!(", {} {}", place.state, place.pincode)
        });
        let contact = &self.contact;
        let mut to_shop = vec![format!(
            "{} <{}>, phone {}{place}",
            contact.name, contact.email, contact.phone
        )];
        let said = self.message.lines().filter(|line| !line.trim().is_empty());
        to_shop.extend(said.map(str::to_owned));
        to_shop.extend(goods);
        let for_customer = Mail::new(
            &contact.email,
            &format!("{number}: your estimate"),
            &to_customer,
            self.at,
        );
        let subject = format!("{number}: an enquiry over {total}");
        let for_shop = Mail::new(&shop.email, &subject, &to_shop, self.at);
        [
            for_customer.answered_to(&shop.email),
            for_shop.answered_to(&contact.email),
        ]
    }
}

/// How enquiries are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// By a key that several have.
    Several(String),
    /// By a key that only one has.
    One(String),
}

/// What the key of a request has sent before, if anything.
///
/// # Errors
/// What the database fails with.
pub async fn sent_before(
    database: &Database,
    idempotency_key: &str,
    body_hash: &str,
) -> Answer<Option<Sent>> {
    let known = database
        .get_by::<Enquiry>(&Enquiry::of_key(idempotency_key))
        .await?;
    Ok(known.map(|known| {
        if known.value.body_hash == body_hash {
            Sent::Enquiry(Box::new(known.value))
        } else {
            Sent::OtherBody
        }
    }))
}

/// Numbers an enquiry and writes it with its mails; the same key writes nothing twice.
///
/// # Errors
/// What the database fails with.
pub async fn send(database: &Database, mut enquiry: Enquiry, shop: &ShopSettings) -> Answer<Sent> {
    enquiry.number = database.next_number(SEQUENCE).await?;
    let mut writes = Writes::default()
        .with(&enquiry)?
        .change("enquiry", &enquiry.id, Vec::new());
    for mail in enquiry.mails(shop) {
        writes = writes.with(&mail)?;
    }
    match database.write_records(&writes, enquiry.at).await {
        Err(DatabaseError::AlreadyExists(what)) => {
            let key = &enquiry.idempotency_key;
            let before = sent_before(database, key, &enquiry.body_hash).await?;
            before.ok_or(DatabaseError::AlreadyExists(what))
        }
        done => done.map(|()| Sent::Enquiry(Box::new(enquiry))),
    }
}

/// Takes an enquiry of this version one step on.
///
/// # Errors
/// [`DatabaseError::VersionConflict`] where somebody else has changed it, or what the database fails with.
pub async fn put(database: &Database, enquiry: &Stored<Enquiry>, at: Timestamp) -> Answer<()> {
    let writes = Writes::default().replace(enquiry)?;
    let writes = writes.change("enquiry", &enquiry.value.id, Vec::new());
    database.write_records(&writes, at).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_graph_is_new_contacted_and_then_one_of_two_ends() {
        let all = EnquiryState::ALL.into_iter();
        let steps: Vec<_> = all
            .flat_map(|from| from.followers().iter().map(move |to| (from, *to)))
            .map(|(from, to)| format!("{} → {}", from.as_str(), to.as_str()))
            .collect();
        assert_eq!(
            steps,
            [
                "new → contacted",
                "new → closed",
                "contacted → converted",
                "contacted → closed"
            ]
        );
        for state in EnquiryState::ALL {
            assert_eq!(EnquiryState::parse(state.as_str()), Some(state));
        }
    }

    #[test]
    fn staff_find_by_number_phone_and_mail() {
        let one = Some(Search::One("number:42".to_owned()));
        assert_eq!(Enquiry::searched(" en000042 "), one);
        assert_eq!(Enquiry::searched("42"), one);
        let phone = Some(Search::Several("phone:9876543210".to_owned()));
        assert_eq!(Enquiry::searched("+91 98765 43210"), phone);
        assert_eq!(Enquiry::searched("what?"), None);
    }
}

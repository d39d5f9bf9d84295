//! Customers and how they log in: with a code that is mailed to them, and a session after that.

use crackers_shared::session_cookie::{Keys, SessionCookie};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::ids;
use super::mail::Mail;
use super::mailed_code::{self, PLACE};
use super::records::{Kept, Stored, Writes};
use super::staff::AddressTries;
use crate::database::{Answer, Database, DatabaseError};

/// How long a code is good for.
const CODE_LASTS: SignedDuration = SignedDuration::from_mins(10);
/// Wrong codes after which a code is good no more.
const CODE_TRIES: u8 = 5;
/// Codes for one address in [`CODES_WINDOW`].
const CODES_MAX: u8 = 5;
/// In which [`CODES_MAX`] are counted.
const CODES_WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// How long a customer stays logged in.
const CUSTOMER_SESSION_LASTS: SignedDuration = SignedDuration::from_hours(24 * 30);
/// How long a member of staff stays logged in.
const STAFF_SESSION_LASTS: SignedDuration = SignedDuration::from_hours(12);

/// Somebody with an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Customer {
    /// Unguessable.
    pub id: String,
    /// In lower case; what they log in with.
    pub email: String,
    /// Name; empty until they tell.
    pub name: String,
    /// Ten digits; empty until they tell.
    pub phone: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Whether the shop lets them in no more.
    #[serde(default)]
    pub blocked: bool,
}

impl Kept for Customer {
    const KIND: &'static str = "customer";

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<String> {
        let phone = Some(&self.phone).filter(|phone| !phone.is_empty());
        let phone = phone.map(|phone| format!("phone:{phone}"));
        std::iter::once("all".to_owned()).chain(phone).collect()
    }

    fn unique_keys(&self) -> Vec<String> {
        vec![format!("email:{}", self.email)]
    }
}

/// The code that was mailed to an address, as a keyed hash.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Code {
    email: String,
    hash: String,
    expires_at: Timestamp,
    tries_left: u8,
    sent: u8,
    window_ends: Timestamp,
}

impl Kept for Code {
    const KIND: &'static str = "code";

    fn id(&self) -> &str {
        &self.email
    }

    fn due_at(&self) -> Option<Timestamp> {
        Some(self.window_ends.max(self.expires_at))
    }
}

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The customer with this id.
    Customer(String),
    /// The member of staff with this id.
    Staff(String),
}

impl Subject {
    /// What all sessions of one account are listed by.
    pub fn key(&self) -> String {
        match self {
            Self::Customer(id) => format!("customer:{id}"),
            Self::Staff(id) => format!("staff:{id}"),
        }
    }
}

/// A log-in that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Session {
    /// Unguessable, and begins with the time.
    pub id: String,
    /// Whose it is.
    pub subject: Subject,
    /// When it began.
    pub created_at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
}

impl Kept for Session {
    const KIND: &'static str = "session";

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<String> {
        vec![self.subject.key()]
    }

    fn due_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Session {
    /// A session that begins now.
    pub fn begun(subject: Subject, at: Timestamp) -> Self {
        let lasts = match subject {
            Subject::Customer(_) => CUSTOMER_SESSION_LASTS,
            Subject::Staff(_) => STAFF_SESSION_LASTS,
        };
        Self {
            id: ids::in_order_of_time(at),
            subject,
            created_at: at,
            expires_at: at + lasts,
        }
    }

    /// The value of its cookie.
    pub fn cookie(&self, keys: &Keys) -> String {
        let bucket = keys.hash("bucket", &self.subject.key());
        keys.sign(&SessionCookie {
            id: self.id.clone(),
            bucket: bucket.chars().take(16).collect(),
            expires: self.expires_at.as_second(),
        })
    }
}

/// Mails a code to an address, whether or not it has an account. Too many in an hour, and nothing is sent; the caller
/// is told the same. Answers until when no more are sent, once that is so.
///
/// # Errors
/// What the database fails with.
pub async fn send_code(
    database: &Database,
    keys: &Keys,
    email: &str,
    shop: &str,
    at: Timestamp,
) -> Answer<Option<Timestamp>> {
    let before = database.get::<Code>(email).await?;
    let in_window = before.as_ref().filter(|code| at < code.value.window_ends);
    let sent = in_window.map_or(0, |code| code.value.sent);
    let window_ends = in_window.map_or(at + CODES_WINDOW, |code| code.value.window_ends);
    if sent >= CODES_MAX {
        return Ok(Some(window_ends));
    }
    let seed = mailed_code::seed();
    let digits = mailed_code::digits(keys, email, &seed);
    let code = Code {
        email: email.to_owned(),
        hash: keys.hash("code", &format!("{email}:{digits}")),
        expires_at: at + CODE_LASTS,
        tries_left: CODE_TRIES,
        sent: sent + 1,
        window_ends,
    };
    let mail = Mail::new(
        email,
        &format!("{PLACE} is your code for {shop}"),
        &[
            format!("Your code for {shop} is {PLACE}. It is good for ten minutes."),
            "If you did not ask for it, nothing needs to be done.".to_owned(),
        ],
        at,
    )
    .with_code(seed);
    let writes = match before {
        None => Writes::default().with(&code)?,
        Some(mut stored) => {
            stored.value = code;
            Writes::default().replace(&stored)?
        }
    };
    match database.write_records(&writes.with(&mail)?, at).await {
        // Somebody asked for the same address at the same moment: one code is enough.
        Err(DatabaseError::VersionConflict { .. } | DatabaseError::AlreadyExists(_)) => Ok(None),
        done => done.map(|()| (sent + 1 >= CODES_MAX).then_some(window_ends)),
    }
}

/// Begins a session with a mailed code; makes the account when it is the first time. `None` when the code is wrong, too
/// old, used or guessed at too often.
///
/// # Errors
/// What the database fails with.
pub async fn log_in(
    database: &Database,
    keys: &Keys,
    email: &str,
    digits: &str,
    at: Timestamp,
) -> Answer<Option<(Customer, Session)>> {
    let Some(mut code) = database.get::<Code>(email).await? else {
        return Ok(None);
    };
    if code.value.expires_at <= at || code.value.tries_left == 0 {
        return Ok(None);
    }
    let is_right = keys.is_hash("code", &format!("{email}:{digits}"), &code.value.hash);
    // Used or guessed at, one try is gone; two at the same moment do not both get it.
    code.value.tries_left = if is_right {
        0
    } else {
        code.value.tries_left - 1
    };
    let mut writes = Writes::default().replace(&code)?;
    let found = database
        .get_by::<Customer>(&format!("email:{email}"))
        .await?;
    let customer = match found {
        Some(found) => found.value,
        None => Customer {
            id: ids::in_order_of_time(at),
            email: email.to_owned(),
            name: String::new(),
            phone: String::new(),
            created_at: at,
            blocked: false,
        },
    };
    let session = Session::begun(Subject::Customer(customer.id.clone()), at);
    let is_let_in = is_right && !customer.blocked;
    if is_let_in {
        if customer.created_at == at {
            writes = writes.with(&customer)?;
        }
        writes = writes.with(&session)?;
    }
    match database.write_records(&writes, at).await {
        Err(DatabaseError::VersionConflict { .. }) => return Ok(None),
        done => done?,
    }
    if !is_let_in {
        return Ok(None);
    }
    // Blocked in between: the session came too late to be ended with the others.
    let now = database.get::<Customer>(&customer.id).await?;
    if now.is_some_and(|now| now.value.blocked) {
        end_sessions(database, &session.subject, Ending::All, at).await?;
        return Ok(None);
    }
    Ok(Some((customer, session)))
}

/// The session of a cookie's value; `None` when it is over, ended or not ours.
///
/// # Errors
/// What the database fails with.
pub async fn session(
    database: &Database,
    keys: &Keys,
    cookie: &str,
    at: Timestamp,
) -> Answer<Option<Session>> {
    let Some(cookie) = keys.verify(cookie, at.as_second()) else {
        return Ok(None);
    };
    let found = database.get::<Session>(&cookie.id).await?;
    Ok(found
        .map(|found| found.value)
        .filter(|session| at < session.expires_at))
}

/// Which sessions of an account are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    /// The one with this id.
    One(&'a str),
    /// Every one but that with this id.
    Others(&'a str),
    /// Every one.
    All,
}

/// The sessions of an account that are to be ended.
async fn chosen(
    database: &Database,
    subject: &Subject,
    which: Ending<'_>,
) -> Answer<Vec<Stored<Session>>> {
    let mut all = database.list::<Session>(&subject.key(), None, 1000).await?;
    all.retain(|one| match which {
        Ending::One(id) => one.value.id == id,
        Ending::Others(id) => one.value.id != id,
        Ending::All => true,
    });
    Ok(all)
}

/// Their ids.
///
/// # Errors
/// What the database fails with.
pub async fn session_ids(
    database: &Database,
    subject: &Subject,
    which: Ending<'_>,
) -> Answer<Vec<String>> {
    let chosen = chosen(database, subject, which).await?;
    Ok(chosen.into_iter().map(|one| one.value.id).collect())
}

/// Ends sessions of an account. Each leaves a change, for origins that keep sessions elsewhere.
///
/// # Errors
/// What the database fails with.
pub async fn end_sessions(
    database: &Database,
    subject: &Subject,
    which: Ending<'_>,
    at: Timestamp,
) -> Answer<()> {
    for session in chosen(database, subject, which).await? {
        let writes = Writes::default().remove(&session);
        let writes = writes.change("session", &session.value.id, Vec::new());
        match database.write_records(&writes, at).await {
            // Ended already.
            Err(DatabaseError::VersionConflict { .. }) => {}
            done => done?,
        }
    }
    Ok(())
}

/// Forgets sessions, codes and tries that are over, at most `limit` of each.
///
/// # Errors
/// What the database fails with.
pub async fn forget_what_is_over(database: &Database, at: Timestamp, limit: u32) -> Answer<()> {
    let mut writes = Writes::default();
    for session in database.due::<Session>(at, limit).await? {
        writes = writes.remove(&session);
    }
    for code in database.due::<Code>(at, limit).await? {
        writes = writes.remove(&code);
    }
    for tries in database.due::<AddressTries>(at, limit).await? {
        writes = writes.remove(&tries);
    }
    match database.write_records(&writes, at).await {
        // Another origin was faster.
        Err(DatabaseError::VersionConflict { .. }) => Ok(()),
        done => done,
    }
}

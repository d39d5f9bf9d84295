//! What the shop keeps beside catalogue, stock and orders: customers, sessions, staff, coupons, mails. Each is a plain
//! struct, stored as one document with a version, found by its id and by the keys that it names itself. Both databases
//! keep all of them in the same way, so that a new kind of thing is a struct and no schema.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::changes::NewChange;
use crate::database::{Answer, Database, DatabaseError};

/// A struct that is kept as a record.
pub trait Kept: Serialize + DeserializeOwned {
    /// The word for it in both databases; never changed once released.
    const KIND: &'static str;

    /// Its id, unique among its kind. Lists are in descending order of it, so an id that begins with the time
    /// ([`super::ids::in_order_of_time`]) lists the newest first.
    fn id(&self) -> &str;

    /// Keys that it is listed by; several records may share one.
    fn keys(&self) -> Vec<String> {
        Vec::new()
    }

    /// Keys that no other record of its kind may have.
    fn unique_keys(&self) -> Vec<String> {
        Vec::new()
    }

    /// When something is to be done with it: to send it, to forget it.
    fn due_at(&self) -> Option<Timestamp> {
        None
    }
}

/// A record as the databases keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which kind.
    pub kind: String,
    /// Unique among its kind.
    pub id: String,
    /// Counts changes, from 1.
    pub version: i64,
    /// Keys that it is listed by.
    pub keys: Vec<String>,
    /// Keys that it alone has.
    pub unique_keys: Vec<String>,
    /// When something is to be done with it.
    pub due_at: Option<Timestamp>,
    /// The struct, as JSON.
    pub document: String,
}

/// A struct as it was read, with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// Counts changes, from 1.
    pub version: i64,
    /// The struct.
    pub value: T,
}

impl<T: Kept> Stored<T> {
    fn of(record: &Record) -> Answer<Self> {
        let value = serde_json::from_str(&record.document).map_err(|error| {
            DatabaseError::Corrupt(format!("{} {}: {error}", record.kind, record.id))
        })?;
        Ok(Self {
            version: record.version,
            value,
        })
    }
}

/// One step of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Adds a record; refused ([`DatabaseError::AlreadyExists`]) where its id or a unique key is taken.
    Add(Record),
    /// Replaces a record whose version is one less; refused ([`DatabaseError::VersionConflict`]) where it is another.
    Replace(Record),
    /// Removes a record of this version; refused where it is another.
    Remove {
        /// Which kind.
        kind: String,
        /// Which one.
        id: String,
        /// The version that was read.
        version: i64,
    },
}

/// Steps that take effect together or not at all, with the changes that they leave in the sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// In this order.
    pub steps: Vec<Write>,
    /// What became stale.
    pub changes: Vec<NewChange>,
}

impl Writes {
    /// Adds a new record.
    ///
    /// # Errors
    /// [`DatabaseError::Corrupt`] for what cannot be written as JSON.
    pub fn with<T: Kept>(mut self, value: &T) -> Answer<Self> {
        self.steps.push(Write::Add(record(value, 1)?));
        Ok(self)
    }

    /// Replaces what was read.
    ///
    /// # Errors
    /// [`DatabaseError::Corrupt`] for what cannot be written as JSON.
    pub fn replace<T: Kept>(mut self, stored: &Stored<T>) -> Answer<Self> {
        let next = record(&stored.value, stored.version + 1)?;
        self.steps.push(Write::Replace(next));
        Ok(self)
    }

    /// Adds what has version 0, replaces what was read.
    ///
    /// # Errors
    /// [`DatabaseError::Corrupt`] for what cannot be written as JSON.
    pub fn put<T: Kept>(self, stored: &Stored<T>) -> Answer<Self> {
        match stored.version {
            0 => self.with(&stored.value),
            _ => self.replace(stored),
        }
    }

    /// Removes what was read.
    pub fn remove<T: Kept>(mut self, stored: &Stored<T>) -> Self {
        self.steps.push(Write::Remove {
            kind: T::KIND.to_owned(),
            id: stored.value.id().to_owned(),
            version: stored.version,
        });
        self
    }

    /// Leaves a change in the sequence.
    pub fn change(mut self, entity: &'static str, id: &str, tags: Vec<String>) -> Self {
        self.changes.push(NewChange {
            entity,
            entity_id: id.to_owned(),
            tags,
        });
        self
    }
}

fn record<T: Kept>(value: &T, version: i64) -> Answer<Record> {
    let document = serde_json::to_string(value)
        .map_err(|error| DatabaseError::Corrupt(format!("{}: {error}", T::KIND)))?;
    Ok(Record {
        kind: T::KIND.to_owned(),
        id: value.id().to_owned(),
        version,
        keys: value.keys(),
        unique_keys: value.unique_keys(),
        due_at: value.due_at(),
        document,
    })
}

/// For how long a change of a record is tried again when somebody else was faster.
const TRIED_FOR: Duration = Duration::from_secs(5);

impl Database {
    /// A kept struct by its id.
    ///
    /// # Errors
    /// [`DatabaseError`]: see its variants.
    pub async fn get<T: Kept>(&self, id: &str) -> Answer<Option<Stored<T>>> {
        let found = self.record(T::KIND, id).await?;
        found.as_ref().map(Stored::of).transpose()
    }

    /// Kept structs by their ids, at most 500, in no order; those that do not exist are left out.
    ///
    /// # Errors
    /// [`DatabaseError`]: see its variants.
    pub async fn get_all<T: Kept>(&self, ids: &[String]) -> Answer<Vec<Stored<T>>> {
        let found = self.records_by_ids(T::KIND, ids).await?;
        found.iter().map(Stored::of).collect()
    }

    /// A kept struct by a key that it alone has.
    ///
    /// # Errors
    /// [`DatabaseError`]: see its variants.
    pub async fn get_by<T: Kept>(&self, unique_key: &str) -> Answer<Option<Stored<T>>> {
        let found = self.record_by_unique_key(T::KIND, unique_key).await?;
        found.as_ref().map(Stored::of).transpose()
    }

    /// Kept structs that share a key, in descending order of id, below `before`, at most `limit`.
    ///
    /// # Errors
    /// [`DatabaseError`]: see its variants.
    pub async fn list<T: Kept>(
        &self,
        key: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Answer<Vec<Stored<T>>> {
        let found = self.records_by_key(T::KIND, key, before, limit).await?;
        found.iter().map(Stored::of).collect()
    }

    /// Kept structs that something is to be done with by now, longest due first, at most `limit`.
    ///
    /// # Errors
    /// [`DatabaseError`]: see its variants.
    pub async fn due<T: Kept>(&self, at: Timestamp, limit: u32) -> Answer<Vec<Stored<T>>> {
        let found = self.records_due(T::KIND, at, limit).await?;
        found.iter().map(Stored::of).collect()
    }

    /// Changes a kept struct, or the one that `new` makes where there is none yet.
    ///
    /// # Errors
    /// What `change` refuses with, or [`DatabaseError`] made into it.
    pub async fn change_or_add<T: Kept, E: From<DatabaseError>>(
        &self,
        new: impl Fn() -> T,
        at: Timestamp,
        change: impl Fn(&mut T) -> Result<(), E>,
    ) -> Result<T, E> {
        let mut fresh = new();
        if let Some(changed) = self.update(fresh.id(), at, &change).await? {
            return Ok(changed.value);
        }
        change(&mut fresh)?;
        match self
            .write_records(&Writes::default().with(&fresh)?, at)
            .await
        {
            Ok(()) => Ok(fresh),
            // Somebody else has just made it.
            Err(DatabaseError::AlreadyExists(_)) => {
                let changed = self.update(fresh.id(), at, &change).await?;
                Ok(changed.map_or(fresh, |changed| changed.value))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a kept struct, again from what is there when somebody else was faster. `None` when there is none.
    ///
    /// # Errors
    /// What `change` refuses with, or [`DatabaseError`] made into it.
    pub async fn update<T: Kept, E: From<DatabaseError>>(
        &self,
        id: &str,
        at: Timestamp,
        change: impl Fn(&mut T) -> Result<(), E>,
    ) -> Result<Option<Stored<T>>, E> {
        let begun = Instant::now();
        for attempt in 1_u64.. {
            let Some(mut stored) = self.get::<T>(id).await? else {
                return Ok(None);
            };
            change(&mut stored.value)?;
            let writes = Writes::default().replace(&stored)?;
            match self.write_records(&writes, at).await {
                Ok(()) => {
                    stored.version += 1;
                    return Ok(Some(stored));
                }
                Err(DatabaseError::VersionConflict { .. }) if begun.elapsed() < TRIED_FOR => {
                    // Not all at the same moment again.
                    let [dice, _] = crackers_shared::request_id::random::<2>();
                    let pause = attempt.min(10) * u64::from(dice % 8 + 1);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

//! The origins that are tried for one request, one after the other, and what is told of each. The same for whoever talks to
//! them.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use super::client::is_gateway_error;
use super::group::{Asker, Failed, Group};
use super::pauses::Pauses;
use super::upstreams::{InFlight, Pass, Place, Server};
use crate::dispatch::Permit;
use crate::dispatch::breaker::{Passed, Went};

/// See the module.
#[derive(Debug, Default)]
pub struct Attempts {
    tried: Vec<Arc<Server>>,
    last: Option<Arc<Server>>,
    /// Its place among the last origin's requests.
    pub in_flight: Option<InFlight>,
    /// What the last origin's breaker let through, until it is said how it went.
    pass: Option<Pass>,
    /// The same once the head of a good answer was there, until the rest is.
    begun: Option<Passed>,
    /// When the last origin had the whole request, in microseconds since the epoch; none while its client still sends it.
    asked: Option<i64>,
    /// Of the answer's way to the client.
    pauses: Pauses,
}

impl Attempts {
    /// The next origin to try; none when nobody is left.
    pub fn next(&mut self, group: &Group, asker: &Asker<'_>) -> Option<Place> {
        let chosen = group.choose(asker, &self.tried)?;
        self.in_flight = Some(InFlight::of(&chosen.server));
        self.tried.push(Arc::clone(&chosen.server));
        self.last = Some(chosen.server);
        self.pass = Some(chosen.pass);
        self.begun = None;
        self.asked = None;
        Some(chosen.place)
    }

    /// From now on the last origin has the whole request, and it is its turn: one is not slow because its client is.
    pub fn has_whole_request(&mut self, now: i64) {
        self.asked = Some(now);
    }

    /// When the last origin had the whole request.
    pub fn asked_at(&self) -> Option<i64> {
        self.asked
    }

    /// Whether the client still sends.
    pub fn is_client_sending(&self) -> bool {
        self.asked.is_none()
    }

    /// The origin that was tried last.
    pub fn last(&self) -> Option<&str> {
        Some(self.last.as_ref()?.address.as_str())
    }

    /// The head of its answer is there. A gateway's error is an answer, but a bad one.
    pub fn answered(
        &mut self,
        group: &Group,
        status: StatusCode,
        fields: &HeaderMap,
        permit: Option<&Permit>,
    ) {
        if let (Some(permit), Some(server)) = (permit, &self.last) {
            permit.heard(&server.address, fields);
            // How fast an origin fails says nothing of how long its work takes.
            if let Some(asked) = self.asked.filter(|_| !status.is_server_error()) {
                permit.answered(asked);
            }
        }
        let took = self.asked.map_or(0, |asked| group.now() - asked);
        let went = match is_gateway_error(status, fields) {
            true => Went::Badly,
            false => Went::Well(took),
        };
        self.report(group, went);
    }

    /// A part of its answer goes to the client.
    pub fn passes_on(&mut self) {
        self.pauses.ended();
        self.pauses.begin();
    }

    /// Its whole answer is there.
    pub fn ended(&mut self) {
        if let (Some(server), Some(_)) = (self.tried.last(), self.begun.take()) {
            server.record.succeeded();
        }
    }

    /// Whoever waits for the rest of its answer, if there is a rest to come.
    pub fn unfinished(&mut self, group: &Arc<Group>) -> Option<Unfinished> {
        Some(Unfinished {
            server: Arc::clone(self.tried.last()?),
            passed: self.begun.take()?,
            group: Arc::clone(group),
        })
    }

    /// It has not answered, or not to the end.
    pub fn failed(&mut self, group: &Group) {
        match (self.tried.last(), self.begun.take()) {
            (Some(server), Some(passed)) => group.broke_off(server, passed),
            _ => self.report(group, Went::Badly),
        }
    }

    /// Its connection was closed before all was said. Whoever had to wait for the client may have lost patience with him.
    pub fn closed(&mut self, group: &Group) {
        self.pauses.ended();
        if self.begun.is_none() || !self.pauses.were_long() {
            self.failed(group);
        }
    }

    /// Tells of the last origin what was not told yet.
    fn report(&mut self, group: &Group, went: Went) {
        if let (Some(server), Some(pass)) = (self.tried.last(), self.pass.take()) {
            self.begun = group.report(server, Some(pass), went);
        }
    }

    /// The last try does not count: an idle connection that the origin closed says nothing about the origin.
    pub fn forget_last(&mut self) {
        self.tried.pop();
        self.says_nothing();
    }

    /// What came of the last try says nothing about the origin.
    pub fn says_nothing(&mut self) {
        self.pass = None;
        self.begun = None;
    }

    /// Whether one more may be tried; takes from the budget if so.
    pub fn may_go_on(&self, group: &Group, retries_max: u32, failed: Failed) -> bool {
        group.may_retry(self.tried.len(), retries_max, failed)
    }
}

/// An answer of which the head was good and the rest is still to come. Dropped without a word, because its client has left, it
/// says nothing about its origin.
pub struct Unfinished {
    group: Arc<Group>,
    server: Arc<Server>,
    passed: Passed,
}

impl Unfinished {
    /// It is there whole.
    pub fn ended(self) {
        self.server.record.succeeded();
    }

    /// Its origin has broken it off.
    pub fn broke_off(self) {
        self.group.broke_off(&self.server, self.passed);
    }
}

#[cfg(test)]
mod tests;

//! The origins that are tried for one request, one after the other, and what is told of each. The same for whoever talks to
//! them.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use super::client::is_gateway_error;
use super::group::{Asker, Failed, Group};
use super::upstreams::{InFlight, Pass, Place, Server};
use crate::dispatch::Permit;

/// See the module.
#[derive(Debug, Default)]
pub struct Attempts {
    tried: Vec<Arc<Server>>,
    last: Option<Arc<Server>>,
    /// Its place among the last origin's requests.
    pub in_flight: Option<InFlight>,
    /// What the last origin's breaker let through, until it is said how it went.
    pass: Option<Pass>,
    /// When the last origin had the whole request, in microseconds since the epoch.
    pub asked: i64,
}

impl Attempts {
    /// The next origin to try; none when nobody is left.
    pub fn next(&mut self, group: &Group, asker: &Asker<'_>) -> Option<Place> {
        let chosen = group.choose(asker, &self.tried)?;
        self.in_flight = Some(InFlight::of(&chosen.server));
        self.tried.push(Arc::clone(&chosen.server));
        self.last = Some(chosen.server);
        self.pass = Some(chosen.pass);
        self.asked = group.now();
        Some(chosen.place)
    }

    /// The origin that was tried last.
    pub fn last(&self) -> Option<&str> {
        Some(self.last.as_ref()?.address.as_str())
    }

    /// It has answered. A gateway's error is an answer, but a bad one.
    pub fn answered(
        &mut self,
        group: &Group,
        status: StatusCode,
        fields: &HeaderMap,
        permit: Option<&Permit>,
    ) {
        if let Some(permit) = permit {
            permit.answered(fields, self.asked);
        }
        self.report(group, !is_gateway_error(status, fields));
    }

    /// It has not answered.
    pub fn failed(&mut self, group: &Group) {
        self.report(group, false);
    }

    fn report(&mut self, group: &Group, is_good: bool) {
        let pass = self.pass.take();
        if let Some(server) = self.tried.last() {
            group.report(server, pass, group.went(is_good, self.asked));
        }
    }

    /// The last try does not count: an idle connection that the origin closed says nothing about the origin.
    pub fn forget_last(&mut self) {
        self.tried.pop();
        self.pass = None;
    }

    /// Whether one more may be tried; takes from the budget if so.
    pub fn may_go_on(&self, group: &Group, retries_max: u32, failed: Failed) -> bool {
        group.may_retry(self.tried.len(), retries_max, failed)
    }
}

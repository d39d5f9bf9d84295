//! All groups of origins, and which path goes to which of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use http::HeaderName;

use crackers_shared::clock::Clock;

use super::group::{Common, Group};
use super::upstreams::Server;
use super::{GroupConfig, RouteConfig, Timeouts, health};
use crate::telemetry::Metrics;

/// All groups, and which path goes to which.
pub struct Upstreams {
    /// Every group.
    pub groups: Vec<Arc<Group>>,
    routes: Vec<(RouteConfig, Arc<Group>)>,
    /// See [`super::Config::retries_max`].
    pub retries_max: u32,
    /// See [`super::Config::distrusted_fields`].
    pub distrusted: Vec<HeaderName>,
}

impl Upstreams {
    /// The groups of a checked configuration. What is known of a server goes over from the groups before, by the names of
    /// group and server; a group of which nothing has changed goes over whole. For those before, nothing has changed until
    /// [`Upstreams::take_over`].
    pub fn new(
        config: &crate::config::Config,
        clock: &Clock,
        metrics: &Arc<Metrics>,
        before: Option<&Self>,
    ) -> Self {
        let common = Common {
            retry_budget: config.forward.retry_budget.clone(),
            breaker: config.dispatch.breaker.clone(),
            clock: clock.clone(),
            metrics: Arc::clone(metrics),
        };
        let config = &config.forward;
        let of_config = |group: &GroupConfig| {
            let known = before.and_then(|before| before.group(&group.name));
            if let Some(same) = known.filter(|known| known.is_as(group, &common)) {
                return Arc::clone(same);
            }
            let check = health::check(group, clock).ok();
            let servers = known.map_or(&[][..], |known| &known.servers);
            Arc::new(Group::new(group, check, &common, servers))
        };
        let groups: Vec<_> = config.groups.iter().map(of_config).collect();
        let of_route = |route: &RouteConfig| {
            let group = groups.iter().find(|group| group.name == route.group)?;
            Some((route.clone(), Arc::clone(group)))
        };
        let mut routes: Vec<_> = config.routes.iter().filter_map(of_route).collect();
        routes.sort_by_key(|(route, _)| std::cmp::Reverse(route.path_prefix.len()));
        Self {
            groups,
            routes,
            retries_max: config.retries_max,
            distrusted: config
                .distrusted_fields
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
        }
    }

    /// Every server of every group.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.groups.iter().flat_map(|group| &group.servers)
    }

    fn group(&self, name: &str) -> Option<&Arc<Group>> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Whether this very group is among them.
    pub fn holds(&self, group: &Arc<Group>) -> bool {
        self.groups.iter().any(|one| Arc::ptr_eq(one, group))
    }

    /// Finds out about groups that are not among those before what is known of them there: who is down stays down.
    pub async fn prepare(&self, before: &Self) {
        let prepare = async |group: &Arc<Group>| {
            group.refresh().await;
            let known = before.group(&group.name);
            if known.is_some_and(|known| known.servers.iter().any(|one| !known.is_up(one))) {
                for _ in 0..group.config.health.unhealthy_after {
                    group.check().await;
                }
            }
        };
        let new = self.groups.iter().filter(|group| !before.holds(group));
        join_all(new.map(prepare)).await;
    }

    /// From now on it is these groups that are used.
    pub fn take_over(&self) {
        for group in &self.groups {
            group.take_over();
        }
    }

    /// Looks up where every server is.
    pub async fn refresh(&self) {
        join_all(self.groups.iter().map(|group| group.refresh())).await;
    }

    /// Gives a server nothing new, or something again; false when none has this address.
    pub fn drain(&self, address: &str, is_drained: bool) -> bool {
        let named = self.servers().filter(|one| one.address == address);
        let named: Vec<&Arc<Server>> = named.collect();
        for server in &named {
            server.drained.store(is_drained, Ordering::Relaxed);
        }
        !named.is_empty()
    }

    /// Opens or closes the breakers of a server by hand; false when none has this address.
    pub fn turn_breaker(&self, address: &str, is_open: bool) -> bool {
        let mut is_known = false;
        for group in &self.groups {
            let servers = group.servers.iter();
            for server in servers.filter(|server| server.address == address) {
                group.turn_breaker(server, is_open);
                is_known = true;
            }
        }
        is_known
    }

    /// The group that gets a path, and how long each step may take; `None` only for a path without a leading slash.
    pub fn route(&self, path: &str) -> Option<(&Timeouts, &Arc<Group>)> {
        let found = self
            .routes
            .iter()
            .find(|(route, _)| path.starts_with(&route.path_prefix));
        found.map(|(route, group)| (&route.timeouts, group))
    }
}

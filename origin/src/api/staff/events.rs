//! What staff hear of: that something changed that their role may see. What it is now, their pages ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::asker;
use crate::api::error::ApiError;
use crate::api::events::{Guard, Source, event, last_seen, reply};
use crate::api::permission::{Asker, Permission};
use crate::api::response::Reply;
use crate::api::routes::Call;
use crate::api::views::time;
use crate::app::App;
use crate::commerce::changes::Change;
use crate::commerce::staff::{Right, Role};

/// Changes read at once for whoever was cut off.
const AT_ONCE: u32 = 500;
/// How often: whoever was away longer reads everything anew.
const LOOKS_MAX: u32 = 4;

/// That something changed.
#[derive(Serialize)]
struct Changed<'a> {
    entity: &'a str,
    id: &'a str,
    at: String,
}

/// The right that a change of this kind may be seen with; `None` for what is nobody's business.
fn right_to_see(entity: &str) -> Option<Right> {
    match entity {
        "order" | "enquiry" => Some(Right::Orders),
        "review" => Some(Right::Reviews),
        "product" | "stock" | "category" | "combo" | "catalogue" => Some(Right::Catalogue),
        "shop" | "page" => Some(Right::Settings),
        _ => None,
    }
}

/// The events of changes that a role may see; of several of one thing, the last.
fn written(role: Role, changes: &[Change]) -> Option<String> {
    let mut last = BTreeMap::new();
    for change in changes {
        if right_to_see(&change.entity).is_some_and(|right| role.has(right)) {
            last.insert((&change.entity, &change.entity_id), change);
        }
    }
    let mut changes: Vec<_> = last.into_values().collect();
    changes.sort_by_key(|change| change.sequence);
    let events = changes.into_iter().map(|change| {
        let changed = Changed {
            entity: &change.entity,
            id: &change.entity_id,
            at: time(change.at),
        };
        event(change.sequence, "changed", &changed)
    });
    let events: String = events.collect();
    (!events.is_empty()).then_some(events)
}

struct StaffSource {
    app: Arc<App>,
    guard: Guard,
    /// The last change that was told; `None` until one was.
    seen: Option<i64>,
}

impl StaffSource {
    /// The role as it is now: it may have become another one since the stream began.
    async fn role(&self) -> Option<Role> {
        match self.guard.asker().await? {
            Asker::Staff(_, member) => Some(member.role),
            Asker::Anybody | Asker::Customer(_) => None,
        }
    }

    /// What was written after the last change that was told; `None` where that is too much, or not kept any more.
    async fn missed(&mut self, seen: i64) -> Option<Vec<Change>> {
        let mut all: Vec<Change> = Vec::new();
        let database = &self.app.database;
        for _ in 0..LOOKS_MAX {
            let after = all.last().map_or(seen, |last| last.sequence);
            let found = database.changes_after(after, AT_ONCE).await.ok()?;
            if found
                .first()
                .is_some_and(|first| first.sequence != after + 1)
            {
                return None;
            }
            let is_all = found.len() < AT_ONCE as usize;
            all.extend(found);
            if is_all {
                let newest = database.last_sequence().await.ok()?;
                return (newest >= seen).then_some(all);
            }
        }
        None
    }

    /// That everything may be another.
    async fn anew(&mut self) -> Option<String> {
        let newest = self.app.database.last_sequence().await.ok()?;
        self.seen = Some(newest);
        Some(event(newest, "anew", &serde_json::json!({})))
    }
}

impl Source for StaffSource {
    async fn catch_up(&mut self) -> Option<String> {
        let role = self.role().await?;
        let Some(seen) = self.seen else {
            // Nothing was told yet: whoever begins to listen asks for everything then.
            return self.anew().await;
        };
        match self.missed(seen).await {
            None => self.anew().await,
            Some(changes) => {
                self.seen = changes.last().map_or(self.seen, |last| Some(last.sequence));
                written(role, &changes)
            }
        }
    }

    async fn of_changes(&mut self, changes: &[Change]) -> Option<String> {
        let role = self.role().await?;
        let seen = self.seen.unwrap_or(0);
        let new = changes.iter().position(|change| change.sequence > seen)?;
        self.seen = changes.last().map(|last| last.sequence);
        written(role, &changes[new..])
    }
}

pub(in crate::api) async fn listen(call: Call) -> Result<Reply, ApiError> {
    let (_, member) = asker(&call)?;
    let topic = format!("staff:{}", member.id);
    let source = StaffSource {
        app: Arc::clone(&call.app),
        guard: Guard::of(&call, Permission::AnyStaff),
        seen: last_seen(&call.headers),
    };
    let guard = Guard::of(&call, Permission::AnyStaff);
    reply(&call.app, topic, guard, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(sequence: i64, entity: &str, id: &str) -> Change {
        Change {
            sequence,
            at: jiff::Timestamp::UNIX_EPOCH,
            entity: entity.to_owned(),
            entity_id: id.to_owned(),
            tags: Vec::new(),
        }
    }

    #[test]
    fn a_role_hears_of_what_it_may_see_and_of_each_thing_once() {
        let changes = [
            change(1, "order", "a"),
            change(2, "product", "p"),
            change(3, "order", "a"),
            change(4, "told", "x"),
            change(5, "review", "r"),
        ];
        let ids = |role| {
            let written = written(role, &changes).unwrap_or_default();
            let ids = written.lines().filter_map(|line| line.strip_prefix("id: "));
            ids.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(ids(Role::Moderator), ["3", "5"]);
        assert_eq!(ids(Role::SuperAdmin), ["2", "3", "5"]);
        assert_eq!(written(Role::Moderator, &changes[1..2]), None);
    }
}

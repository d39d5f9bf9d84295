//! Where the shop delivers, and for how much.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::money::Paise;

/// The most zones that a shop has.
pub const ZONES_MAX: usize = 100;

/// Places that cost the same to deliver to. A shop without zones delivers everywhere, without charge.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Name for people, unique, 1 to 60 characters.
    pub name: String,
    /// States that belong to it, compared without regard to case.
    #[serde(default)]
    pub states: Vec<String>,
    /// First digits of pincodes that belong to it, 1 to 6 of them; they go before states, and longer ones before shorter.
    #[serde(default)]
    pub pincodes: Vec<String>,
    /// Whether the shop delivers there.
    pub served: bool,
    /// What delivery costs, in paise.
    #[serde(default)]
    pub delivery_paise: Paise,
    /// Goods worth this much, in paise, are delivered free.
    #[serde(default)]
    pub free_from_paise: Option<Paise>,
    /// The least that goods of an order may be worth here, in paise; null where it is the shop's own least.
    #[serde(default)]
    pub minimum_order_paise: Option<Paise>,
}

/// Where an order goes, as far as zones care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination<'a> {
    /// State.
    pub state: &'a str,
    /// Six digits.
    pub pincode: &'a str,
}

/// The shop does not deliver there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shop does not deliver there")]
pub struct NotServed;

/// The zone of a place; `None` for a shop without zones.
///
/// # Errors
/// [`NotServed`] for a place in no zone, or in one that is not served.
pub fn zone_of<'a>(zones: &'a [Zone], to: &Destination<'_>) -> Result<Option<&'a Zone>, NotServed> {
    if zones.is_empty() {
        return Ok(None);
    }
    let by_pincode = zones
        .iter()
        .filter_map(|zone| {
            let fitting = zone
                .pincodes
                .iter()
                .filter(|start| to.pincode.starts_with(*start));
            Some((fitting.map(String::len).max()?, zone))
        })
        .max_by_key(|(length, _)| *length);
    let is_here = |zone: &&Zone| {
        let mut states = zone.states.iter();
        states.any(|state| state.eq_ignore_ascii_case(to.state.trim()))
    };
    let found = by_pincode
        .map(|(_, zone)| zone)
        .or_else(|| zones.iter().find(is_here));
    found.filter(|zone| zone.served).map(Some).ok_or(NotServed)
}

impl Zone {
    /// What delivery costs for goods of this value.
    pub fn delivery_of(&self, goods: Paise) -> Paise {
        if self.free_from_paise.is_some_and(|from| goods >= from) {
            Paise(0)
        } else {
            self.delivery_paise
        }
    }
}

/// What is wrong with a shop's zones: the place of the zone, the field, what would be accepted.
pub fn wrong_zone(zones: &[Zone]) -> Option<(usize, &'static str, &'static str)> {
    let amount = |paise: &Paise| (0..=100_000_000_000).contains(&paise.0);
    let is_start = |start: &String| {
        (1..=6).contains(&start.len()) && start.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_name = |name: &String| {
        (1..=60).contains(&name.chars().count()) && !name.chars().any(char::is_control)
    };
    for (place, zone) in zones.iter().enumerate() {
        let is_again = zones[..place].iter().any(|other| other.name == zone.name);
        let wrong = if !is_name(&zone.name) || is_again {
            (
                "name",
                "expected 1 to 60 characters, and no other zone's name",
            )
        } else if !zone.pincodes.iter().all(is_start) || zone.pincodes.len() > 2000 {
            ("pincodes", "expected at most 2000 of 1 to 6 digits each")
        } else if !zone.states.iter().all(is_name) || zone.states.len() > 50 {
            ("states", "expected at most 50 names of 1 to 60 characters")
        } else if !amount(&zone.delivery_paise) {
            ("delivery_paise", "expected 0 to 100000000000")
        } else if !zone.free_from_paise.iter().all(amount) {
            ("free_from_paise", "expected 0 to 100000000000")
        } else if !zone.minimum_order_paise.iter().all(amount) {
            ("minimum_order_paise", "expected 0 to 100000000000")
        } else {
            continue;
        };
        return Some((place, wrong.0, wrong.1));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str, states: &[&str], pincodes: &[&str], served: bool) -> Zone {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Zone {
            name: name.to_owned(),
            states: owned(states),
            pincodes: owned(pincodes),
            served,
            delivery_paise: Paise(15_000),
            free_from_paise: Some(Paise(1_000_000)),
            minimum_order_paise: None,
        }
    }

    fn name_at<'a>(zones: &'a [Zone], state: &str, pincode: &str) -> Result<&'a str, NotServed> {
        zone_of(zones, &Destination { state, pincode })
            .map(|found| found.map_or("everywhere", |zone| zone.name.as_str()))
    }

    #[test]
    fn the_longest_pincode_decides_then_the_state() {
        let zones = [
            zone("south", &["Tamil Nadu", "Kerala"], &[], true),
            zone("chennai", &[], &["600"], true),
            zone("island", &[], &["6000"], false),
        ];
        assert_eq!(name_at(&zones, "tamil nadu ", "626123"), Ok("south"));
        assert_eq!(name_at(&zones, "Kerala", "600100"), Ok("chennai"));
        assert_eq!(name_at(&zones, "Tamil Nadu", "600001"), Err(NotServed));
        assert_eq!(name_at(&zones, "Delhi", "110001"), Err(NotServed));
        assert_eq!(name_at(&[], "Delhi", "110001"), Ok("everywhere"));
    }

    #[test]
    fn delivery_is_free_from_its_amount_on() {
        let zone = zone("south", &[], &[], true);
        assert_eq!(zone.delivery_of(Paise(999_999)), Paise(15_000));
        assert_eq!(zone.delivery_of(Paise(1_000_000)), Paise(0));
    }

    #[test]
    fn what_is_wrong_with_a_zone_is_named() {
        let mut zones = [zone("a", &[], &["60"], true), zone("a", &[], &[], true)];
        assert_eq!(
            wrong_zone(&zones).map(|(place, field, _)| (place, field)),
            Some((1, "name"))
        );
        zones[1].name = "b".to_owned();
        assert_eq!(wrong_zone(&zones), None);
        zones[0].pincodes.push("60a".to_owned());
        assert_eq!(
            wrong_zone(&zones).map(|(place, field, _)| (place, field)),
            Some((0, "pincodes"))
        );
    }
}

//! Who goes first: every request belongs to a class, by its method and path.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use crate::{method_names, path_pattern};

/// How many classes there are.
pub const CLASSES: usize = 4;

/// What a request is for. The order is the order in which slots are given out.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Deserialize,
    Serialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// An order is being placed or paid.
    Checkout,
    /// Carts, one's own orders, staff at work.
    Cart,
    /// Everything else.
    #[default]
    Browse,
    /// Large lists, which nobody waits for in front of a screen.
    Export,
}

impl Class {
    /// All of them, first things first.
    pub const ALL: [Self; CLASSES] = [Self::Checkout, Self::Cart, Self::Browse, Self::Export];

    /// As a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Checkout => "checkout",
            Self::Cart => "cart",
            Self::Browse => "browse",
            Self::Export => "export",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}

/// Which requests are of a class.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriorityConfig {
    /// The class.
    pub class: Class,
    /// Methods; none means all.
    pub methods: Vec<String>,
    /// Paths; `*` stands for one segment, `/**` at the end for the path before it and everything below.
    pub paths: Vec<String>,
}

impl PriorityConfig {
    /// Reports impossible values under `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        method_names::check(&self.methods, &format!("{path}.methods"), problems);
        path_pattern::check_all(&self.paths, &format!("{path}.paths"), problems);
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|known| known == method))
            && self
                .paths
                .iter()
                .any(|pattern| path_pattern::matches(pattern, path))
    }
}

/// The class of a request: that of the first entry that fits it.
pub fn class_of(priorities: &[PriorityConfig], method: &str, path: &str) -> Class {
    let found = priorities.iter().find(|one| one.fits(method, path));
    found.map_or(Class::Browse, |one| one.class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_knows_the_routes_of_the_shop() {
        let defaults: crate::config::Config =
            serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
        let class = |method, path| class_of(&defaults.dispatch.priorities, method, path);
        for (method, path, expected) in [
            ("POST", "/api/orders", Class::Checkout),
            ("POST", "/api/orders/7/payments", Class::Checkout),
            ("PUT", "/api/track/abc/payment/proof", Class::Checkout),
            ("POST", "/api/auth/otp/verify", Class::Checkout),
            ("POST", "/api/cart/quote", Class::Checkout),
            ("GET", "/api/orders/7", Class::Cart),
            ("PUT", "/api/cart/lines", Class::Cart),
            ("GET", "/api/auth/me", Class::Cart),
            ("POST", "/api/admin/orders/7/step", Class::Cart),
            ("GET", "/api/products", Class::Browse),
            ("GET", "/", Class::Browse),
            ("GET", "/api/price-list.csv", Class::Export),
            ("GET", "/sitemap.xml", Class::Export),
        ] {
            assert_eq!(class(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_pattern_with_a_star_inside_a_segment_is_refused() {
        for (pattern, is_good) in [
            ("/a/*/b", true),
            ("/a/**", true),
            ("/a*", false),
            ("/a/**/b", false),
            ("a", false),
        ] {
            let config = PriorityConfig {
                class: Class::Cart,
                methods: Vec::new(),
                paths: vec![pattern.to_owned()],
            };
            let mut problems = Problems::default();
            config.check("dispatch.priorities.0", &mut problems);
            assert_eq!(problems.entries().is_empty(), is_good, "{pattern}");
        }
    }
}

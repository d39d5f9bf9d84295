//! Who may use which methods and paths.

use std::net::IpAddr;

use http::StatusCode;
use ipnet::{IpNet, Ipv4Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crackers_shared::config_file::Problems;

use super::Visitor;
use crate::respond::Problem;
use crate::{method_names, path_pattern};

/// Requests that only some may make.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Methods; none means all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Paths; `*` stands for one segment, `/**` at the end for the path before it and everything below.
    pub paths: Vec<String>,
    /// Networks whose clients may; none means nobody.
    #[schemars(with = "Vec<String>")]
    pub only_from: Vec<IpNet>,
    /// Whether others are told that there is nothing (404), instead of that they may not (403).
    #[serde(default)]
    pub hidden: bool,
}

impl RuleConfig {
    /// Reports impossible values under `path`.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        method_names::check(&self.methods, &format!("{path}.methods"), problems);
        path_pattern::check_all(&self.paths, &format!("{path}.paths"), problems);
        check_networks(&self.only_from, &format!("{path}.only_from"), problems);
    }

    fn refuses(&self, visitor: &Visitor<'_>) -> bool {
        let is_method = |known: &String| known == visitor.method.as_str();
        (self.methods.is_empty() || self.methods.iter().any(is_method))
            && !is_among(&self.only_from, visitor.address)
            && self
                .paths
                .iter()
                .any(|pattern| path_pattern::matches_however_read(pattern, visitor.path))
    }
}

/// Reports networks under `path` that nobody is in.
pub(super) fn check_networks(networks: &[IpNet], path: &str, problems: &mut Problems) {
    for (index, network) in networks.iter().enumerate() {
        if let Some(meant) = ipv4_inside(network) {
            problems.add(
                format!("{path}.{index}"),
                format!(
                    "nobody is in {network}: addresses of IPv4 count as such, so write {meant}"
                ),
            );
        }
    }
}

/// What is meant by a network of IPv4 that is written inside IPv6 (RFC 4291 2.5.5.2): a client's address is never written so.
fn ipv4_inside(network: &IpNet) -> Option<Ipv4Net> {
    let IpNet::V6(network) = network else {
        return None;
    };
    let prefix = network.prefix_len().checked_sub(96)?;
    Ipv4Net::new(network.addr().to_ipv4_mapped()?, prefix).ok()
}

/// Whether an address is in one of these networks; whoever has none is in no network.
pub(super) fn is_among(networks: &[IpNet], address: Option<IpAddr>) -> bool {
    address.is_some_and(|ip| networks.iter().any(|network| network.contains(&ip)))
}

/// What somebody is told whom a rule keeps out.
pub(super) fn refusal(rules: &[RuleConfig], visitor: &Visitor<'_>) -> Option<Problem> {
    let rule = rules.iter().find(|rule| rule.refuses(visitor))?;
    Some(if rule.hidden {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here.")
    } else {
        let detail = "This cannot be done from here.";
        Problem::new(StatusCode::FORBIDDEN, "not_from_here", detail)
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    fn status(method: &str, path: &str, address: &str) -> Option<u16> {
        let rules: Vec<RuleConfig> = serde_json::from_value(serde_json::json!([
            { "paths": ["/api/admin/**"], "only_from": ["10.0.0.0/8"], "hidden": true },
            { "methods": ["DELETE"], "paths": ["/api/cart/**"], "only_from": [] },
        ]))
        .unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let visitor = Visitor {
            method: &method,
            path,
            address: address.parse().ok(),
            headers: &HeaderMap::new(),
        };
        refusal(&rules, &visitor).map(|problem| problem.status.as_u16())
    }

    #[test]
    fn a_network_of_ipv4_inside_ipv6_is_refused_with_what_is_meant() {
        for (network, meant) in [
            ("::ffff:203.0.113.0/120", Some("203.0.113.0/24")),
            ("::ffff:203.0.113.7/128", Some("203.0.113.7/32")),
            ("::ffff:0:0/96", Some("0.0.0.0/0")),
            ("::ffff:0:0/95", None),
            ("::/0", None),
            ("::1/128", None),
            ("2001:db8::/32", None),
            ("203.0.113.0/24", None),
        ] {
            let network: IpNet = network.parse().unwrap();
            let said = ipv4_inside(&network).map(|meant| meant.to_string());
            assert_eq!(said.as_deref(), meant, "{network}");
        }
    }

    #[test]
    fn a_rule_keeps_out_whoever_is_not_named_and_touches_nothing_else() {
        for (method, path, address, expected) in [
            ("GET", "/api/admin/orders", "10.1.2.3", None),
            ("GET", "/api/admin/orders", "203.0.113.9", Some(404)),
            ("GET", "/api/%61dmin/orders", "203.0.113.9", Some(404)),
            ("GET", "/api/admin", "none", Some(404)),
            ("GET", "/api/products", "203.0.113.9", None),
            ("DELETE", "/api/cart/items/1", "10.1.2.3", Some(403)),
            ("PUT", "/api/cart/items/1", "203.0.113.9", None),
        ] {
            assert_eq!(
                status(method, path, address),
                expected,
                "{method} {path} {address}"
            );
        }
    }
}

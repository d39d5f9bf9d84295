//! Which question an answer belongs to: host, path and the query keys that the route knows, in one order.

use super::RouteConfig;
use super::vary::Values;

/// The key of a request: scheme, host, path and query in one text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    text: String,
    /// Where in it the path begins, and where the query ends.
    path_at: usize,
    path_end: usize,
}

impl Key {
    /// The key of a path and query as the origin gets them.
    fn new(scheme: &str, host: &str, path: &str, pairs: &[&str]) -> Self {
        let query_bytes: usize = pairs.iter().map(|pair| pair.len() + 1).sum();
        let path_at = scheme.len() + "://".len() + host.len();
        let mut text = String::with_capacity(path_at + path.len() + query_bytes);
        text.push_str(scheme);
        text.push_str("://");
        text.push_str(host);
        text[scheme.len()..].make_ascii_lowercase();
        text.push_str(path);
        let mut between = '?';
        for pair in pairs {
            text.push(between);
            text.push_str(pair);
            between = '&';
        }
        let path_end = text.len();
        Self {
            text,
            path_at,
            path_end,
        }
    }

    /// The key of one of several answers to the question: which one depends on these fields of a request.
    pub fn variant(&self, values: &Values) -> Self {
        let mut text = self.text[..self.path_end].to_owned();
        for (name, value) in values {
            // No request target holds a line feed, and no field value either.
            text.push('\n');
            text.push_str(name.as_str());
            text.push(':');
            text.push_str(value);
        }
        Self { text, ..*self }
    }

    /// The key of the question, whichever of its answers this one is of.
    #[must_use]
    pub fn question(&self) -> Self {
        self.variant(&Values::new())
    }

    /// Whether it is that of one of several answers.
    pub fn is_variant(&self) -> bool {
        self.path_end < self.text.len()
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Path and query as the origin gets them.
    pub fn path_and_query(&self) -> &str {
        &self.text[self.path_at..self.path_end]
    }
}

/// The key for a path and query on a route; `None` when the query holds a key that the route does not know: such a
/// request bypasses the cache both ways.
pub fn of(
    scheme: &str,
    host: &str,
    path: &str,
    query: Option<&str>,
    route: &RouteConfig,
) -> Option<Key> {
    let mut pairs = Vec::new();
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let name = pair.split('=').next().unwrap_or_default();
        if route
            .ignored_query
            .iter()
            .any(|ignored| matches(ignored, name))
        {
            continue;
        }
        if !route.query.iter().any(|known| known == name) {
            return None;
        }
        pairs.push(pair);
    }
    // Stable, by name only: `q=a&q=b` and `q=b&q=a` are different questions.
    pairs.sort_by_key(|pair| pair.split('=').next());
    Some(Key::new(scheme, host, path, &pairs))
}

/// Whether a name is the one meant; a star at the end stands for any ending.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route() -> RouteConfig {
        RouteConfig {
            path_prefix: "/".to_owned(),
            query: ["q", "limit", "sort"].map(str::to_owned).to_vec(),
            ignored_query: ["utm_*", "gclid"].map(str::to_owned).to_vec(),
            ttl_seconds: None,
            heuristic_percent: 0,
            enabled: true,
        }
    }

    fn key(query: &str) -> Option<String> {
        of("http", "Shop.example", "/p", Some(query), &route()).map(|key| key.text().to_owned())
    }

    #[test]
    fn a_foreign_query_key_bypasses_and_a_marketing_key_is_ignored() {
        assert_eq!(key("colour=red"), None);
        assert_eq!(key("utm_source=a&q=b&gclid=c"), key("q=b"));
        assert_eq!(key("").unwrap(), "http://shop.example/p");
    }

    #[test]
    fn the_order_of_a_repeated_key_matters() {
        assert_ne!(key("q=a&q=b"), key("q=b&q=a"));
        assert_eq!(key("sort=x&q=b&q=a"), key("q=b&sort=x&q=a"));
    }

    proptest! {
        #[test]
        fn the_order_of_the_query_does_not_matter(values in prop::array::uniform3("[a-z]{0,4}"), order in Just([0, 1, 2]).prop_shuffle()) {
            let pairs: Vec<_> = ["q", "limit", "sort"].iter().zip(&values).map(|(name, value)| format!("{name}={value}")).collect();
            let shuffled = order.map(|place| pairs[place].as_str());
            prop_assert_eq!(key(&pairs.join("&")), key(&shuffled.join("&")));
        }

        #[test]
        fn different_questions_have_different_keys(one in "[a-z]{1,8}", two in "[a-z]{1,8}") {
            prop_assume!(one != two);
            prop_assert_ne!(key(&format!("q={one}")), key(&format!("q={two}")));
        }
    }
}

//! What an unsafe request that succeeded makes out of date (RFC 9111 4.4).

use http::{HeaderMap, Uri, header};

use super::{Cache, purge};

impl Cache {
    /// An unsafe request to a path has succeeded: what is stored of it is out of date (RFC 9111 4.4).
    pub fn invalidate(&self, path: &str) {
        self.purges.by_hand([purge::url_tag(path).as_str()]);
    }
}

/// The paths whose answers are out of date after a successful unsafe request: its own, and those that the answer's
/// `Location` and `Content-Location` name, where they are on the same host.
pub fn paths(host: &str, path: &str, answer: &HeaderMap) -> Vec<String> {
    let named = [header::LOCATION, header::CONTENT_LOCATION];
    let others = named
        .iter()
        .filter_map(|name| answer.get(name)?.to_str().ok()?.parse::<Uri>().ok())
        .filter(|uri| uri.path().starts_with('/') && !uri.path().starts_with("//"))
        .filter(|uri| {
            let authority = uri.authority().map(|authority| authority.as_str());
            authority.is_none_or(|authority| authority.eq_ignore_ascii_case(host))
        })
        .map(|uri| uri.path().to_owned());
    let mut paths = vec![path.to_owned()];
    paths.extend(others.filter(|other| other != path));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(name: &'static str, value: &str) -> Vec<String> {
        let mut answer = HeaderMap::new();
        answer.insert(name, value.parse().unwrap());
        paths("shop.example", "/a", &answer)
    }

    #[test]
    fn what_the_answer_names_on_the_same_host_is_out_of_date_too() {
        assert_eq!(after("location", "/b?x=1"), ["/a", "/b"]);
        assert_eq!(
            after("content-location", "http://SHOP.example/c"),
            ["/a", "/c"]
        );
        assert_eq!(after("location", "/a"), ["/a"]);
    }

    #[test]
    fn another_host_and_what_cannot_be_read_make_nothing_out_of_date() {
        for value in [
            "http://other.example/b",
            "//other.example/b",
            "http://shop.example:81/b",
            "b c",
            "mailto:a@b",
        ] {
            assert_eq!(after("location", value), ["/a"], "{value}");
        }
    }
}

//! Which coding a client gets: the richest one it takes (RFC 9110 12.5.3).

use http::{HeaderMap, header};

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Coding {
    /// Its name in `Content-Encoding`; none for identity.
    pub fn token(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }

    /// The entity tag of a body in this coding: another body, another tag.
    pub fn mark(self, etag: &str) -> String {
        match (self.token(), etag.strip_suffix('"')) {
            (Some(token), Some(open)) => format!("{open}-{token}\""),
            _ => etag.to_owned(),
        }
    }
}

/// The entity tags of a list; a comma within quotes is part of one (RFC 9110 8.8.3).
pub fn entity_tags(list: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let parts = list.split(move |one| {
        is_quoted ^= one == '"';
        one == ',' && !is_quoted
    });
    parts.map(str::trim).filter(|tag| !tag.is_empty())
}

/// An entity tag for the weak comparison (RFC 9110 8.8.3.2).
pub fn strength_aside(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// The entity tag as the origin knows it.
pub fn unmark(etag: &str) -> String {
    let bare = etag
        .strip_suffix("-gzip\"")
        .or_else(|| etag.strip_suffix("-br\""));
    bare.map_or_else(|| etag.to_owned(), |bare| format!("{bare}\""))
}

/// What a client says of each coding, between 0 and 1; `None` where it says nothing.
#[derive(Default)]
struct Accepted {
    brotli: Option<f32>,
    gzip: Option<f32>,
    identity: Option<f32>,
    any: Option<f32>,
}

/// A quality value; what is none counts as 0.
fn quality(text: &str) -> f32 {
    let parsed = text.trim().parse().ok();
    parsed.filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0)
}

/// The weight that a parameter is (RFC 9110 12.4.2); its name may be written large.
fn weight(parameter: &str) -> Option<&str> {
    let parameter = parameter.trim();
    parameter
        .strip_prefix("q=")
        .or_else(|| parameter.strip_prefix("Q="))
}

fn accepted(request: &HeaderMap) -> Accepted {
    let mut accepted = Accepted::default();
    let fields = request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    for item in fields.flat_map(|value| value.split(',')) {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let q = weight(parameters).map_or(1.0, quality);
        let is = |coding: &str| name.trim().eq_ignore_ascii_case(coding);
        let said = match () {
            () if is("br") => &mut accepted.brotli,
            () if is("gzip") || is("x-gzip") => &mut accepted.gzip,
            () if is("identity") => &mut accepted.identity,
            () if is("*") => &mut accepted.any,
            () => continue,
        };
        *said = Some(q);
    }
    accepted
}

/// The codings that a client takes, that with the highest quality value first; among equals brotli before gzip before
/// identity. Identity is acceptable unless it is named; where it is not preferred by name, any coding goes before it.
pub fn ranked(request: &HeaderMap) -> [Coding; 3] {
    let accepted = accepted(request);
    let of = |said: Option<f32>| said.or(accepted.any).unwrap_or(0.0);
    let mut ranked = [
        (Coding::Brotli, of(accepted.brotli)),
        (Coding::Gzip, of(accepted.gzip)),
        (Coding::Identity, accepted.identity.unwrap_or(0.0)),
    ];
    ranked.sort_by(|one, other| other.1.total_cmp(&one.1));
    ranked.map(|(coding, quality)| match quality > 0.0 {
        true => coding,
        false => Coding::Identity,
    })
}

/// The first of them.
pub fn best(request: &HeaderMap) -> Coding {
    ranked(request)[0]
}

/// Whether a client takes a body as it is: only a quality of 0 says that it does not.
pub fn takes_identity(request: &HeaderMap) -> bool {
    let accepted = accepted(request);
    accepted.identity.or(accepted.any) != Some(0.0)
}

/// Whether a client would rather have a page than problem details, by its `Accept`: whoever names HTML, and no JSON that it
/// likes as much. Whoever takes anything is a program.
pub fn wants_page(accept: &str) -> bool {
    let (mut page, mut details) = (0.0_f32, 0.0_f32);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let said = parts.find_map(weight);
        let said = said.map_or(1.0, quality);
        match kind.as_str() {
            "text/html" | "application/xhtml+xml" => page = page.max(said),
            "application/json" | "application/problem+json" => details = details.max(said),
            _ => {}
        }
    }
    page > details
}

/// Whether a body of this type becomes smaller by compression. Event streams stay as they are: a coding would hold
/// events back.
pub fn is_compressible(fields: &HeaderMap) -> bool {
    let value = fields
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let no_transform = fields.get_all(header::CACHE_CONTROL).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.to_ascii_lowercase().contains("no-transform"))
    });
    let is_text = kind.starts_with("text/") && kind != "text/event-stream";
    let is_texty = matches!(
        kind.as_str(),
        "application/json"
            | "application/problem+json"
            | "application/xml"
            | "application/javascript"
            | "application/manifest+json"
            | "application/ld+json"
            | "image/svg+xml"
    );
    !no_transform && (is_text || is_texty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Coding {
        let mut fields = HeaderMap::new();
        fields.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
        best(&fields)
    }

    #[test]
    fn the_richest_coding_that_is_accepted_wins() {
        assert_eq!(of("gzip, deflate, br, zstd"), Coding::Brotli);
        assert_eq!(of("gzip"), Coding::Gzip);
        assert_eq!(of("br;q=0, gzip"), Coding::Gzip);
        assert_eq!(of("br;q=0.5, gzip;q=0.9"), Coding::Gzip);
        assert_eq!(of("*"), Coding::Brotli);
        assert_eq!(of("*;q=0"), Coding::Identity);
        assert_eq!(of("identity, gzip;q=0.5"), Coding::Identity);
        assert_eq!(of(""), Coding::Identity);
        assert_eq!(of("gzip;q=nonsense"), Coding::Identity);
        assert_eq!(best(&HeaderMap::new()), Coding::Identity);
    }

    #[test]
    fn the_second_best_coding_is_known_too() {
        let ranked = |value: &'static str| {
            let value = http::HeaderValue::from_static(value);
            ranked(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]))
        };
        let (br, gzip, identity) = (Coding::Brotli, Coding::Gzip, Coding::Identity);
        assert_eq!(ranked("br, gzip"), [br, gzip, identity]);
        assert_eq!(ranked("br;q=0.1, gzip"), [gzip, br, identity]);
        assert_eq!(ranked("br, identity;q=0.5"), [br, identity, identity]);
        assert_eq!(ranked("br;q=nan, gzip;q=inf"), [identity; 3]);
    }

    #[test]
    fn people_get_pages_and_programs_problem_details() {
        for (accept, is_page) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("TEXT/HTML; charset=utf-8", true),
            ("application/json;q=0.5, text/html", true),
            ("application/json, text/html", false),
            ("application/json, text/html;q=0.9", false),
            ("application/problem+json, text/html;q=0.9", false),
            ("text/html;q=0", false),
            ("*/*", false),
            ("application/json", false),
            ("x-text/html", false),
            ("", false),
        ] {
            assert_eq!(wants_page(accept), is_page, "{accept}");
        }
    }

    #[test]
    fn a_body_as_it_is_suits_whoever_does_not_refuse_it() {
        for (value, takes) in [
            ("gzip", true),
            ("", true),
            ("gzip, identity;q=0", false),
            ("gzip, *;q=0", false),
            ("identity, *;q=0", true),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            assert_eq!(takes_identity(&fields), takes, "{value}");
        }
    }

    #[test]
    fn a_comma_in_an_entity_tag_ends_none() {
        for (list, expected) in [
            ("\"a\",W/\"b\" , *", vec!["\"a\"", "W/\"b\"", "*"]),
            ("\"a,b\", \"c\"", vec!["\"a,b\"", "\"c\""]),
            (" ,, ", vec![]),
            ("\"never, closed", vec!["\"never, closed"]),
        ] {
            let tags: Vec<_> = entity_tags(list).collect();
            assert_eq!(tags, expected, "{list}");
        }
    }

    #[test]
    fn every_coding_has_an_entity_tag_that_leads_back() {
        for coding in [Coding::Identity, Coding::Gzip, Coding::Brotli] {
            assert_eq!(unmark(&coding.mark("\"abc\"")), "\"abc\"");
        }
        assert_eq!(Coding::Brotli.mark("\"abc\""), "\"abc-br\"");
    }
}

//! One part of a stored answer (RFC 9110 14). A part is always one of the body as the origin gave it, under the origin's own
//! entity tag: the bytes of a coding are ours, and another release of the edge may make others of the same body. Requests for
//! several parts get the whole (14.2 allows it): nothing that one header field says makes an answer larger than that.

use http::{HeaderMap, header};

/// What a request asks of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// From a first byte to a last one, both included.
    Part {
        /// Of the first.
        first: usize,
        /// Of the last.
        last: usize,
    },
    /// Bytes that it does not have: 416.
    Nothing,
}

/// What a GET wants of a body of so many bytes. `If-Range` must name the strong entity tag of exactly this body; a date is
/// too weak to put parts together by, so it asks for the whole (RFC 9110 13.1.5).
pub fn wanted(request: &HeaderMap, etag: Option<&str>, length: usize) -> Wanted {
    let mut values = request.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Wanted::Whole;
    };
    let mut conditions = request.get_all(header::IF_RANGE).iter();
    let is_same = match (conditions.next(), conditions.next()) {
        (None, _) => true,
        (Some(named), None) => etag.is_some_and(|etag| named.as_bytes() == etag.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    if !is_same {
        return Wanted::Whole;
    }
    value
        .to_str()
        .ok()
        .and_then(|value| of_set(value, length))
        .unwrap_or(Wanted::Whole)
}

/// The one part that a value asks for; `None` for whatever cannot be read, other units, and several parts.
fn of_set(value: &str, length: usize) -> Option<Wanted> {
    let (unit, set) = value.split_once('=')?;
    let (first, last) = set.trim_matches([' ', '\t']).split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") || !is_digits(first) || !is_digits(last) {
        return None;
    }
    match (position(first), position(last)) {
        (None, None) => None,
        // An empty body has no last byte to begin with: its whole is all there is.
        (None, Some(_)) if length == 0 => None,
        (None, Some(0)) => Some(Wanted::Nothing),
        (None, Some(suffix)) => Some(Wanted::Part {
            first: length.saturating_sub(suffix),
            last: length - 1,
        }),
        (Some(first), Some(last)) if last < first => None,
        (Some(first), _) if first >= length => Some(Wanted::Nothing),
        (Some(first), last) => Some(Wanted::Part {
            first,
            last: last.unwrap_or(usize::MAX).min(length - 1),
        }),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number too large to hold is larger than any body.
fn position(digits: &str) -> Option<usize> {
    (!digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(range: &str, if_range: Option<&str>, length: usize) -> Wanted {
        let mut request = HeaderMap::new();
        request.insert(header::RANGE, range.parse().unwrap());
        if let Some(value) = if_range {
            request.insert(header::IF_RANGE, value.parse().unwrap());
        }
        wanted(&request, Some("\"v1\""), length)
    }

    fn part(first: usize, last: usize) -> Wanted {
        Wanted::Part { first, last }
    }

    #[test]
    fn a_part_is_named_by_its_ends_its_beginning_or_its_length_from_the_end() {
        for (range, wanted) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-5", part(2, 5)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-99", part(2, 9)),
            ("bytes=2-99999999999999999999999", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("BYTES= 0-1 ", part(0, 1)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
        ] {
            assert_eq!(of(range, None, 10), wanted, "{range}");
        }
    }

    #[test]
    fn what_cannot_be_read_and_several_parts_get_the_whole() {
        for range in [
            "bytes=5-2",
            "bytes=-",
            "bytes=",
            "bytes",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=0-0,2-2",
            "bytes=0-,0-,0-",
            "items=0-1",
            "bytes =0-1",
            "bytes=0x0-1",
            "",
        ] {
            assert_eq!(of(range, None, 10), Wanted::Whole, "{range}");
        }
        let mut twice = HeaderMap::new();
        twice.append(header::RANGE, "bytes=0-1".parse().unwrap());
        twice.append(header::RANGE, "bytes=0-1".parse().unwrap());
        assert_eq!(wanted(&twice, None, 10), Wanted::Whole);
    }

    #[test]
    fn an_empty_body_has_no_parts() {
        assert_eq!(of("bytes=0-", None, 0), Wanted::Nothing);
        assert_eq!(of("bytes=-1", None, 0), Wanted::Whole);
    }

    #[test]
    fn a_part_of_another_body_than_the_client_has_is_never_sent() {
        assert_eq!(of("bytes=0-1", Some("\"v1\""), 10), part(0, 1));
        for other in [
            "\"v2\"",
            "W/\"v1\"",
            "\"v1-gzip\"",
            "Sat, 06 Nov 2094 08:49:37 GMT",
            "*",
        ] {
            assert_eq!(of("bytes=0-1", Some(other), 10), Wanted::Whole, "{other}");
        }
        let mut request = HeaderMap::new();
        request.insert(header::RANGE, "bytes=0-1".parse().unwrap());
        request.insert(header::IF_RANGE, "\"v1\"".parse().unwrap());
        assert_eq!(wanted(&request, None, 10), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_lies_within_the_body(value in "(bytes)?[=, -]{0,3}[0-9]{0,22}-?[0-9]{0,22}[ -~]{0,5}", length in 0_usize..100) {
            match of(&value, None, length) {
                Wanted::Part { first, last } => prop_assert!(first <= last && last < length),
                Wanted::Whole | Wanted::Nothing => {}
            }
        }

        #[test]
        fn two_parts_put_together_are_the_whole(length in 2_usize..1000, cut in 1_usize..1000) {
            let cut = 1 + cut % (length - 1);
            let one = of(&format!("bytes=0-{}", cut - 1), None, length);
            let (open, suffix) = (of(&format!("bytes={cut}-"), None, length), of(&format!("bytes=-{}", length - cut), None, length));
            prop_assert_eq!(one, part(0, cut - 1));
            prop_assert_eq!(open, part(cut, length - 1));
            prop_assert_eq!(suffix, open);
        }
    }
}

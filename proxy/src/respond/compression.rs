//! Compresses answers that are not stored, as they pass.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::negotiation::{self, Coding};

/// An encoder for one answer.
pub enum Encoder {
    /// RFC 1952.
    Gzip(GzEncoder<Vec<u8>>),
    /// RFC 7932.
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Encoder {
    /// The encoder for an answer that gains from one; changes the answer's fields to say so. An answer to HEAD says the same as
    /// that to GET, and has nothing to encode; a 304 names what its client has.
    pub fn start(
        request: &Parts,
        status: StatusCode,
        fields: &mut HeaderMap,
        bytes_min: u64,
    ) -> Option<Self> {
        if status == StatusCode::NOT_MODIFIED {
            name_what_the_client_has(&request.headers, fields);
            return None;
        }
        let coding = announce(&request.headers, status, fields, bytes_min)?;
        if request.method == Method::HEAD {
            return None;
        }
        Some(match coding {
            Coding::Brotli => Self::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                4096,
                4,
                20,
            ))),
            _ => Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(5))),
        })
    }

    /// Takes in a part of the body; gives out what is ready, all of it at the end.
    pub fn push(&mut self, part: Option<&Bytes>, is_end: bool) -> Bytes {
        let part = part.map_or(&[][..], |part| part);
        // Writing to memory cannot fail.
        let made = match self {
            Self::Gzip(encoder) => {
                let _ = encoder.write_all(part);
                if is_end {
                    let _ = encoder.try_finish();
                }
                std::mem::take(encoder.get_mut())
            }
            Self::Brotli(encoder) => {
                let _ = encoder.write_all(part);
                if is_end {
                    let finished = std::mem::replace(
                        &mut **encoder,
                        brotli::CompressorWriter::new(Vec::new(), 1, 0, 10),
                    );
                    return finished.into_inner().into();
                }
                std::mem::take(encoder.get_mut())
            }
        };
        made.into()
    }
}

/// The coding that an answer gets, once its fields say so.
fn announce(
    request: &HeaderMap,
    status: StatusCode,
    fields: &mut HeaderMap,
    bytes_min: u64,
) -> Option<Coding> {
    let length = fields
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let has_body = !status.is_informational()
        && !matches!(status, StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT);
    let is_plain = !fields.contains_key(header::CONTENT_ENCODING);
    if !has_body
        || !is_plain
        || length.is_some_and(|length| length < bytes_min)
        || !negotiation::is_compressible(fields)
    {
        return None;
    }
    fields.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    let coding = negotiation::best(request);
    let token = coding.token()?;
    fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(token));
    fields.remove(header::CONTENT_LENGTH);
    fields.remove(header::ACCEPT_RANGES);
    mark(coding, fields);
    Some(coding)
}

/// Gives the entity tag of an answer the mark of a coding.
fn mark(coding: Coding, fields: &mut HeaderMap) {
    let marked = fields
        .get(header::ETAG)
        .and_then(|etag| coding.mark(etag.to_str().ok()?).parse().ok());
    if let Some(etag) = marked {
        fields.insert(header::ETAG, etag);
    }
}

/// A 304 is about what its client has: where he named the tag of a coding, that one, and with it what it depends on
/// (RFC 9110 15.4.5).
fn name_what_the_client_has(request: &HeaderMap, fields: &mut HeaderMap) {
    let Some(etag) = fields.get(header::ETAG).and_then(|etag| etag.to_str().ok()) else {
        return;
    };
    let lines = request.get_all(header::IF_NONE_MATCH).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let named: Vec<_> = lines
        .flat_map(negotiation::entity_tags)
        .map(negotiation::strength_aside)
        .collect();
    let has = |coding: &Coding| {
        let marked = coding.mark(etag);
        named.contains(&negotiation::strength_aside(&marked))
    };
    let had = [Coding::Identity, Coding::Gzip, Coding::Brotli];
    match had.into_iter().find(has) {
        None | Some(Coding::Identity) => {}
        Some(coding) => {
            mark(coding, fields);
            fields.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn request(name: header::HeaderName, value: &str) -> Parts {
        let (mut request, ()) = http::Request::new(()).into_parts();
        request.headers.insert(name, value.parse().unwrap());
        request
    }

    fn encode(accept: &str, parts: &[&str]) -> (HeaderMap, Vec<u8>) {
        let (request, mut fields) = (request(header::ACCEPT_ENCODING, accept), HeaderMap::new());
        fields.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        fields.insert(header::ETAG, HeaderValue::from_static("\"v\""));
        let mut encoder = Encoder::start(&request, StatusCode::OK, &mut fields, 0).unwrap();
        let mut made = Vec::new();
        for part in parts {
            made.extend(encoder.push(Some(&Bytes::copy_from_slice(part.as_bytes())), false));
        }
        made.extend(encoder.push(None, true));
        (fields, made)
    }

    #[test]
    fn what_is_encoded_in_parts_decodes_to_the_whole() {
        let parts = ["hello ", "hello ", "world"];
        let (fields, gzip) = encode("gzip", &parts);
        let mut text = String::new();
        flate2::read::GzDecoder::new(&gzip[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(
            (text.as_str(), &fields[header::ETAG]),
            ("hello hello world", &HeaderValue::from_static("\"v-gzip\""))
        );
        let (_, brotli) = encode("br", &parts);
        let mut text = String::new();
        brotli::Decompressor::new(&brotli[..], 4096)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "hello hello world");
    }

    #[test]
    fn event_streams_and_encoded_answers_stay_as_they_are() {
        let request = request(header::ACCEPT_ENCODING, "br");
        let start = |kind: &'static str, status: u16| {
            let mut fields = HeaderMap::new();
            fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            Encoder::start(
                &request,
                StatusCode::from_u16(status).unwrap(),
                &mut fields,
                0,
            )
            .is_some()
        };
        assert!(start("text/html", 200));
        assert!(!start("text/event-stream", 200));
        assert!(!start("image/png", 200));
        assert!(!start("text/html", 206));
        assert!(!start("text/html", 304));
    }

    #[test]
    fn head_says_what_get_says_and_304_names_what_the_client_has() {
        let html = || {
            let mut fields = HeaderMap::new();
            fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
            fields.insert(header::ETAG, HeaderValue::from_static("\"v\""));
            fields
        };
        let mut head = request(header::ACCEPT_ENCODING, "br");
        head.method = Method::HEAD;
        let mut fields = html();
        assert!(Encoder::start(&head, StatusCode::OK, &mut fields, 0).is_none());
        assert_eq!(fields[header::ETAG], "\"v-br\"");
        assert_eq!(fields[header::CONTENT_ENCODING], "br");
        for (named, tag, varies) in [
            ("\"v-br\"", "\"v-br\"", true),
            ("W/\"x\", W/\"v-gzip\"", "\"v-gzip\"", true),
            ("\"v\", \"v-br\"", "\"v\"", false),
            ("*", "\"v\"", false),
        ] {
            let request = request(header::IF_NONE_MATCH, named);
            let mut fields = html();
            let status = StatusCode::NOT_MODIFIED;
            assert!(Encoder::start(&request, status, &mut fields, 0).is_none());
            assert_eq!(fields[header::ETAG], tag, "{named}");
            assert_eq!(fields.contains_key(header::VARY), varies, "{named}");
            assert!(!fields.contains_key(header::CONTENT_ENCODING), "{named}");
        }
    }
}

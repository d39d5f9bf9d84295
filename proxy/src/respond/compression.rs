//! Compresses answers that are not stored, as they pass.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::negotiation::{self, Coding};

/// An encoder for one answer.
pub enum Encoder {
    /// RFC 1952.
    Gzip(GzEncoder<Vec<u8>>),
    /// RFC 7932.
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Encoder {
    /// The encoder for an answer that gains from one; changes the answer's fields to say so.
    pub fn start(
        request: &HeaderMap,
        status: StatusCode,
        fields: &mut HeaderMap,
        bytes_min: u64,
    ) -> Option<Self> {
        let length = fields
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let has_body = !status.is_informational()
            && !matches!(
                status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT
            );
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
        let marked = fields
            .get(header::ETAG)
            .and_then(|etag| coding.mark(etag.to_str().ok()?).parse().ok());
        if let Some(etag) = marked {
            fields.insert(header::ETAG, etag);
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn encode(accept: &str, parts: &[&str]) -> (HeaderMap, Vec<u8>) {
        let (mut request, mut fields) = (HeaderMap::new(), HeaderMap::new());
        request.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
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
        let mut request = HeaderMap::new();
        request.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br"));
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
}

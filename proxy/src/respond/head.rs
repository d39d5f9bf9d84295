//! Heads of answers as bytes, spelled as Pingora spells them.

use bytes::{BufMut as _, BytesMut};
use http::{HeaderMap, HeaderName, StatusCode, header};
use pingora::protocols::http::date::get_cached_date;

use super::Respond;
use crate::context::Context;

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It serves the next request.
    KeepAlive,
    /// It is closed.
    Close,
    /// It changes to another protocol.
    Upgrade,
}

impl Respond {
    /// Writes a whole head: the answer's own fields, what every answer carries, and what becomes of the connection.
    pub fn write_whole_head(
        &self,
        text: &mut BytesMut,
        (status, mut fields): (StatusCode, HeaderMap),
        context: &Context,
        ending: Ending,
    ) {
        write_status(text, status);
        fields.remove(header::DATE);
        fields.remove(header::CONNECTION);
        if !self.is_apart(context) {
            // An operator's own field is set for this one answer, too.
            self.finish(&mut fields, &context.fields());
            write_fields(text, &fields);
            return write_end(text, ending);
        }
        self.remove_internal(&mut fields);
        for (name, _) in &self.security {
            fields.remove(name);
        }
        context.each_field(|name, _| {
            if *name != header::VARY {
                fields.remove(name);
            }
        });
        write_fields(text, &fields);
        text.put_slice(&self.security_text);
        context.each_field(|name, value| write_field(text, name, value));
        write_end(text, ending);
    }
}

/// Writes the whole head of an interim answer.
pub fn write_interim(text: &mut BytesMut, status: StatusCode, fields: &HeaderMap) {
    write_status(text, status);
    write_fields(text, fields);
    text.put_slice(b"\r\n");
}

/// The status line.
pub(super) fn write_status(text: &mut BytesMut, status: StatusCode) {
    text.put_slice(b"HTTP/1.1 ");
    text.put_slice(status.as_str().as_bytes());
    text.put_u8(b' ');
    text.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    text.put_slice(b"\r\n");
}

fn write_fields(text: &mut BytesMut, fields: &HeaderMap) {
    for (name, value) in fields {
        write_field(text, name, value.as_bytes());
    }
}

/// The fields that Pingora would add, and the empty line.
pub fn write_end(text: &mut BytesMut, ending: Ending) {
    text.put_slice(b"Date: ");
    text.put_slice(get_cached_date().as_bytes());
    let connection: &[u8] = match ending {
        Ending::KeepAlive => b"keep-alive",
        Ending::Close => b"close",
        Ending::Upgrade => b"upgrade",
    };
    text.put_slice(b"\r\nConnection: ");
    text.put_slice(connection);
    text.put_slice(b"\r\n\r\n");
}

/// Writes one field as Pingora would.
pub fn write_field(text: &mut BytesMut, name: &HeaderName, value: &[u8]) {
    text.put_slice(spelled(name).as_bytes());
    text.put_slice(b": ");
    text.put_slice(value);
    text.put_slice(b"\r\n");
}

fn spelled(name: &HeaderName) -> &str {
    match *name {
        header::ACCEPT_RANGES => "Accept-Ranges",
        header::AGE => "Age",
        header::CACHE_CONTROL => "Cache-Control",
        header::CONTENT_ENCODING => "Content-Encoding",
        header::CONTENT_LENGTH => "Content-Length",
        header::CONTENT_TYPE => "Content-Type",
        header::SET_COOKIE => "Set-Cookie",
        header::TRANSFER_ENCODING => "Transfer-Encoding",
        ref name => name.as_str(),
    }
}

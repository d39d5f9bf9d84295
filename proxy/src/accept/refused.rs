//! Heads of HTTP/1 that are refused. No stage sees them: what every answer carries, what is counted of each request and what is
//! written of it, they get here.

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, header};

use crackers_shared::request_id;

use super::connection::Connection;
use super::head::Refusal;
use super::pace::Pace;
use crate::context::Context;
use crate::edge::Edge;
use crate::record::{self, Said};
use crate::respond::Problem;
use crate::respond::head::Ending;

/// Tells somebody that his head is refused, and why. The connection is closed, for nobody knows where his message ends.
pub(super) async fn refuse(mut connection: Connection, edge: &Edge, refusal: Refusal) {
    edge.metrics
        .heads_refused
        .with_label_values(&[refusal.reason])
        .inc();
    let context = stranger(edge, &connection);
    let head = connection.take_all();
    let said = first_line(&head);
    let problem = Problem::new(refusal.status, "malformed_request", refusal.reason);
    let (mut fields, body) = problem.render(None, &context.request_id);
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let body = if said.method == "HEAD" { "" } else { &body };
    let mut answer = BytesMut::new();
    edge.respond.write_whole_head(
        &mut answer,
        (refusal.status, fields),
        &context,
        Ending::Close,
    );
    answer.extend_from_slice(body.as_bytes());
    let mut pace = Pace::new(&edge.config.accept);
    let is_sent = connection.send_all([&answer], &mut pace).await.is_ok();
    let (status, bytes) = match is_sent {
        true => (refusal.status.as_u16(), body.len()),
        false => (0, 0),
    };
    record::record_said(edge, &said, &context, status, bytes);
    // A client that is gone needs no goodbye.
    if is_sent {
        connection.close().await;
    }
}

/// Somebody whose fields nobody believes.
fn stranger(edge: &Edge, connection: &Connection) -> Context {
    let mut context = Context::new(edge.clock.now_microseconds());
    let arrival = connection.arrival();
    context.request_id = request_id::generate();
    context.traceparent = request_id::generate_traceparent();
    context.arrival = arrival;
    context.strict_transport = edge.strict_transport.clone().filter(|_| arrival.is_tls);
    context.client = edge.admit.client(arrival.ip, &HeaderMap::new());
    context
}

/// What the first line of such a head says; nothing of what it does not say.
fn first_line(head: &[u8]) -> Said<'_> {
    let mut request = httparse::Request::new(&mut []);
    // Whatever is wrong with the fields, or with the rest of the line, is known already.
    let _ = request.parse(head);
    let path = request.path.filter(|path| path.starts_with('/'));
    let path = path.and_then(|path| path.split(['?', '#']).next());
    Said {
        method: request.method.unwrap_or_default(),
        host: "",
        path: path.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_refused_head_is_known_what_its_first_line_says() {
        for (head, method, path) in [
            (
                "GET /a?name=x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                "GET",
                "/a",
            ),
            ("GET /a HTTP/3.0\r\n\r\n", "GET", "/a"),
            ("PUT /a#b HTTP/1.1\r\nX", "PUT", "/a"),
            ("GET http://me:secret@a/ HTTP/1.1\r\n", "GET", ""),
            ("GET /half", "GET", ""),
            ("\u{16}\u{3}\u{1}", "", ""),
            ("", "", ""),
        ] {
            let said = first_line(head.as_bytes());
            assert_eq!((said.method, said.path), (method, path), "{head:?}");
        }
    }
}

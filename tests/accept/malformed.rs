//! Requests that two programs could read in two ways, replayed byte by byte: each is refused and its connection closed, or
//! seen by the origin as exactly what it is: the same method, the same target, the same body. The table is `malformed.txt`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use crackers_tests::careless_origin::CarelessOrigin;
use crackers_tests::lone_edge::{lone_edge_of, lone_edge_with, overlay};
use crackers_tests::process::PATIENCE;

const TABLE: &str = include_str!("malformed.txt");
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n\r\n";

/// One row of the table with its alternatives chosen.
struct Case {
    name: String,
    expected: Expected,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Refused(u16),
    Edge(u16),
    Origin(usize),
}

/// A request as it was sent, or as the origin saw it; its body without what frames it.
#[derive(Debug)]
struct Message {
    method: String,
    target: String,
    /// In the order of their arrival.
    hosts: Vec<String>,
    body: Bytes,
}

impl Message {
    fn of(head: &str, body: Vec<u8>) -> Self {
        let mut words = head.split([' ', '\r']);
        let mut word = || words.next().unwrap_or_default().to_owned();
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        let hosts = fields.filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        Self {
            method: word(),
            target: word(),
            hosts: hosts.map(|(_, host)| host.trim().to_owned()).collect(),
            body: Bytes::from(body),
        }
    }
}

fn cases() -> Result<Vec<Case>> {
    let rows = TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut cases = Vec::new();
    for row in rows {
        let mut parts = row.splitn(3, " | ");
        let mut part = || parts.next().with_context(|| row.to_owned());
        let (name, expected, text) = (part()?.trim(), part()?.trim(), part()?);
        let expected = match expected.split_once(' ').context("no number")? {
            ("refused", status) => Expected::Refused(status.parse()?),
            ("edge", status) => Expected::Edge(status.parse()?),
            ("origin", count) => Expected::Origin(count.trim().parse()?),
            (other, _) => bail!("{other}"),
        };
        for (number, text) in alternatives(text).into_iter().enumerate() {
            cases.push(Case {
                name: format!("{name} ({})", number + 1),
                expected,
                bytes: bytes(&text)?,
            });
        }
    }
    Ok(cases)
}

/// Every text that the braces stand for.
fn alternatives(text: &str) -> Vec<String> {
    let open = text
        .match_indices('{')
        .find(|(at, _)| !text[..*at].ends_with('\\') && text[*at..].contains('|'));
    let Some((open, _)) = open else {
        return vec![text.to_owned()];
    };
    let Some(length) = text[open..].find('}') else {
        return vec![text.to_owned()];
    };
    let close = open + length;
    let (before, after) = (&text[..open], &text[close + 1..]);
    let inside = text[open + 1..close].split('|');
    inside
        .flat_map(|one| {
            let rest = alternatives(after);
            rest.into_iter()
                .map(move |rest| format!("{before}{one}{rest}"))
        })
        .collect()
}

/// The bytes that the escapes stand for.
fn bytes(text: &str) -> Result<Vec<u8>> {
    let text = text.replace("$SMUGGLED", "\\S");
    let mut found = Vec::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter != '\\' {
            found.extend(letter.to_string().as_bytes());
            continue;
        }
        match rest.next().context("a backslash at the end")? {
            'r' => found.push(b'\r'),
            'n' => found.push(b'\n'),
            't' => found.push(b'\t'),
            '0' => found.push(0),
            'p' => found.push(b'|'),
            'S' => found.extend(SMUGGLED),
            'x' => {
                let digits: String = rest.by_ref().take(2).collect();
                found.push(u8::from_str_radix(&digits, 16)?);
            }
            itself @ ('\\' | '{') => found.extend(itself.to_string().as_bytes()),
            other => bail!("\\{other}"),
        }
    }
    Ok(found)
}

/// The first requests of what is sent, read by the book (RFC 9112).
fn messages(bytes: &[u8], count: usize) -> Result<Vec<Message>> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    while found.len() < count {
        // Empty lines before a request are an old habit of clients (RFC 9112 2.2).
        while let Some(after) = rest.strip_prefix(b"\r\n") {
            rest = after;
        }
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, after) = rest.split_at(end.context("no head")? + 4);
        let head = String::from_utf8_lossy(head);
        let (body, after) = decoded(&head, after).context("no whole body")?;
        found.push(Message::of(&head, body));
        rest = after;
    }
    Ok(found)
}

/// The body behind a head, and what follows it.
fn decoded<'a>(head: &str, bytes: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
    let field = |wanted: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        fields.find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then(|| value.trim()))
    };
    if field("transfer-encoding").is_some() {
        return unchunked(bytes);
    }
    let length: usize = field("content-length").unwrap_or("0").parse().ok()?;
    let (body, after) = bytes.split_at_checked(length)?;
    Some((body.to_vec(), after))
}

/// A body in chunks (RFC 9112 7.1), and what follows it.
fn unchunked(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut body, mut rest) = (Vec::new(), bytes);
    loop {
        let (text, after) = line(rest)?;
        let digits = text.split(|byte| *byte == b';').next()?;
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        rest = after;
        if size == 0 {
            break;
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
    // Fields may follow the last chunk.
    loop {
        let (field, after) = line(rest)?;
        rest = after;
        if field.is_empty() {
            return Some((body, rest));
        }
    }
}

/// The line that begins here, and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}

/// Whether the origin saw what was sent. Of an absolute target it gets the path alone: `Host` says the same as the rest of it.
fn is_as_sent(sent: &Message, seen: &Message) -> bool {
    let target = sent.target.as_str();
    let path = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    // A client of HTTP/1.0 may name none.
    let is_host = sent.hosts.is_empty() || seen.hosts == sent.hosts;
    seen.method == sent.method && seen.target == path && seen.body == sent.body && is_host
}

const CLOSE: &str = "Connection: close\r\n";

impl Case {
    /// The same without the word that this is the last request, which sends it another way through the edge; another request says it,
    /// which the edge answers itself.
    fn kept_open(&self) -> Option<Self> {
        let mut text = self.bytes.windows(CLOSE.len());
        let at = text.position(|part| part == CLOSE.as_bytes())?;
        let last = format!("GET /health HTTP/1.1\r\nHost: a\r\n{CLOSE}\r\n");
        let (before, after) = (&self.bytes[..at], &self.bytes[at + CLOSE.len()..]);
        // What follows the last request of a connection is none.
        let is_wanted =
            matches!(self.expected, Expected::Origin(_)) && !self.name.starts_with("after");
        is_wanted.then(|| Self {
            name: format!("{}, kept open", self.name),
            expected: self.expected,
            bytes: [before, after, last.as_bytes()].concat(),
        })
    }
}

/// Sends a case; the status of the first answer, and whether the edge has closed the connection.
fn replay(port: u16, case: &Case) -> Result<(Option<u16>, bool)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut sent = case.bytes.clone();
    let is_refused = matches!(case.expected, Expected::Refused(_));
    if is_refused {
        sent.extend(SMUGGLED);
    }
    stream.write_all(&sent)?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    let is_closed = loop {
        match stream.read(&mut part) {
            Ok(0) => break true,
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
        if !is_refused {
            // It may stay open.
            stream.set_read_timeout(Some(Duration::from_millis(700)))?;
        }
    };
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    Ok((status.and_then(|status| status.parse().ok()), is_closed))
}

/// What is wrong with how a case went, if anything is.
fn verdict(case: &Case, port: u16, origin: &CarelessOrigin) -> Result<Option<String>> {
    origin.take();
    let (status, is_closed) = replay(port, case)?;
    let mut seen = origin.take();
    if let Expected::Origin(count) = case.expected {
        // The next message may be on its way still.
        let deadline = Instant::now() + PATIENCE;
        while seen.len() < count && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
            seen.extend(origin.take());
        }
    }
    let seen: Vec<_> = seen
        .into_iter()
        .map(|(head, body)| Message::of(&head, body))
        .collect();
    let is_smuggled = seen.iter().any(|one| one.target == "/smuggled");
    let is_good = !is_smuggled
        && match case.expected {
            Expected::Refused(expected) => status == Some(expected) && is_closed && seen.is_empty(),
            Expected::Edge(expected) => status == Some(expected) && seen.is_empty(),
            Expected::Origin(count) => {
                let sent = messages(&case.bytes, count).with_context(|| case.name.clone())?;
                let mut pairs = sent.iter().zip(&seen);
                seen.len() == count && pairs.all(|(sent, seen)| is_as_sent(sent, seen))
            }
        };
    let text = String::from_utf8_lossy(&case.bytes);
    Ok((!is_good).then(|| {
        format!(
            "{}: expected {:?}, got {status:?}, closed {is_closed}, the origin saw {seen:?}\n    {text:?}",
            case.name, case.expected
        )
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_malformed_requests_are_refused_or_seen_as_exactly_what_was_sent() -> Result<()>
{
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let own = "admit: {rate_limits: []}\naccept: {head_timeout_ms: 2000, body_timeout_ms: 2000}\n";
    let edge = lone_edge_of(folder.path(), &overlay(origin.port), own)?;
    let mut cases = cases()?;
    ensure!(cases.len() > 400, "only {} cases", cases.len());
    let kept_open: Vec<_> = cases.iter().filter_map(Case::kept_open).collect();
    ensure!(kept_open.len() > 100, "only {} kept open", kept_open.len());
    cases.extend(kept_open);
    let mut wrong = Vec::new();
    for case in &cases {
        wrong.extend(verdict(case, edge.port, &origin)?);
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    // Those without a body in chunks, or a word such as Expect, went through the edge's own client.
    let mut own = 0;
    for outcome in ["opened", "reused"] {
        let line = format!("forward_connections_total{{outcome=\"{outcome}\"}}");
        own += edge.metric(&line).await?;
    }
    ensure!(own > 50, "only {own} took the short way");
    Ok(())
}

#[test]
fn a_body_that_looks_like_a_request_arrives_as_a_body_byte_for_byte() -> Result<()> {
    let (folder, origin) = (tempfile::tempdir()?, CarelessOrigin::start()?);
    let (_edge, port) = lone_edge_with(folder.path(), origin.port, "")?;
    for framing in [
        "Content-Length: 42\\r\\n\\r\\n$SMUGGLED",
        "Transfer-Encoding: chunked\\r\\n\\r\\n2a\\r\\n$SMUGGLED\\r\\n0\\r\\n\\r\\n",
    ] {
        let text = format!("POST /x HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n{framing}");
        let case = Case {
            name: framing.to_owned(),
            expected: Expected::Origin(1),
            bytes: bytes(&text)?,
        };
        for case in [case.kept_open().context("it says close")?, case] {
            assert_eq!(verdict(&case, port, &origin)?, None);
            replay(port, &case)?;
            let seen = origin.take();
            let body = &seen.last().context("nothing seen")?.1;
            assert_eq!(body, SMUGGLED, "{}", case.name);
        }
    }
    Ok(())
}

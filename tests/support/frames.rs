//! Frames of HTTP/2 byte by byte (RFC 9113 4, RFC 7541 6.2.2): for what no well-behaved client sends.

/// What a client says first: the preface and empty settings.
pub const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A body, or a part of one.
pub const DATA: u8 = 0;
/// The head of a message.
pub const HEADERS: u8 = 1;
/// What a stream depends on.
pub const PRIORITY: u8 = 2;
/// The end of a stream, for a reason.
pub const RST_STREAM: u8 = 3;
/// What the sender keeps to.
pub const SETTINGS: u8 = 4;
/// A question whether anybody is there, and its answer.
pub const PING: u8 = 6;
/// The end of a connection, for a reason.
pub const GOAWAY: u8 = 7;
/// More bytes that the other side may send.
pub const WINDOW_UPDATE: u8 = 8;
/// More of a head.
pub const CONTINUATION: u8 = 9;

/// The message ends with this frame.
pub const END_STREAM: u8 = 1;
/// Settings or a ping were received.
pub const ACK: u8 = 1;
/// The head ends with this frame.
pub const END_HEADERS: u8 = 4;

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// One field, as it is: nothing compressed, nothing remembered.
pub fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut made = vec![0];
    for text in [name, value] {
        length(text.len(), &mut made);
        made.extend_from_slice(text);
    }
    made
}

/// A number with a prefix of seven bits (RFC 7541 5.1).
fn length(number: usize, made: &mut Vec<u8>) {
    let Some(mut rest) = number.checked_sub(127) else {
        made.push(u8::try_from(number).unwrap_or(0));
        return;
    };
    made.push(127);
    while rest >= 128 {
        made.push(u8::try_from(rest % 128).unwrap_or(0) | 128);
        rest /= 128;
    }
    made.push(u8::try_from(rest).unwrap_or(0));
}

/// Kind and stream of each whole frame.
pub fn kinds(mut bytes: &[u8]) -> Vec<(u8, u32)> {
    let mut found = Vec::new();
    while let Some(head) = bytes.first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let end = 9 + usize::try_from(length).unwrap_or(usize::MAX - 9);
        let Some(rest) = bytes.get(end..) else { break };
        found.push((head[3], stream));
        bytes = rest;
    }
    found
}

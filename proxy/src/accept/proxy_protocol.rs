//! The header by which a proxy in front says whose connection it passes on (PROXY protocol, version 2). It is believed only where
//! the listener is told to expect it, and only of a trusted proxy; there it must come, or the connection is closed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, kind of addresses, length of what follows.
const FIXED_BYTES: usize = 16;

/// More bytes behind those are refused: addresses have at most 36, the rest is what proxies tell each other.
const REST_BYTES_MAX: usize = 2048;

/// A header that is none, or that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadHeader(pub &'static str);

/// Reads the header, and not a byte more. Says whose connection it is; none where the proxy speaks for itself.
///
/// # Errors
/// [`BadHeader`], also when the connection ends.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, BadHeader> {
    let cut = |_| BadHeader("cut off");
    let mut fixed = [0; FIXED_BYTES];
    stream.read_exact(&mut fixed).await.map_err(cut)?;
    let mut rest = vec![0; length(&fixed)?];
    stream.read_exact(&mut rest).await.map_err(cut)?;
    client(&fixed, &rest)
}

/// The same of bytes that are there already; also how long the header is.
///
/// # Errors
/// [`BadHeader`].
pub fn parse(bytes: &[u8]) -> Result<(Option<SocketAddr>, usize), BadHeader> {
    let fixed = bytes.first_chunk().ok_or(BadHeader("cut off"))?;
    let end = FIXED_BYTES + length(fixed)?;
    let rest = bytes.get(FIXED_BYTES..end).ok_or(BadHeader("cut off"))?;
    Ok((client(fixed, rest)?, end))
}

/// How many bytes follow.
fn length(fixed: &[u8; FIXED_BYTES]) -> Result<usize, BadHeader> {
    if !fixed.starts_with(&SIGNATURE) {
        return Err(BadHeader("no header"));
    }
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    match fixed[12] {
        0x20 | 0x21 if length <= REST_BYTES_MAX => Ok(length),
        0x20 | 0x21 => Err(BadHeader("too long")),
        _ => Err(BadHeader("another version or command")),
    }
}

fn client(fixed: &[u8; FIXED_BYTES], rest: &[u8]) -> Result<Option<SocketAddr>, BadHeader> {
    let is_local = fixed[12] == 0x20;
    match fixed[13] {
        _ if is_local => Ok(None),
        // Unknown, or a socket file: nobody with an address.
        0x00 | 0x31 => Ok(None),
        0x11 => {
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *first(rest)?;
            Ok(Some(address(Ipv4Addr::new(a, b, c, d).into(), [high, low])))
        }
        0x21 => {
            let both: &[u8; 36] = first(rest)?;
            let source: &[u8; 16] = first(both)?;
            let port = [both[32], both[33]];
            Ok(Some(address(Ipv6Addr::from(*source).into(), port)))
        }
        _ => Err(BadHeader("another kind of addresses")),
    }
}

fn first<const N: usize>(bytes: &[u8]) -> Result<&[u8; N], BadHeader> {
    bytes.first_chunk().ok_or(BadHeader("addresses cut off"))
}

fn address(ip: IpAddr, port: [u8; 2]) -> SocketAddr {
    SocketAddr::new(ip.to_canonical(), u16::from_be_bytes(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE, &[command, family][..], &length, rest].concat()
    }

    const FOUR: [u8; 12] = [198, 51, 100, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];

    #[test]
    fn a_header_names_the_client_and_ends_where_it_says() {
        let client = |bytes: &[u8]| {
            parse(bytes).map(|(client, length)| (client.map(|client| client.to_string()), length))
        };
        let four = header(0x21, 0x11, &FOUR);
        let named = Ok((Some("198.51.100.7:4660".to_owned()), 28));
        assert_eq!(client(&four), named);
        assert_eq!(client(&[&four[..], b"GET / HTTP/1.1"].concat()), named);
        let with_more = [&FOUR[..], &[0x04, 0, 1, 9]].concat();
        assert_eq!(client(&header(0x21, 0x11, &with_more)).unwrap().1, 32);
        let mut six = [0; 36];
        six[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
        six[33] = 9;
        let six = header(0x21, 0x21, &six);
        assert_eq!(client(&six), Ok((Some("[2001:db8::7]:9".to_owned()), 52)));
        for nobody in [
            header(0x20, 0x11, &FOUR),
            header(0x20, 0, b""),
            header(0x21, 0, b""),
            header(0x21, 0x31, &[0; 216]),
        ] {
            assert_eq!(client(&nobody).unwrap().0, None);
        }
    }

    #[test]
    fn whatever_is_no_such_header_is_refused() {
        let good = header(0x21, 0x11, &FOUR);
        for length in 0..good.len() {
            assert!(parse(&good[..length]).is_err(), "{length}");
        }
        for bad in [
            header(0x11, 0x11, &FOUR),
            header(0x22, 0x11, &FOUR),
            header(0x31, 0x11, &FOUR),
            header(0x21, 0x12, &FOUR),
            header(0x21, 0x41, &FOUR),
            header(0x21, 0x11, &FOUR[..11]),
            header(0x21, 0x21, &[0; 35]),
            header(0x21, 0x11, &[0; 2049]),
            b"PROXY TCP4 198.51.100.7 10.0.0.1 4660 80\r\n".to_vec(),
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        ] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn not_a_byte_behind_the_header_is_read() {
        let bytes = [&header(0x21, 0x11, &FOUR)[..], b"GET"].concat();
        let mut stream = &bytes[..];
        let client = read(&mut stream).await.unwrap().unwrap();
        assert_eq!(
            (client.to_string().as_str(), stream),
            ("198.51.100.7:4660", &b"GET"[..])
        );
    }
}

//! Who is asking: the address that a limit counts and the origin is told.

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;
use ipnet::IpNet;

use crackers_shared::headers;

/// A client's address, as far as it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// The address; none on a socket file without a trusted proxy's word.
    pub ip: Option<IpAddr>,
    /// Whether the connection itself comes from a trusted proxy.
    pub through_trusted: bool,
}

/// The rightmost address in `X-Forwarded-For` that is not a trusted proxy's; the connection's own where that is not
/// trusted itself, and what stands behind a hop that nobody can read. A socket file counts as trusted: only programs of this
/// machine reach it. Each hop is read by itself, since a proxy adds its own on the line that a stranger has begun.
pub fn of(connection: Option<IpAddr>, fields: &HeaderMap, trusted: &[IpNet]) -> ClientAddress {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    if connection.is_some_and(|ip| !is_trusted(&ip.to_canonical())) {
        return ClientAddress {
            ip: connection.map(|ip| ip.to_canonical()),
            through_trusted: false,
        };
    }
    let mut client = connection.map(|ip| ip.to_canonical());
    let lines = fields.get_all(headers::FORWARDED_FOR).iter();
    let hops: Vec<_> = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .collect();
    for hop in hops.iter().rev() {
        let Some(ip) = std::str::from_utf8(hop).ok().and_then(address) else {
            break;
        };
        client = Some(ip);
        if !is_trusted(&ip) {
            break;
        }
    }
    ClientAddress {
        ip: client,
        through_trusted: true,
    }
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next())
        .unwrap_or(text);
    let parsed = bare
        .parse()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip()));
    parsed.map(|ip: IpAddr| ip.to_canonical())
}

/// What limits count: an IPv4 address, or the /64 that one IPv6 customer has.
pub fn limit_key(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(address) => {
            let bits = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(connection: &str, forwarded: &str) -> String {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let mut fields = HeaderMap::new();
        fields.insert(headers::FORWARDED_FOR, forwarded.parse().unwrap());
        of(Some(connection.parse().unwrap()), &fields, &trusted)
            .ip
            .unwrap()
            .to_string()
    }

    #[test]
    fn a_strangers_word_counts_for_nothing() {
        assert_eq!(client("203.0.113.9", "1.2.3.4"), "203.0.113.9");
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        assert_eq!(
            client("10.0.0.1", "1.2.3.4, 198.51.100.7, 10.0.0.2"),
            "198.51.100.7"
        );
        assert_eq!(client("10.0.0.1", "198.51.100.7:1234"), "198.51.100.7");
        assert_eq!(client("::1", "[2001:db8::1]:80"), "2001:db8::1");
        assert_eq!(client("10.0.0.1", "nonsense"), "10.0.0.1");
        assert_eq!(client("::ffff:10.0.0.1", "198.51.100.7"), "198.51.100.7");
    }

    #[test]
    fn what_a_stranger_writes_hides_no_hop_behind_it() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        for lines in [
            &[&b"\xff, 203.0.113.9"[..]][..],
            &[b"10.0.0.7, caf\xc3\xa9,203.0.113.9"],
            &[b"1.2.3.4", b"\xff, 203.0.113.9, 10.0.0.2"],
        ] {
            let mut fields = HeaderMap::new();
            for line in lines {
                let line = http::HeaderValue::from_bytes(line).unwrap();
                fields.append(headers::FORWARDED_FOR, line);
            }
            let found = of(Some("10.0.0.1".parse().unwrap()), &fields, &trusted);
            assert_eq!(found.ip, "203.0.113.9".parse().ok(), "{lines:?}");
        }
    }

    #[test]
    fn one_ipv6_customer_is_one_key() {
        let key = |text: &str| limit_key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("1.2.3.4"), key("1.2.3.5"));
    }
}

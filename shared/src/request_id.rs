//! `X-Request-Id` and `traceparent`: a well-formed one from outside is kept, anything else is replaced.

use std::cell::RefCell;

/// The longest request id that is taken over from a client, in characters.
pub const REQUEST_ID_LENGTH_MAX: usize = 64;

/// The shortest request id that is taken over from a client, in characters.
pub const REQUEST_ID_LENGTH_MIN: usize = 8;

/// A new request id: 128 random bits as 32 lower-case hexadecimal digits.
pub fn generate() -> String {
    hexadecimal(&drawn::<16>())
}

/// Whether a client's request id may be kept: 8 to 64 characters of `A–Z a–z 0–9 _ -`.
///
/// ```
/// use crackers_shared::request_id::is_acceptable;
/// assert!(is_acceptable("order-page_0042"));
/// assert!(!is_acceptable("short"));
/// assert!(!is_acceptable("has spaces in it"));
/// ```
pub fn is_acceptable(value: &str) -> bool {
    (REQUEST_ID_LENGTH_MIN..=REQUEST_ID_LENGTH_MAX).contains(&value.len())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// A new `traceparent` (W3C Trace Context), sampled flag unset.
pub fn generate_traceparent() -> String {
    format!(
        "00-{}-{}-00",
        hexadecimal(&drawn::<16>()),
        hexadecimal(&drawn::<8>())
    )
}

/// A new id of a span (W3C Trace Context): 64 random bits as 16 lower-case hexadecimal digits.
pub fn generate_span_id() -> String {
    hexadecimal(&drawn::<8>())
}

/// Whether a `traceparent` is of version 00 and well formed, with ids that are not all zero.
///
/// ```
/// use crackers_shared::request_id::is_traceparent;
/// assert!(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
/// assert!(!is_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
/// ```
pub fn is_traceparent(value: &str) -> bool {
    let mut parts = value.split('-');
    let (Some(version), Some(trace), Some(parent), Some(flags), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return false;
    };
    version == "00"
        && is_lower_hexadecimal(trace, 32)
        && is_lower_hexadecimal(parent, 16)
        && is_lower_hexadecimal(flags, 2)
        && trace.bytes().any(|byte| byte != b'0')
        && parent.bytes().any(|byte| byte != b'0')
}

fn is_lower_hexadecimal(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// `N` bytes from the system's cryptographic source.
///
/// # Panics
/// When the system has no random source: nothing safe can be done without one.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
}

/// Bytes that each thread has drawn ahead from the system's cryptographic source.
struct Pool {
    bytes: [u8; 2048],
    given_out: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; 2048], given_out: 2048 }) };
}

/// Random bytes for ids, which are no secrets: one system call for some fifty requests. Each byte is given out once. Keys
/// and tokens take [`random`], so that they lie in no pool.
fn drawn<const N: usize>() -> [u8; N] {
    const { assert!(N <= 2048) };
    POOL.with_borrow_mut(|pool| {
        if pool.given_out + N > pool.bytes.len() {
            pool.bytes = random();
            pool.given_out = 0;
        }
        let mut bytes = [0; N];
        bytes.copy_from_slice(&pool.bytes[pool.given_out..pool.given_out + N]);
        pool.given_out += N;
        bytes
    })
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_are_acceptable_and_differ() {
        let (one, two) = (generate(), generate());
        assert_eq!(one.len(), 32);
        assert!(is_acceptable(&one));
        assert_ne!(one, two);
    }

    #[test]
    fn ids_differ_across_refills_and_threads() {
        let draw = || (0..1000).map(|_| generate()).collect::<Vec<_>>();
        let mut all: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(draw))
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4000);
    }

    #[test]
    fn generated_traceparents_are_well_formed() {
        assert!(is_traceparent(&generate_traceparent()));
    }

    #[test]
    fn a_traceparent_with_upper_case_or_a_fifth_part_is_refused() {
        for bad in [
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}

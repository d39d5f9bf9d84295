//! One-time codes from the time (RFC 6238) as authenticator programs make them: HMAC-SHA-1, thirty seconds, six digits.
//! SHA-1 is what all of those programs know; HMAC does not need a hash without collisions (RFC 6238 1.2, RFC 4226 B.2).

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// Bytes of a secret: those of the hash (RFC 4226 4, R6).
pub const SECRET_BYTES: usize = 20;
/// How long one code is shown.
const STEP_SECONDS: i64 = 30;
/// Steps that a clock may be off, both ways (RFC 6238 5.2 and 6).
const STEPS_OFF: i64 = 1;

/// What an authenticator program and the shop both know.
pub type Secret = [u8; SECRET_BYTES];

/// Which step of time it is.
pub fn step_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(STEP_SECONDS)
}

/// The code of a step (RFC 4226 5.3).
pub fn code(secret: &Secret, step: i64) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes keys of every length");
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let place = usize::from(hash[SECRET_BYTES - 1] & 0x0f);
    let four = [
        hash[place] & 0x7f,
        hash[place + 1],
        hash[place + 2],
        hash[place + 3],
    ];
    format!("{:06}", u32::from_be_bytes(four) % 1_000_000)
}

/// The step that a typed code is of, where it is one that may be used now: near enough, and after `used`, so that
/// nobody uses a code that was looked at over a shoulder (RFC 6238 5.2).
pub fn accepted(secrets: &[Secret], typed: &str, at: Timestamp, used: i64) -> Option<i64> {
    let now = step_of(at);
    let near = (now - STEPS_OFF..=now + STEPS_OFF).filter(|step| *step > used);
    let mut found = None;
    for step in near {
        for secret in secrets {
            if code(secret, step).as_bytes().ct_eq(typed.as_bytes()).into() {
                found = Some(step);
            }
        }
    }
    found
}

/// A secret as people type it where they cannot scan.
pub fn text_of(secret: &Secret) -> String {
    BASE32_NOPAD.encode(secret)
}

/// What authenticator programs scan (the `otpauth` key URI format). Names only the defaults, which all of them know.
pub fn uri(secret: &Secret, issuer: &str, account: &str) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (issuer, account) = (encoded(issuer), encoded(account));
    let secret = text_of(secret);
    format!("otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238 appendix B.
    const SECRET: &Secret = b"12345678901234567890";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238 appendix B, SHA-1; six of the eight digits.
        for (second, wanted) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(SECRET, step_of(at(second))), wanted, "{second}");
        }
    }

    #[test]
    fn a_code_is_good_near_its_time_and_once() {
        let now = at(1_111_111_111);
        let step = step_of(now);
        for (typed, wanted) in [
            (code(SECRET, step - 2), None),
            (code(SECRET, step - 1), Some(step - 1)),
            (code(SECRET, step), Some(step)),
            (code(SECRET, step + 1), Some(step + 1)),
            (code(SECRET, step + 2), None),
            (String::new(), None),
        ] {
            assert_eq!(accepted(&[*SECRET], &typed, now, 0), wanted, "{typed}");
        }
        let typed = code(SECRET, step);
        assert_eq!(accepted(&[*SECRET], &typed, now, step), None);
        assert_eq!(accepted(&[[0; 20], *SECRET], &typed, now, 0), Some(step));
    }

    #[test]
    fn the_uri_names_whose_it_is() {
        assert_eq!(
            uri(SECRET, "Sri & Sons", "a@b.in"),
            "otpauth://totp/Sri%20%26%20Sons:a%40b%2Ein?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Sri%20%26%20Sons"
        );
    }
}

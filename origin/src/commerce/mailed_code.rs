//! The digits of a code that is mailed to whoever logs in. They are kept nowhere: they are made of a random seed, which waits
//! with the mail, and the keys of the sessions, so that a stolen database or its backup logs nobody in. A mail that waits
//! while the first key is changed brings other digits, which let nobody in: its reader asks for another one.

use crackers_shared::session_cookie::Keys;

use super::ids;
use super::mail::Mail;

/// Where the digits stand in the texts of a mail that waits.
pub const PLACE: &str = "{code}";

/// A new seed: 128 random bits.
pub fn seed() -> String {
    ids::unguessable()
}

/// The six digits of a seed for an address, each of the million equally likely.
pub fn digits(keys: &Keys, email: &str, seed: &str) -> String {
    let secrets = keys.secrets("mailed_code", &format!("{email}:{seed}"));
    let first = secrets.first().and_then(|secret| secret.first_chunk());
    let number = first.map_or(0, |first| u128::from_be_bytes(*first));
    // What is left of 128 bits after the last whole million makes small codes likelier by less than one in 10^32.
    format!("{:06}", number % 1_000_000)
}

/// A mail as it is sent: with the digits in their place, where it has some.
#[must_use]
pub fn put_in(keys: &Keys, mail: &Mail) -> Mail {
    let mut ready = mail.clone();
    if let Some(seed) = &mail.code_seed {
        let digits = digits(keys, &mail.to, seed);
        for text in [&mut ready.subject, &mut ready.text, &mut ready.html] {
            *text = text.replace(PLACE, &digits);
        }
    }
    ready
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn keys() -> Keys {
        let folder = tempfile::tempdir().unwrap();
        Keys::read_or_make(&folder.path().join("keys")).unwrap()
    }

    #[test]
    fn digits_are_six_and_others_for_each_seed_address_and_key() {
        let (keys, others) = (keys(), keys());
        let of = |keys: &Keys, email: &str| {
            let all = ["a", "b", "c", "d"].map(|seed| digits(keys, email, seed));
            assert!(all.iter().all(|one| one.len() == 6), "{all:?}");
            all
        };
        let first = of(&keys, "meena@example.in");
        assert_eq!(first, of(&keys, "meena@example.in"));
        // One of them may be the same by chance, all of them not.
        assert_ne!(first, of(&keys, "ravi@example.in"));
        assert_ne!(first, of(&others, "meena@example.in"));
        assert!(first.iter().any(|one| *one != first[0]));
    }

    #[test]
    fn a_mail_is_completed_where_it_has_a_code_and_nowhere_else() {
        let keys = keys();
        let subject = format!("{PLACE} is your code");
        let plain = Mail::new(
            "a@b.in",
            &subject,
            std::slice::from_ref(&subject),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(put_in(&keys, &plain), plain);
        let waiting = plain.with_code(seed());
        let ready = put_in(&keys, &waiting);
        let code = digits(&keys, "a@b.in", waiting.code_seed.as_deref().unwrap());
        let wanted = format!("{code} is your code");
        assert_eq!((&ready.subject, &ready.text), (&wanted, &wanted));
        assert_eq!(ready.html, format!("<p>{wanted}</p>"));
    }
}

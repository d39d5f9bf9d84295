//! Ids are strings made here, the same on both databases.

/// Characters of a base-36 id, in their sort order.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A new id that a stranger cannot guess: 25 base-36 characters from 128 random bits.
pub fn unguessable() -> String {
    base36(
        u128::from_be_bytes(crackers_shared::request_id::random()),
        25,
    )
}

/// A new id that a stranger cannot guess, and that sorts after those of earlier times: 11 characters of microseconds, 14
/// from random bits.
pub fn in_order_of_time(at: jiff::Timestamp) -> String {
    let mut id = first_of(at);
    id.extend(unguessable().chars().rev().take(14));
    id
}

/// What every id of [`in_order_of_time`] made before `at` sorts below, and every later one above.
pub fn first_of(at: jiff::Timestamp) -> String {
    base36(u128::try_from(at.as_microsecond()).unwrap_or(0), 11)
}

/// `number` in base 36, padded with zeros to `width` characters.
pub fn base36(mut number: u128, width: usize) -> String {
    let mut text = Vec::with_capacity(width);
    while number > 0 || text.len() < width {
        text.push(char::from(DIGITS[(number % 36) as usize]));
        number /= 36;
    }
    text.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base36_pads_and_counts() {
        assert_eq!(base36(0, 3), "000");
        assert_eq!(base36(35, 1), "z");
        assert_eq!(base36(36, 1), "10");
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let at = |second| in_order_of_time(jiff::Timestamp::from_second(second).unwrap());
        assert!(at(1_700_000_000) < at(1_800_000_000));
        assert_eq!(at(4_000_000_000).len(), 25);
        let bound = first_of(jiff::Timestamp::from_second(1_750_000_000).unwrap());
        assert!(at(1_700_000_000) < bound && bound < at(1_750_000_000));
    }

    #[test]
    fn unguessable_ids_differ_and_have_one_length() {
        let (one, two) = (unguessable(), unguessable());
        assert_ne!(one, two);
        assert_eq!((one.len(), two.len()), (25, 25));
    }
}

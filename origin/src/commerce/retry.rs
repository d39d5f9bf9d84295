//! When what is owed, and was not taken, is tried again: the same for mails and for money that goes back.

use jiff::{SignedDuration, Timestamp};

/// Tries after which something is set aside for staff.
pub(super) const TRIES_MAX: u32 = 12;
/// The longest pause between two tries, in seconds.
pub(super) const PAUSE_MAX_SECONDS: i64 = 3600;
/// For how long whoever tries has it for itself.
const HELD_FOR: SignedDuration = SignedDuration::from_secs(120);

/// When it is due again, should whoever tries it now die.
pub(super) fn held_until(at: Timestamp) -> Timestamp {
    at + HELD_FOR
}

/// When it is due again after so many failures, the pauses growing; `None` when it is given up.
pub(super) fn next_try(failures: u32, at: Timestamp) -> Option<Timestamp> {
    let pause = (2_i64 << failures.min(12)).min(PAUSE_MAX_SECONDS);
    (failures < TRIES_MAX).then(|| at + SignedDuration::from_secs(pause))
}

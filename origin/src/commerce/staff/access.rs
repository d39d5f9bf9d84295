//! What log-ins of staff count and ask for: wrong passwords, a lock, a second factor. Apart from the member itself, so that
//! a log-in changes nothing that staff decide on.

use crackers_shared::request_id::random;
use crackers_shared::session_cookie::Keys;
use data_encoding::BASE32_NOPAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::commerce::ids;
use crate::commerce::records::Kept;
use crate::commerce::totp::{self, SECRET_BYTES, Secret};

/// Wrong passwords in a row after which an account is locked.
const FAILURES_MAX: u32 = 5;
/// How long it is locked then.
const LOCKED_FOR: SignedDuration = SignedDuration::from_mins(15);
/// Codes for whoever has lost their authenticator.
const RECOVERY_CODES: usize = 10;

/// How an account's log-ins stand.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct StaffAccess {
    /// The member's id.
    pub id: String,
    /// Wrong passwords and codes since the last right one.
    failures: u32,
    /// Until when nothing is looked at.
    locked_until: Option<Timestamp>,
    /// What is asked for beside the password.
    second_factor: SecondFactor,
}

/// What is asked for beside the password. The secret itself is kept nowhere: it is made of `seed` and the keys of the
/// sessions, so that a stolen database makes no codes. With its key goes the second factor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactor {
    /// Nothing.
    Off,
    /// Nothing yet: its owner has not shown that their program makes the right codes.
    Begun {
        /// What the secret is made of.
        seed: String,
    },
    /// A code.
    On {
        /// What the secret is made of.
        seed: String,
        /// The step of the last code that was used.
        used: i64,
        /// Keyed hashes of what can be used once in its place.
        recovery: Vec<String>,
    },
}

impl Kept for StaffAccess {
    const KIND: &'static str = "staff_access";

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<String> {
        vec!["all".to_owned()]
    }
}

impl StaffAccess {
    /// That of a member who has never logged in.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            failures: 0,
            locked_until: None,
            second_factor: SecondFactor::Off,
        }
    }

    /// Whether nothing is looked at now.
    pub fn is_locked(&self, at: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| at < until)
    }

    /// Whether a code is asked for.
    pub fn has_second_factor(&self) -> bool {
        matches!(self.second_factor, SecondFactor::On { .. })
    }

    /// Counts a wrong password or code; whether that locks the account.
    pub fn failed(&mut self, at: Timestamp) -> bool {
        self.failures += 1;
        self.locked_until = None;
        let is_too_often = self.failures >= FAILURES_MAX;
        if is_too_often {
            self.failures = 0;
            self.locked_until = Some(at + LOCKED_FOR);
        }
        is_too_often
    }

    /// Forgets what was wrong before.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.locked_until = None;
    }

    /// Begins anew with a second factor, and gives the secret to show; `None` where one is on already.
    pub fn begin(&mut self, keys: &Keys) -> Option<Secret> {
        if self.has_second_factor() {
            return None;
        }
        let seed = ids::unguessable();
        let secret = self.secrets(keys, &seed).first().copied();
        self.second_factor = SecondFactor::Begun { seed };
        secret
    }

    /// Switches the second factor on with a code that shows that its owner's program makes the right ones. Gives the codes
    /// that can be used in its place, to be shown once; `None` when the code is wrong or nothing was begun.
    pub fn confirm(&mut self, keys: &Keys, typed: &str, at: Timestamp) -> Option<Vec<String>> {
        let SecondFactor::Begun { seed } = &self.second_factor else {
            return None;
        };
        let used = totp::accepted(&self.secrets(keys, seed), typed, at, 0)?;
        let codes: Vec<_> = (0..RECOVERY_CODES)
            .map(|_| BASE32_NOPAD.encode(&random::<10>()))
            .collect();
        let hashes = codes.iter().map(|code| self.recovery_hash(keys, code));
        self.second_factor = SecondFactor::On {
            seed: seed.clone(),
            used,
            recovery: hashes.collect(),
        };
        Some(codes)
    }

    /// Whether a code may be used now, and uses it up. Anything goes where no second factor is on.
    pub fn takes(&mut self, keys: &Keys, typed: &str, at: Timestamp) -> bool {
        let typed = bare(typed);
        let text = self.recovery_text(&typed);
        let SecondFactor::On { seed, used, .. } = &self.second_factor else {
            return true;
        };
        let step = totp::accepted(&self.secrets(keys, seed), &typed, at, *used);
        let SecondFactor::On { used, recovery, .. } = &mut self.second_factor else {
            return true;
        };
        if let Some(step) = step {
            *used = step;
            return true;
        }
        let before = recovery.len();
        recovery.retain(|hash| !keys.is_hash("recovery", &text, hash));
        recovery.len() < before
    }

    /// Asks for nothing beside the password any more.
    pub fn switch_off(&mut self) {
        self.second_factor = SecondFactor::Off;
    }

    fn secrets(&self, keys: &Keys, seed: &str) -> Vec<Secret> {
        let text = format!("{}:{seed}", self.id);
        let secrets = keys.secrets("totp", &text).into_iter();
        let cut = |secret: [u8; 32]| secret.first_chunk::<SECRET_BYTES>().copied();
        secrets.filter_map(cut).collect()
    }

    fn recovery_text(&self, code: &str) -> String {
        format!("{}:{code}", self.id)
    }

    fn recovery_hash(&self, keys: &Keys, code: &str) -> String {
        keys.hash("recovery", &self.recovery_text(code))
    }
}

/// A code without what people write between its parts, in capitals.
fn bare(typed: &str) -> String {
    let is_part = |c: &char| !matches!(c, ' ' | '-');
    typed
        .chars()
        .filter(is_part)
        .collect::<String>()
        .to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (tempfile::TempDir, Keys) {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::read_or_make(&folder.path().join("keys")).unwrap();
        (folder, keys)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn code(secret: &Secret, second: i64) -> String {
        totp::code(secret, totp::step_of(at(second)))
    }

    #[test]
    fn nothing_is_asked_for_until_the_first_code_is_right() {
        let (_folder, keys) = keys();
        let mut access = StaffAccess::new("a");
        assert_eq!(access.confirm(&keys, "000000", at(0)), None);
        let secret = access.begin(&keys).unwrap();
        assert!(!access.has_second_factor() && access.takes(&keys, "", at(0)));
        assert_eq!(access.confirm(&keys, &code(&secret, 300), at(0)), None);
        let recovery = access.confirm(&keys, &code(&secret, 0), at(0)).unwrap();
        assert_eq!(recovery.len(), RECOVERY_CODES);
        assert!(access.has_second_factor() && access.begin(&keys).is_none());
    }

    #[test]
    fn every_code_is_good_once() {
        let (_folder, keys) = keys();
        let mut access = StaffAccess::new("a");
        let secret = access.begin(&keys).unwrap();
        let recovery = access.confirm(&keys, &code(&secret, 0), at(0)).unwrap();
        // The code that switched it on is used up, too.
        assert!(!access.takes(&keys, &code(&secret, 0), at(0)));
        let typed = code(&secret, 60);
        assert!(access.takes(&keys, &format!("{} {}", &typed[..3], &typed[3..]), at(60)));
        assert!(!access.takes(&keys, &typed, at(60)));
        let written = recovery[3].to_lowercase();
        assert!(access.takes(&keys, &written, at(90)));
        assert!(!access.takes(&keys, &written, at(90)));
        assert!(!access.takes(&keys, "", at(90)));
    }

    #[test]
    fn what_is_kept_holds_neither_secret_nor_codes() {
        let (_folder, keys) = keys();
        let mut access = StaffAccess::new("a");
        let secret = access.begin(&keys).unwrap();
        let recovery = access.confirm(&keys, &code(&secret, 0), at(0)).unwrap();
        let kept = serde_json::to_string(&access).unwrap();
        assert!(!kept.contains(&totp::text_of(&secret)));
        assert!(recovery.iter().all(|code| !kept.contains(code.as_str())));
    }

    #[test]
    fn five_wrong_ones_in_a_row_lock_for_a_quarter_of_an_hour() {
        let mut access = StaffAccess::new("a");
        for _ in 1..FAILURES_MAX {
            assert!(!access.failed(at(0)));
        }
        access.succeeded();
        for _ in 1..FAILURES_MAX {
            assert!(!access.failed(at(0)));
        }
        assert!(access.failed(at(0)));
        assert!(access.is_locked(at(899)) && !access.is_locked(at(900)));
    }
}

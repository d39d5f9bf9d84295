//! The value of a session cookie: `id.bucket.expiry.HMAC`. Whoever has the keys can tell that the origin gave it, without
//! asking: the edge limits by its bucket, the origin looks up its session.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use http::header::COOKIE;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::request_id::{hexadecimal, random};

/// The cookie of customers.
pub const CUSTOMER_COOKIE: &str = "crackers_session";
/// The cookie of staff.
pub const STAFF_COOKIE: &str = "crackers_staff";

/// The fewest characters of a key.
const KEY_CHARACTERS_MIN: usize = 32;

/// What is said of a session in its cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCookie {
    /// The session's id: lower-case letters and digits.
    pub id: String,
    /// What its requests are counted under: the same for all sessions of one account.
    pub bucket: String,
    /// When it is over, in seconds since the epoch.
    pub expires: i64,
}

/// The value of a cookie of this name, as a request sends it.
pub fn value_of<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = fields.get_all(COOKIE).iter();
    fields
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// The keys: the first one signs, every one is believed, so that keys can be changed without ending sessions.
pub struct Keys(Vec<Vec<u8>>);

impl Keys {
    /// Reads a file of one key a line, and makes it with a new key where it is missing.
    ///
    /// # Errors
    /// When it cannot be read or made, holds no key, or one with fewer than 32 characters.
    pub fn read_or_make(file: &Path) -> io::Result<Self> {
        if !file.exists() {
            make(file)?;
        }
        Self::of_text(&fs::read_to_string(file)?)
    }

    /// Reads such a file and makes none; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, holds no key, or one with fewer than 32 characters.
    pub fn read(file: &Path) -> io::Result<Option<Self>> {
        match fs::read_to_string(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            text => Self::of_text(&text?).map(Some),
        }
    }

    fn of_text(text: &str) -> io::Result<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Vec<_> = lines.map(|line| line.as_bytes().to_vec()).collect();
        if keys.is_empty() || keys.iter().any(|key| key.len() < KEY_CHARACTERS_MIN) {
            let text =
                format!("expected one key a line, each of {KEY_CHARACTERS_MIN} or more characters");
            return Err(io::Error::new(ErrorKind::InvalidData, text));
        }
        Ok(Self(keys))
    }

    /// The keyed hash of a text under the first key, as hexadecimal digits; `purpose` keeps hashes for one thing from
    /// being of use for another.
    pub fn hash(&self, purpose: &str, text: &str) -> String {
        keyed(&self.0[0], purpose, text)
    }

    /// Whether this is the keyed hash of a text under any key. Takes the same time wherever they differ.
    pub fn is_hash(&self, purpose: &str, text: &str, hash: &str) -> bool {
        let mut found = subtle::Choice::from(0);
        for key in &self.0 {
            found |= keyed(key, purpose, text).as_bytes().ct_eq(hash.as_bytes());
        }
        found.into()
    }

    /// Secrets that every program with the same keys can make again, so that none of them has to be kept: one for each
    /// key, that of the first one first. They are lost with their key.
    pub fn secrets(&self, purpose: &str, text: &str) -> Vec<[u8; 32]> {
        let keys = self.0.iter();
        keys.map(|key| keyed_bytes(key, purpose, text)).collect()
    }

    /// The value of the cookie.
    pub fn sign(&self, cookie: &SessionCookie) -> String {
        let text = format!("{}.{}.{}", cookie.id, cookie.bucket, cookie.expires);
        format!("{text}.{}", self.hash("session", &text))
    }

    /// What a cookie's value says; `None` for one that we did not give, or that is over at `now` (seconds since the epoch).
    pub fn verify(&self, value: &str, now: i64) -> Option<SessionCookie> {
        let (text, hash) = value.rsplit_once('.')?;
        let mut parts = text.split('.');
        let (id, bucket) = (parts.next()?, parts.next()?);
        let expires = parts.next()?.parse().ok()?;
        let is_ours = parts.next().is_none() && self.is_hash("session", text, hash);
        (is_ours && now < expires).then(|| SessionCookie {
            id: id.to_owned(),
            bucket: bucket.to_owned(),
            expires,
        })
    }
}

/// Makes the file with one new key. Both programs may do so at the same moment: the file comes to light whole, and once.
fn make(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut own = file.as_os_str().to_owned();
    own.push(format!(".{}", hexadecimal(&random::<8>())));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&own).and_then(|mut made| {
        writeln!(made, "{}", hexadecimal(&random::<32>()))?;
        made.sync_all()
    });
    let linked = written.and_then(|()| fs::hard_link(&own, file));
    fs::remove_file(&own)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

fn keyed(key: &[u8], purpose: &str, text: &str) -> String {
    hexadecimal(&keyed_bytes(key, purpose, text))
}

fn keyed_bytes(key: &[u8], purpose: &str, text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(purpose.as_bytes());
    mac.update(b":");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789012345678901234567890a";
    const NEW: &str = "0123456789012345678901234567890b";

    fn cookie() -> SessionCookie {
        SessionCookie {
            id: "abc".to_owned(),
            bucket: "b1".to_owned(),
            expires: 100,
        }
    }

    #[test]
    fn a_cookie_is_believed_until_it_is_over() {
        let keys = Keys::of_text(OLD).unwrap();
        let value = keys.sign(&cookie());
        assert_eq!(keys.verify(&value, 99), Some(cookie()));
        assert_eq!(keys.verify(&value, 100), None);
    }

    #[test]
    fn a_changed_cookie_is_not_believed() {
        let keys = Keys::of_text(OLD).unwrap();
        let value = keys.sign(&cookie());
        for changed in [
            value.replace("abc", "abd"),
            value.replace(".100.", ".900."),
            value.replace("b1", "b1.1"),
            value[..value.len() - 1].to_owned(),
            String::new(),
            "...".to_owned(),
        ] {
            assert_eq!(keys.verify(&changed, 0), None, "{changed}");
        }
        let others = Keys::of_text(NEW).unwrap();
        assert_eq!(others.verify(&value, 0), None);
    }

    #[test]
    fn a_new_key_does_not_end_the_sessions_of_the_old_one() {
        let value = Keys::of_text(OLD).unwrap().sign(&cookie());
        let both = Keys::of_text(&format!("{NEW}\n{OLD}\n")).unwrap();
        assert_eq!(both.verify(&value, 0), Some(cookie()));
    }

    #[test]
    fn a_secret_is_one_for_each_key_and_each_purpose() {
        let both = Keys::of_text(&format!("{NEW}\n{OLD}\n")).unwrap();
        let old = Keys::of_text(OLD).unwrap();
        assert_eq!(both.secrets("a", "b")[1..], old.secrets("a", "b")[..]);
        assert_ne!(old.secrets("a", "b"), old.secrets("b", "b"));
    }

    #[test]
    fn programs_that_start_together_get_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys/session.keys");
        let start = std::sync::Barrier::new(8);
        let values: Vec<_> = std::thread::scope(|scope| {
            let read = || {
                start.wait();
                Keys::read_or_make(&file).unwrap().sign(&cookie())
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(values.iter().all(|value| *value == values[0]));
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_made_once_and_a_short_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys/session.keys");
        assert!(Keys::read(&file).unwrap().is_none() && !file.exists());
        let made = Keys::read_or_make(&file).unwrap();
        let again = Keys::read_or_make(&file).unwrap();
        assert_eq!(again.verify(&made.sign(&cookie()), 0), Some(cookie()));
        fs::write(&file, "short\n").unwrap();
        assert!(Keys::read_or_make(&file).is_err() && Keys::read(&file).is_err());
    }
}

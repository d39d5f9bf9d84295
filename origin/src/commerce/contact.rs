//! Who orders and where it goes, checked once where it comes in.

use serde::{Deserialize, Serialize};

/// Who ordered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Contact {
    /// Name.
    pub name: String,
    /// Phone number: ten digits, without the country's.
    pub phone: String,
    /// Mail address, lower case.
    pub email: String,
}

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Address {
    /// House and street.
    pub line1: String,
    /// Anything more.
    pub line2: String,
    /// City, town or village.
    pub city: String,
    /// State.
    pub state: String,
    /// Six digits.
    pub pincode: String,
}

/// A field that cannot be what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its name.
    pub field: &'static str,
    /// What would be accepted.
    pub expected: &'static str,
}

impl Contact {
    /// The contact in its one spelling.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn checked(&self) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let checked = Self {
            name: take(&mut wrong, "name", text(&self.name, 1, 100), ONE_TO_100),
            phone: take(
                &mut wrong,
                "phone",
                phone(&self.phone),
                "an Indian mobile number: ten digits from 6 to 9 on, +91 before them or not",
            ),
            email: take(
                &mut wrong,
                "email",
                email(&self.email),
                "a mail address such as meena@example.in",
            ),
        };
        if wrong.is_empty() {
            Ok(checked)
        } else {
            Err(wrong)
        }
    }
}

/// State and pincode in their one spelling, as far as they say where something goes.
///
/// # Errors
/// Every field that is wrong.
pub fn destination(state: &str, code: &str) -> Result<(String, String), Vec<Wrong>> {
    let mut wrong = Vec::new();
    let state = take(&mut wrong, "state", text(state, 1, 100), ONE_TO_100);
    let code = take(&mut wrong, "pincode", pincode(code), SIX_DIGITS);
    if wrong.is_empty() {
        Ok((state, code))
    } else {
        Err(wrong)
    }
}

const SIX_DIGITS: &str = "six digits, the first not 0";
const ONE_TO_100: &str = "1 to 100 characters, no control characters";

impl Address {
    /// The address without blanks around its lines.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn checked(&self) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let checked = Self {
            line1: take(&mut wrong, "line1", text(&self.line1, 1, 100), ONE_TO_100),
            line2: take(
                &mut wrong,
                "line2",
                text(&self.line2, 0, 100),
                "at most 100 characters, no control characters",
            ),
            city: take(&mut wrong, "city", text(&self.city, 1, 100), ONE_TO_100),
            state: take(&mut wrong, "state", text(&self.state, 1, 100), ONE_TO_100),
            pincode: take(&mut wrong, "pincode", pincode(&self.pincode), SIX_DIGITS),
        };
        if wrong.is_empty() {
            Ok(checked)
        } else {
            Err(wrong)
        }
    }
}

fn take(
    wrong: &mut Vec<Wrong>,
    field: &'static str,
    value: Option<String>,
    expected: &'static str,
) -> String {
    value.unwrap_or_else(|| {
        wrong.push(Wrong { field, expected });
        String::new()
    })
}

fn text(value: &str, least: usize, most: usize) -> Option<String> {
    let value = value.trim();
    let count = value.chars().count();
    let fits = (least..=most).contains(&count) && !value.chars().any(char::is_control);
    fits.then(|| value.to_owned())
}

/// An Indian mobile number as its ten digits; `None` for anything else.
pub fn phone(value: &str) -> Option<String> {
    let bare: String = value
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '(' | ')'))
        .collect();
    let digits = bare
        .strip_prefix("+91")
        .or_else(|| bare.strip_prefix('0').filter(|rest| rest.len() == 10))
        .unwrap_or(&bare);
    let is_mobile = digits.len() == 10
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.as_bytes()[0] >= b'6';
    is_mobile.then(|| digits.to_owned())
}

/// A mail address in lower case; `None` for what no mail can be sent to. Linear in its length.
pub fn email(value: &str) -> Option<String> {
    let value = value.trim();
    let (local, domain) = value.rsplit_once('@')?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let is_local = (1..=64).contains(&local.len())
        && local.chars().all(is_word)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_domain = domain.len() <= 190 && domain.contains('.') && domain.split('.').all(is_label);
    (is_local && is_domain).then(|| value.to_ascii_lowercase())
}

fn pincode(value: &str) -> Option<String> {
    let value = value.trim();
    let fits = value.len() == 6
        && value.bytes().all(|byte| byte.is_ascii_digit())
        && !value.starts_with('0');
    fits.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn phones_have_one_spelling() {
        for spelled in [
            "9876543210",
            "+91 98765 43210",
            "098765-43210",
            "(+91)9876543210",
        ] {
            assert_eq!(phone(spelled).as_deref(), Some("9876543210"), "{spelled}");
        }
        for wrong in [
            "",
            "5876543210",
            "987654321",
            "98765432100",
            "+1 9876543210",
            "９876543210",
        ] {
            assert_eq!(phone(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn mail_addresses_are_those_that_mail_can_be_sent_to() {
        assert_eq!(
            email(" Meena@Example.IN ").as_deref(),
            Some("meena@example.in")
        );
        for wrong in [
            "",
            "a",
            "a@b",
            "@b.in",
            "a@.in",
            "a..b@c.in",
            "a@c-.in",
            "a b@c.in",
            "a@c.in\r\nBcc: x@y.in",
        ] {
            assert_eq!(email(wrong), None, "{wrong:?}");
        }
    }

    /// No look at it goes back: ten million letters are judged in the time that they take to pass by, where a search that tries every
    /// way to divide them would outlast the test.
    #[test]
    fn an_address_of_any_length_is_judged_in_one_pass() {
        for part in ["a", "a.", "a@", "a-", "a@b."] {
            let long = part.repeat(10_000_000 / part.len());
            assert_eq!(email(&long), None, "{part}");
            assert_eq!(email(&format!("{long}@example.in")), None, "{part}");
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let contact = Contact {
            name: " ".to_owned(),
            phone: "1".to_owned(),
            email: "x".to_owned(),
        };
        let wrong = contact.checked().unwrap_err();
        assert_eq!(
            wrong.iter().map(|one| one.field).collect::<Vec<_>>(),
            ["name", "phone", "email"]
        );
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_breaks_the_checks(typed in "\\PC{0,80}") {
            let _ = (phone(&typed), email(&typed), pincode(&typed));
        }
    }
}

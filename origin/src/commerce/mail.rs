//! Mails that are owed. One is written together with what caused it, sent later, and again until it is taken.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::ids;
use super::records::Kept;
use super::retry;

/// How much older a mail with a code is taken for.
const CODES_GO_BEFORE: SignedDuration = SignedDuration::from_hours(24);

/// A mail that is owed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Mail {
    /// Begins with the time.
    pub id: String,
    /// One address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same as HTML, escaped.
    pub html: String,
    /// Where answers to it go, where that is not whom it is from.
    #[serde(default)]
    pub answers_to: Option<String>,
    /// What the code in it is made of, where it has one ([`super::mailed_code`]): the texts hold its place only.
    #[serde(default)]
    pub code_seed: Option<String>,
    /// Tries that failed.
    pub failures: u32,
    /// What the last one failed with.
    pub last_error: Option<String>,
    /// When it is to be sent; `None` when it was given up.
    pub send_at: Option<Timestamp>,
}

impl Kept for Mail {
    const KIND: &'static str = "mail";

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<String> {
        let state = if self.send_at.is_some() {
            "waiting"
        } else {
            "given_up"
        };
        vec![state.to_owned()]
    }

    fn due_at(&self) -> Option<Timestamp> {
        self.send_at
    }
}

impl Mail {
    /// A mail of these paragraphs, due at once.
    pub fn new(to: &str, subject: &str, paragraphs: &[String], at: Timestamp) -> Self {
        let html: Vec<_> = paragraphs
            .iter()
            .map(|one| format!("<p>{}</p>", escaped(one)))
            .collect();
        Self {
            id: ids::in_order_of_time(at),
            to: to.to_owned(),
            // What people typed must not begin a new header line.
            subject: subject.chars().filter(|c| !c.is_control()).collect(),
            text: paragraphs.join("\n\n"),
            html: html.join("\n"),
            answers_to: None,
            code_seed: None,
            failures: 0,
            last_error: None,
            send_at: Some(at),
        }
    }

    /// With another address for answers.
    #[must_use]
    pub fn answered_to(mut self, email: &str) -> Self {
        self.answers_to = Some(email.to_owned());
        self
    }

    /// With a code that is put in when it is sent. It goes before everything that waits already: whoever wants in has ten minutes.
    #[must_use]
    pub fn with_code(mut self, seed: String) -> Self {
        self.send_at = self.send_at.map(|at| at - CODES_GO_BEFORE);
        self.code_seed = Some(seed);
        self
    }

    /// Held by whoever sends it now, so that nobody else does at the same time; due again when that one died.
    pub fn held(mut self, at: Timestamp) -> Self {
        self.send_at = Some(retry::held_until(at));
        self
    }

    /// After a try that failed: due again later, or given up.
    pub fn failed(mut self, error: String, at: Timestamp) -> Self {
        self.failures += 1;
        self.last_error = Some(error);
        self.send_at = retry::next_try(self.failures, at);
        self
    }

    /// Due again at once, as staff ask for it.
    pub fn again(mut self, at: Timestamp) -> Self {
        self.failures = 0;
        self.send_at = Some(at);
        self
    }
}

/// Text that HTML shows as it is.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use retry::{PAUSE_MAX_SECONDS, TRIES_MAX};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn what_people_typed_is_text_in_html_and_one_line_in_the_head() {
        let mail = Mail::new(
            "a@b.in",
            "Hi\r\nBcc: x@y.in",
            &["<b>5 & 6</b>".to_owned()],
            NOW,
        );
        assert_eq!(mail.html, "<p>&lt;b&gt;5 &amp; 6&lt;/b&gt;</p>");
        assert_eq!(mail.subject, "HiBcc: x@y.in");
    }

    #[test]
    fn a_mail_that_fails_waits_longer_each_time_and_is_given_up_in_the_end() {
        let mut mail = Mail::new("a@b.in", "Hi", &[], NOW);
        let mut before = NOW;
        for _ in 1..TRIES_MAX {
            mail = mail.failed("no".to_owned(), NOW);
            let next = mail.send_at.unwrap();
            assert!(next > before || next == NOW + SignedDuration::from_secs(PAUSE_MAX_SECONDS));
            before = next;
        }
        mail = mail.failed("no".to_owned(), NOW);
        assert_eq!(
            (mail.send_at, mail.keys()),
            (None, vec!["given_up".to_owned()])
        );
        assert_eq!(mail.again(NOW).send_at, Some(NOW));
    }
}

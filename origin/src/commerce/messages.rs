//! What visitors write to the shop.

use jiff::Timestamp;

use super::mail::Mail;

/// A message that is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who writes.
    pub name: String,
    /// Where an answer goes.
    pub email: String,
    /// Ten digits, where they were told.
    pub phone: Option<String>,
    /// Plain text.
    pub text: String,
}

/// The text of a message without blanks around it; `None` where it is shorter or longer than that, or no text.
pub fn text(typed: &str, least: usize, most: usize) -> Option<String> {
    let text = typed.trim();
    let is_good = (least..=most).contains(&text.chars().count())
        && !text.chars().any(|c| c.is_control() && c != '\n');
    is_good.then(|| text.to_owned())
}

impl Message {
    /// The mail that brings it to the shop; answers to it go to who wrote.
    pub fn mail(&self, shop_email: &str, at: Timestamp) -> Mail {
        let phone = self.phone.as_deref().unwrap_or("not told");
        let mut paragraphs = vec![format!(
            "From {} <{}>, phone {phone}:",
            self.name, self.email
        )];
        let lines = self.text.lines().filter(|line| !line.trim().is_empty());
        paragraphs.extend(lines.map(str::to_owned));
        let subject = format!("Message from {}", self.name);
        let mail = Mail::new(shop_email, &subject, &paragraphs, at);
        mail.answered_to(&self.email)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_text_in_the_mail_and_no_header() {
        let message = Message {
            name: "Meena\r\nBcc: all@example.in".to_owned(),
            email: "meena@example.in".to_owned(),
            phone: None,
            text: "<img src=x>\nSecond line".to_owned(),
        };
        let mail = message.mail("shop@example.in", Timestamp::UNIX_EPOCH);
        assert_eq!(mail.subject, "Message from MeenaBcc: all@example.in");
        assert!(mail.html.contains("&lt;img src=x&gt;") && !mail.html.contains("<img"));
        assert!(mail.html.contains("<p>Second line</p>"));
        assert_eq!(mail.answers_to.as_deref(), Some("meena@example.in"));
    }

    #[test]
    fn a_text_is_bounded() {
        assert_eq!(text(" hello ", 5, 5).as_deref(), Some("hello"));
        for wrong in ["four", "sixsix", "a\u{8}bcd"] {
            assert_eq!(text(wrong, 5, 5), None, "{wrong:?}");
        }
    }
}

//! What both databases promise of mailed codes: one lets in once, until ten minutes are over, and is guessed at five times,
//! however many try at the same moment.

use crackers_origin::commerce::accounts::{Customer, Session, log_in, send_code};
use crackers_origin::commerce::mail::Mail;
use crackers_origin::commerce::mailed_code::put_in;
use crackers_shared::session_cookie::Keys;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::Opened;
use crate::promises::NOW;

/// Whoever has a code.
struct Mailed {
    keys: Keys,
    email: &'static str,
    code: String,
}

impl Mailed {
    /// A code is sent at [`NOW`], and read in the mail that waits.
    async fn to(email: &'static str, opened: &Opened) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::read_or_make(&folder.path().join("keys")).unwrap();
        let sent = send_code(&opened.database, &keys, email, "the shop", NOW).await;
        assert_eq!(sent.unwrap(), None, "no more are sent");
        let waiting = opened.database.due::<Mail>(NOW, 100).await.unwrap();
        let hers = waiting.iter().find(|mail| mail.value.to == email);
        let mail = put_in(&keys, &hers.unwrap().value);
        let (code, _) = mail.subject.split_once(' ').unwrap();
        let code = code.to_owned();
        Self { keys, email, code }
    }

    /// Six digits that are not the code.
    fn wrong(&self) -> &'static str {
        if self.code == "000000" {
            "000001"
        } else {
            "000000"
        }
    }

    /// Whether a code lets in.
    async fn lets_in(&self, opened: &Opened, code: &str, at: Timestamp) -> bool {
        let begun = log_in(&opened.database, &self.keys, self.email, code, at).await;
        begun.unwrap().is_some()
    }

    /// How many of as many as are sent at the same moment are let in.
    async fn let_in(&self, opened: &Opened, code: &str, times: usize) -> usize {
        let tries = (0..times).map(|_| self.lets_in(opened, code, NOW));
        join_all(tries)
            .await
            .into_iter()
            .filter(|is_in| *is_in)
            .count()
    }
}

pub(crate) async fn a_mailed_code_lets_in_once_however_often_it_is_sent_at_once(opened: Opened) {
    let mailed = Mailed::to("a@b.in", &opened).await;
    assert_eq!(mailed.let_in(&opened, &mailed.code, 40).await, 1);
    assert!(!mailed.lets_in(&opened, &mailed.code, NOW).await);
    let customers = opened.database.list::<Customer>("all", None, 9).await;
    let customers = customers.unwrap();
    assert_eq!(customers.len(), 1);
    let key = format!("customer:{}", customers[0].value.id);
    let sessions = opened.database.list::<Session>(&key, None, 9).await;
    assert_eq!(sessions.unwrap().len(), 1);
}

pub(crate) async fn a_mailed_code_is_guessed_at_five_times_however_many_guess_at_once(
    opened: Opened,
) {
    let mailed = Mailed::to("a@b.in", &opened).await;
    // Of those at the same moment at least one is looked at, and each that was looked at was counted.
    for _ in 0..5 {
        assert_eq!(mailed.let_in(&opened, mailed.wrong(), 40).await, 0);
    }
    assert!(!mailed.lets_in(&opened, &mailed.code, NOW).await);

    // One after the other: the fifth may be the right one, the sixth may not.
    for (email, guesses, is_in) in [("c@d.in", 4, true), ("e@f.in", 5, false)] {
        let mailed = Mailed::to(email, &opened).await;
        for _ in 0..guesses {
            assert!(!mailed.lets_in(&opened, mailed.wrong(), NOW).await);
        }
        let right = mailed.lets_in(&opened, &mailed.code, NOW).await;
        assert_eq!(right, is_in, "after {guesses} guesses");
    }
}

pub(crate) async fn a_mailed_code_is_good_until_ten_minutes_are_over(opened: Opened) {
    let over = NOW + SignedDuration::from_mins(10);
    let just_before = over - SignedDuration::from_millis(1);
    for (email, at, is_in) in [("a@b.in", just_before, true), ("c@d.in", over, false)] {
        let mailed = Mailed::to(email, &opened).await;
        assert_eq!(mailed.lets_in(&opened, &mailed.code, at).await, is_in);
    }
}

//! What both databases promise of staff: never without a super_admin, and every guess counts.

use crackers_origin::commerce::records::Writes;
use crackers_origin::commerce::staff::{
    Attempt, AuditEntry, AuditQuery, LogIn, Role, StaffAccess, StaffMember, change_member, entries,
    is_owner, log_in,
};
use crackers_shared::session_cookie::Keys;

use crate::Opened;
use crate::promises::NOW;

const PASSWORD: &str = "a long enough password";

async fn member(opened: &Opened, email: &str) -> StaffMember {
    let member = StaffMember::new(email, "N", Role::SuperAdmin, PASSWORD, NOW);
    let writes = Writes::default().with(&member).unwrap();
    opened.database.write_records(&writes, NOW).await.unwrap();
    member
}

pub(crate) async fn super_admins_who_end_each_others_access_leave_one(opened: Opened) {
    let (a, b) = (
        member(&opened, "a@b.in").await,
        member(&opened, "b@b.in").await,
    );
    for _ in 0..5 {
        let end = |by: &str, id: &str| {
            let (database, by, id) = (opened.database.clone(), by.to_owned(), id.to_owned());
            tokio::spawn(async move {
                change_member(&database, &by, &id, None, NOW, |member| {
                    member.active = false
                })
                .await
            })
        };
        let both = tokio::join!(end(&a.id, &b.id), end(&b.id, &a.id));
        let ended = [both.0.unwrap(), both.1.unwrap()];
        let all = opened
            .database
            .list::<StaffMember>("all", None, 9)
            .await
            .unwrap();
        let left = all.iter().filter(|one| one.value.is_super_admin()).count();
        assert_eq!(left, 1, "{ended:?}");
        for mut one in all {
            one.value.active = true;
            let again = Writes::default().replace(&one).unwrap();
            opened.database.write_records(&again, NOW).await.unwrap();
        }
    }
}

pub(crate) async fn of_tries_at_the_same_moment_none_goes_uncounted(opened: Opened) {
    member(&opened, "a@b.in").await;
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::read_or_make(&folder.path().join("keys")).unwrap();
    let attempt = |password| Attempt {
        email: "a@b.in",
        password,
        code: None,
        address: None,
        request_id: "r",
    };
    // However many at once: each that was looked at was counted, so five lock the account.
    for _ in 0..5 {
        let tries = (0..4).map(|_| log_in(&opened.database, &keys, attempt("wrong password"), NOW));
        for tried in futures_util::future::join_all(tries).await {
            assert_eq!(tried.unwrap(), LogIn::Refused);
        }
    }
    let right = log_in(&opened.database, &keys, attempt(PASSWORD), NOW).await;
    assert_eq!(right.unwrap(), LogIn::Refused);
    let query = AuditQuery {
        by: Some("a@b.in"),
        limit: 100,
        ..AuditQuery::default()
    };
    let written = entries(&opened.database, &query).await.unwrap();
    let locked = |entry: &&AuditEntry| entry.action == "log-in failed, account locked";
    assert_eq!(
        (written.len(), written.iter().filter(locked).count()),
        (5, 1)
    );
}

pub(crate) async fn a_right_password_among_tries_at_one_moment_is_told_only_where_it_is_counted(
    opened: Opened,
) {
    let member = member(&opened, "a@b.in").await;
    let tries = (0..10).map(|_| is_owner(&opened.database, &member, PASSWORD, NOW));
    let told = futures_util::future::join_all(tries).await;
    let told = told.into_iter().filter(|told| *told.as_ref().unwrap());
    // Each of them was written down before he was told; most have read how the account stands before the first one is through.
    let kept = opened.database.get::<StaffAccess>(&member.id).await;
    let counted = kept.unwrap().unwrap().version;
    let told = i64::try_from(told.count()).unwrap();
    assert!(
        told == counted && told >= 1,
        "{told} told, {counted} counted"
    );
}

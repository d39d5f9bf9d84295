//! Interim answers (RFC 9110 15.2), for example early hints: they come before the answer and are passed on at once.

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::head::Head;

/// Those of one request that nobody has taken yet; the limit of heads bounds them.
#[derive(Debug, Default)]
pub(super) struct Interims {
    heads: Mutex<Vec<Head>>,
    came: Notify,
}

impl Interims {
    pub(super) fn push(&self, head: Head) {
        self.heads.lock().push(head);
        self.came.notify_one();
    }

    pub(super) fn take(&self) -> Vec<Head> {
        std::mem::take(&mut *self.heads.lock())
    }

    /// Resolves with what has come, once something has.
    pub(super) async fn next(&self) -> Vec<Head> {
        loop {
            let heads = self.take();
            if !heads.is_empty() {
                return heads;
            }
            self.came.notified().await;
        }
    }
}

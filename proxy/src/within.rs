//! Waiting with an end.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// Awaits within a time that begins only when there is something to wait for: most is ready at once, and costs no timer.
///
/// # Errors
/// When the time is over first.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match futures_util::poll!(future.as_mut()) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => timeout(limit, future).await,
    }
}

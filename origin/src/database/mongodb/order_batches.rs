//! Orders that arrive while a batch is being written form the next one: one transaction for all of them, so that a hot
//! product costs one write and not a storm of conflicts.

use std::sync::{Arc, Weak};

use tokio::sync::{mpsc, oneshot};

use super::super::DatabaseError;
use super::orders::place_all;
use super::{Answer, Mongo, Shared};
use crate::commerce::orders::{NewOrder, Placed};

/// Orders that may wait for a batch; more are answered 503.
const WAITING_MAX: usize = 1024;
/// Orders of one transaction.
const BATCH_MAX: usize = 128;

/// An order and whoever waits for it.
pub(super) struct Waiting {
    order: NewOrder,
    answer: oneshot::Sender<Answer<Placed>>,
}

/// The way to the task that writes batches; it ends when the database is dropped.
pub(super) fn queue() -> (mpsc::Sender<Waiting>, mpsc::Receiver<Waiting>) {
    mpsc::channel(WAITING_MAX)
}

/// Writes one batch after the other.
pub(super) async fn write_batches(database: Weak<Shared>, mut queue: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let Some(shared) = database.upgrade() else {
            return;
        };
        let (orders, answers): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(|waiting| (waiting.order, waiting.answer))
            .unzip();
        let placed = Box::pin(Mongo(shared).place_together(orders)).await;
        for (answer, placed) in answers.into_iter().zip(placed) {
            // A caller that went away no longer wants its answer; the order stands.
            let _ = answer.send(placed);
        }
    }
}

impl Mongo {
    /// See [`super::super::Database::place_order`].
    pub async fn place_order(&self, order: &NewOrder) -> Answer<Placed> {
        let (answer, placed) = oneshot::channel();
        let order = order.clone();
        let sent = self.0.orders.try_send(Waiting { order, answer });
        sent.map_err(|_| DatabaseError::PoolTimeout)?;
        let ended = |_| DatabaseError::Unavailable("the order was not written".to_owned());
        placed.await.map_err(ended)?
    }

    /// One answer for each order. When the whole does not go through although the database works, its halves are tried: an
    /// order that spoils a batch must not fail the others.
    async fn place_together(&self, orders: Vec<NewOrder>) -> Vec<Answer<Placed>> {
        let orders = Arc::new(orders);
        let these = Arc::clone(&orders);
        let done = self
            .write(move |this, session| {
                let orders = Arc::clone(&these);
                Box::pin(async move { place_all(this, session, &orders).await })
            })
            .await;
        let error = match done {
            Ok(placed) => return placed.into_iter().map(Ok).collect(),
            Err(error) => error,
        };
        if orders.len() > 1 && !error.is_of_the_database() {
            let mut first = orders.to_vec();
            let second = first.split_off(orders.len() / 2);
            let mut answers = Box::pin(self.place_together(first)).await;
            answers.append(&mut Box::pin(self.place_together(second)).await);
            return answers;
        }
        self.what_became_of(&orders, &error).await
    }

    /// What became of a batch whose commit was not answered, or not made: the keys tell.
    async fn what_became_of(
        &self,
        orders: &[NewOrder],
        error: &DatabaseError,
    ) -> Vec<Answer<Placed>> {
        let mut answers = Vec::with_capacity(orders.len());
        let mut answers_keys = true;
        for order in orders {
            let known = match answers_keys {
                true => self.order_by_key(&order.idempotency_key).await,
                false => Ok(None),
            };
            answers_keys &= known.is_ok();
            answers.push(match known {
                Ok(Some((_, known))) if known.id == order.id => Ok(Placed::New(known)),
                Ok(Some((hash, known))) => Ok(Placed::again(known, hash == order.body_hash)),
                _ => Err(DatabaseError::Unavailable(error.to_string())),
            });
        }
        answers
    }
}

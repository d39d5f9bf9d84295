//! MongoDB: a replica set, a single-node one is enough. One client; a pool leases its sessions, so that requests wait
//! here, with a deadline, and not inside the driver. Every write is a transaction that also counts `changes` on.

mod abandoned;
mod catalogue;
mod changes;
mod combos;
mod error;
mod grounds;
mod migrations;
mod order_batches;
mod orders;
mod orders_by_time;
mod product_batches;
mod products;
mod questions;
mod ratings;
mod records;
mod sessions;
mod stock;
mod tallies;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bb8::{Pool, PooledConnection};
use futures_util::future::BoxFuture;
use mongodb::bson::{Document, doc};
use mongodb::error::{TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{ClientOptions, ReadConcern, WriteConcern};
use mongodb::{Client, ClientSession, Collection};
use tokio::sync::mpsc;

use self::error::Failure;
use self::sessions::{Lease, Sessions};
use super::settings::Config;
use super::{Answer, DatabaseError, PoolUse};

/// A transaction that meets others is tried again for so long; then the request is answered 503. Longer than a dead
/// program's transaction lies about ([`abandoned`]).
const TRIED_FOR: Duration = Duration::from_secs(10);

/// A commit of unknown result is asked for again for so long: twice what a replica set usually takes to find another primary. Whoever
/// waits behind it is told to come back then.
const COMMITTED_WITHIN: Duration = Duration::from_secs(20);

/// Conflicts after which it is looked whether a program died in the middle of a transaction.
const CONFLICTS_BEFORE_A_LOOK: u32 = 5;

/// The replica set. Cheap to clone; clones share client and pool.
#[derive(Clone)]
pub struct Mongo(Arc<Shared>);

struct Shared {
    database: mongodb::Database,
    leases: Pool<Sessions>,
    database_id: String,
    query_timeout: Duration,
    socket_timeout: Duration,
    changes_kept: u32,
    size_max: u32,
    orders: mpsc::Sender<order_batches::Waiting>,
    abandoned: abandoned::Looks,
}

type Working<'a, T> = BoxFuture<'a, Result<T, Failure>>;

impl Mongo {
    /// Connects and brings the schema up to date.
    ///
    /// # Errors
    /// [`DatabaseError::NewerSchema`] for a database of a newer program, [`DatabaseError::Unavailable`] when no server
    /// can be reached.
    pub async fn open(config: &Config) -> Answer<Self> {
        let settings = &config.mongodb;
        let (uri, socket_timeout) = settings.connection();
        let wrong = || DatabaseError::Unavailable("socketTimeoutMS is no time".to_owned());
        let socket_timeout = socket_timeout.ok_or_else(wrong)?;
        let mut options = ClientOptions::parse(&uri).await.map_err(Failure::from)?;
        options.server_selection_timeout =
            Some(Duration::from_millis(settings.server_selection_timeout_ms));
        options.max_pool_size = Some(config.pool.size_max + settings.connections_reserve);
        options.min_pool_size = Some(config.pool.size_min);
        options.max_idle_time = Some(Duration::from_secs(config.pool.idle_timeout_seconds));
        options.write_concern = Some(WriteConcern::majority());
        options.read_concern = Some(ReadConcern::majority());
        options.app_name = Some(abandoned::APP_NAME.to_owned());
        let client = Client::with_options(options).map_err(Failure::from)?;
        let database = client.database(&settings.database);
        let database_id = migrations::run(&database, settings).await?;
        let leases = sessions::pool(client, &config.pool).await?;
        let (orders, waiting) = order_batches::queue();
        let shared = Arc::new(Shared {
            database,
            leases,
            database_id,
            query_timeout: Duration::from_millis(config.query_timeout_ms),
            socket_timeout,
            changes_kept: config.changes_kept,
            size_max: config.pool.size_max,
            orders,
            abandoned: abandoned::Looks::default(),
        });
        tokio::spawn(order_batches::write_batches(
            Arc::downgrade(&shared),
            waiting,
        ));
        Ok(Self(shared))
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        self.0.database.collection(name)
    }

    async fn lease(&self) -> Answer<PooledConnection<'static, Sessions>> {
        self.0
            .leases
            .get_owned()
            .await
            .map_err(|error| match error {
                bb8::RunError::TimedOut => DatabaseError::PoolTimeout,
                bb8::RunError::User(error) => Failure::from(error).into(),
            })
    }

    /// Asks a question in a leased session, within the deadlines.
    async fn read<T>(
        &self,
        question: impl for<'a> FnOnce(&'a Self, &'a mut ClientSession) -> Working<'a, T>,
    ) -> Answer<T> {
        let mut lease = self.lease().await?;
        let asked = question(self, &mut lease.session);
        let answer = tokio::time::timeout(self.0.socket_timeout, asked).await;
        let answer =
            answer.map_err(|_| DatabaseError::QueryTimeout(milliseconds(self.0.socket_timeout)))?;
        lease.mark_clean();
        answer.map_err(|failure| failure.within(self.0.query_timeout))
    }

    /// Runs a change in a transaction, again when it met another one. In a task of its own: a request that is given up
    /// must not leave a transaction open in a session that the next one gets.
    async fn write<T: Send + 'static>(
        &self,
        change: impl for<'a> Fn(&'a Self, &'a mut ClientSession) -> Working<'a, T>
        + Send
        + Sync
        + 'static,
    ) -> Answer<T> {
        let mut lease = self.lease().await?;
        let this = self.clone();
        let limit = self.0.socket_timeout;
        let work = tokio::spawn(async move {
            let done = tokio::time::timeout(limit, this.transact(&mut lease, &change)).await;
            let done = done.unwrap_or(Err(Failure::Known(DatabaseError::QueryTimeout(
                milliseconds(limit),
            ))));
            if done.is_ok() {
                lease.mark_clean();
            }
            done.map_err(|failure| failure.within(this.0.query_timeout))
        });
        work.await
            .map_err(|error| DatabaseError::Unavailable(format!("the write ended: {error}")))?
    }

    async fn transact<T>(
        &self,
        lease: &mut Lease,
        change: &(impl for<'a> Fn(&'a Self, &'a mut ClientSession) -> Working<'a, T> + Sync),
    ) -> Result<T, Failure> {
        let session = &mut lease.session;
        let begun = Instant::now();
        for attempt in 0.. {
            session.start_transaction().await?;
            let failed = match change(self, session).await {
                Ok(done) => match commit(session).await {
                    Ok(()) => return Ok(done),
                    Err(error) => error,
                },
                Err(failed) => {
                    // It may be aborted already; what counts is the first failure.
                    let _ = session.abort_transaction().await;
                    failed
                }
            };
            if begun.elapsed() >= TRIED_FOR || !failed.has_label(TRANSIENT_TRANSACTION_ERROR) {
                return Err(failed);
            }
            tokio::time::sleep(Duration::from_millis(2 << attempt.min(6))).await;
            if attempt >= CONFLICTS_BEFORE_A_LOOK {
                abandoned::free(self).await;
            }
        }
        Err(Failure::Known(DatabaseError::Unavailable(
            "too many write conflicts".to_owned(),
        )))
    }

    /// How long the smallest question takes.
    pub async fn ping(&self) -> Answer<Duration> {
        let begin = Instant::now();
        self.read(|this, session| {
            Box::pin(async move {
                this.0
                    .database
                    .run_command(doc! { "ping": 1 })
                    .session(session)
                    .await?;
                Ok(())
            })
        })
        .await?;
        Ok(begin.elapsed())
    }

    /// See [`super::Database::database_id`].
    pub async fn database_id(&self) -> Answer<String> {
        Ok(self.0.database_id.clone())
    }

    /// How much of the pool is in use.
    pub fn pool_use(&self) -> PoolUse {
        let state = self.0.leases.state();
        PoolUse {
            size: state.connections,
            in_use: state.connections.saturating_sub(state.idle_connections),
            size_max: self.0.size_max,
            waited: state.statistics.get_waited,
            timed_out: state.statistics.get_timed_out,
        }
    }
}

/// Commits; where the result is unknown, asking again gives it.
async fn commit(session: &mut ClientSession) -> Result<(), Failure> {
    let asking = async {
        loop {
            match session.commit_transaction().await {
                Err(error) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => {
                    // Some are told at once.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                result => return Ok(result?),
            }
        }
    };
    let asked = tokio::time::timeout(COMMITTED_WITHIN, asking).await;
    asked.unwrap_or_else(|_| {
        let unknown = "whether a commit was made is not known".to_owned();
        Err(Failure::Known(DatabaseError::Unavailable(unknown)))
    })
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

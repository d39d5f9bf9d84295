//! The one writer of this process: a thread that takes the writes that are waiting into one commit.
//!
//! Each write runs in a savepoint of its own, so that one that fails or panics undoes only itself. Nobody is answered before
//! the commit is on disk; if the commit fails, everybody in it is told so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::super::settings;
use super::{Answer, DatabaseError, changes};

/// Runs inside the transaction and says how it went; the answer waits in [`Done`] for the commit.
type Job = Box<dyn FnOnce(&Connection) -> Done + Send>;

/// A write that has run: whether to keep it, and how to answer once the commit's fate is known.
struct Done {
    keep: bool,
    answer: Box<dyn FnOnce(Option<DatabaseError>) + Send>,
}

/// The way to the writing thread, which ends when the last of these is dropped.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    /// Whether the file refused a write, and none was kept since then that [`Writer::ping`] has made.
    is_refused: AtomicBool,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        connection: Connection,
        settings: &settings::Sqlite,
        changes_kept: u32,
    ) -> Answer<Self> {
        let (jobs, queue) = mpsc::channel(settings.write_queue_max);
        let batch_max = settings.write_batch_max;
        let is_refused = AtomicBool::new(false);
        thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write_until_closed(&connection, queue, batch_max, changes_kept))
            .map_err(|error| DatabaseError::Unavailable(error.to_string()))?;
        Ok(Self { jobs, is_refused })
    }

    /// Whether writes are taken: the thread is alive and can begin one; and where the file has refused a write, it keeps another.
    pub(super) async fn ping(&self) -> Answer<()> {
        if !self.is_refused.load(Ordering::Relaxed) {
            return self.write(|_| Ok(())).await;
        }
        let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('pinged_at', datetime('now'))";
        self.write(|connection| Ok(connection.execute(sql, [])?))
            .await?;
        self.is_refused.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Queues a write and waits for its commit.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // What the write did is undone, and statements that it left open are closed as the stack unwinds.
            let result = catch_unwind(AssertUnwindSafe(|| change(connection)));
            let result = result.unwrap_or_else(|_| {
                tracing::error!("a write panicked and is undone");
                Err(DatabaseError::Driver("the write panicked".to_owned()))
            });
            Done {
                keep: result.is_ok(),
                answer: Box::new(move |failed| {
                    let result = match failed {
                        Some(error) if result.is_ok() => Err(error),
                        _ => result,
                    };
                    // A caller that went away no longer wants its answer; the write stands.
                    let _ = sender.send(result);
                }),
            }
        });
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DatabaseError::PoolTimeout,
            mpsc::error::TrySendError::Closed(_) => {
                DatabaseError::Unavailable("the writer has ended".to_owned())
            }
        })?;
        let refused = || DatabaseError::Unavailable("the file takes no writes now".to_owned());
        let answer = receiver.await.unwrap_or_else(|_| Err(refused()));
        if let Err(DatabaseError::Unavailable(_) | DatabaseError::ReadOnly(_)) = &answer {
            self.is_refused.store(true, Ordering::Relaxed);
        }
        answer
    }
}

fn write_until_closed(
    connection: &Connection,
    mut queue: mpsc::Receiver<Job>,
    batch_max: usize,
    changes_kept: u32,
) {
    while let Some(first) = queue.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < batch_max {
            match queue.try_recv() {
                Ok(job) => batch.push(job),
                Err(_) => break,
            }
        }
        commit(connection, batch, changes_kept);
    }
}

fn commit(connection: &Connection, batch: Vec<Job>, changes_kept: u32) {
    if let Err(error) = command(connection, "BEGIN IMMEDIATE") {
        // Dropping a job that has not run closes its channel, which tells its caller that nothing was written.
        tracing::error!(%error, writes = batch.len(), "cannot begin a write transaction");
        return;
    }
    let mut done = Vec::with_capacity(batch.len());
    for job in batch {
        done.push(run(connection, job));
        // A full disk or a broken file undoes the whole transaction at once (sqlite.org/lang_transaction.html): what was written
        // now would be kept by itself. The rest is dropped, and told that nothing was written.
        if connection.is_autocommit() {
            break;
        }
    }
    let committed = if connection.is_autocommit() {
        let undone = "the file has undone the transaction";
        Err(DatabaseError::Unavailable(undone.to_owned()))
    } else {
        changes::trim(connection, changes_kept).and_then(|()| command(connection, "COMMIT"))
    };
    let failed = committed.err().map(|error| error.to_string());
    if let Some(error) = &failed {
        tracing::error!(%error, writes = done.len(), "a commit failed; its writes are undone");
        let _ = command(connection, "ROLLBACK");
    }
    for each in done {
        (each.answer)(failed.clone().map(DatabaseError::Unavailable));
    }
}

/// Runs one write in its savepoint. A savepoint that cannot be undone poisons nothing: the commit then fails as well.
fn run(connection: &Connection, job: Job) -> Done {
    let begun = command(connection, "SAVEPOINT job");
    let done = job(connection);
    let undone = if done.keep && begun.is_ok() {
        Ok(())
    } else {
        command(connection, "ROLLBACK TO job")
    };
    match undone.and_then(|()| command(connection, "RELEASE job")) {
        Ok(()) => done,
        Err(error) => {
            let error = error.to_string();
            let answer = done.answer;
            Done {
                keep: false,
                answer: Box::new(move |_| answer(Some(DatabaseError::Unavailable(error)))),
            }
        }
    }
}

/// A statement without values and rows, parsed once.
fn command(connection: &Connection, sql: &str) -> Answer<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::migrations;
    use super::*;

    fn writer() -> Writer {
        let whole: crate::config::Config = serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::run(&mut connection).unwrap();
        Writer::start(connection, &whole.database.sqlite, 100).unwrap()
    }

    /// Writes a key, and panics with a row in hand where it is told to.
    async fn put(writer: &Writer, key: &'static str, panics: bool) -> Answer<()> {
        let put = writer.write(move |connection| {
            connection.execute("INSERT INTO meta VALUES (?1, 'test')", [key])?;
            let mut found = connection.prepare_cached("SELECT key FROM meta")?;
            let mut found = found.query([])?;
            assert!(found.next()?.is_some() && !panics, "as the test wants it");
            Ok(())
        });
        put.await
    }

    #[tokio::test]
    async fn a_write_that_panics_undoes_itself_and_nobody_elses() {
        let writer = writer();
        for round in [["a", "b", "c"], ["d", "e", "f"]] {
            // They wait together, and share a commit where the thread finds them so.
            let (before, failed, after) = tokio::join!(
                put(&writer, round[0], false),
                put(&writer, round[1], true),
                put(&writer, round[2], false),
            );
            assert!(before.is_ok() && after.is_ok(), "{before:?} {after:?}");
            assert!(
                matches!(failed, Err(DatabaseError::Driver(_))),
                "{failed:?}"
            );
        }
        let kept = writer.write(|connection| {
            let sql = "SELECT group_concat(key, '') FROM
                       (SELECT key FROM meta WHERE value = 'test' ORDER BY key)";
            Ok(connection.query_row(sql, [], |row| row.get::<_, String>(0))?)
        });
        assert_eq!(kept.await.unwrap(), "acdf");
    }

    #[tokio::test]
    async fn of_a_transaction_that_the_file_undoes_nothing_is_kept_and_everybody_is_told() {
        let writer = writer();
        let (go, wait) = std::sync::mpsc::channel();
        let busy = writer.write(move |_| Ok(wait.recv().is_ok()));
        let undoing = writer.write(|connection| {
            // What SQLite does by itself when the disk is full.
            connection.execute_batch("ROLLBACK")?;
            Err::<(), _>(DatabaseError::Unavailable("full".to_owned()))
        });
        // They wait while the thread is busy, and so share a commit.
        let (_, before, undone, after, ()) = tokio::join!(
            busy,
            put(&writer, "a", false),
            undoing,
            put(&writer, "b", false),
            async { go.send(()).unwrap() },
        );
        for told in [before, undone, after] {
            assert!(
                matches!(told, Err(DatabaseError::Unavailable(_))),
                "{told:?}"
            );
        }
        put(&writer, "c", false).await.unwrap();
        let kept = writer.write(|connection| {
            let sql = "SELECT group_concat(key, '') FROM meta WHERE value = 'test'";
            Ok(connection.query_row(sql, [], |row| row.get::<_, String>(0))?)
        });
        assert_eq!(kept.await.unwrap(), "c");
    }
}

//! One JSON line a request. Lines gather in memory, up to two bounds, and a thread of its own writes many of them at once: a slow
//! disk costs lines, never a request's time.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use parking_lot::{Condvar, Mutex};
use serde::{Serialize, Serializer};

use super::{AccessLogConfig, Metrics};

/// So many bytes are written without waiting for more.
const BATCH_BYTES: usize = 64 * 1024;

/// More than an ordinary line has: of so many bytes for each line that may wait, they may have all together. A path can be as
/// long as a head, and a disk can stall for long.
const LINE_BYTES: usize = 1024;

/// What a buffer keeps for the next batch.
const KEPT_BYTES: usize = 4 * BATCH_BYTES;

/// The longest time that a line waits for others, to be written with them.
const GATHER: Duration = Duration::from_millis(200);

/// How long the end of the program waits for the last lines: a disk that hangs must not hold it.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is written of a request. No query: people type names into it.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// When the answer ended, in microseconds since the epoch; written as RFC 3339, UTC.
    #[serde(serialize_with = "moment")]
    pub time: i64,
    /// Id of the request.
    pub request_id: &'a str,
    /// Trace of the request.
    pub traceparent: &'a str,
    /// The client, where the configuration wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// Method; it, host and path are empty where a request could not be read.
    pub method: &'a str,
    /// The host that was asked for.
    pub host: &'a str,
    /// Path without the query.
    pub path: &'a str,
    /// Status; 0 when no answer could be sent.
    pub status: u16,
    /// Bytes of the body that were sent.
    pub bytes: usize,
    /// From the request's head to the end of the answer.
    pub duration_us: i64,
    /// What `Cache-Status` said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<&'a str>,
    /// The origin that was asked for this client alone; a fetch for the cache is everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<&'a str>,
}

fn moment<S: Serializer>(microseconds: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    let moment = Timestamp::from_microsecond(*microseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    serializer.collect_str(&moment)
}

/// The way to the writer; nothing when the log is off.
pub struct AccessLog {
    gathered: Option<Arc<Gathered>>,
    /// Whether clients' addresses are written.
    pub addresses: bool,
    lines_max: usize,
    metrics: Arc<Metrics>,
}

/// What requests leave and the writer takes.
#[derive(Default)]
struct Gathered {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    text: Vec<u8>,
    lines: usize,
    /// No line will follow.
    is_over: bool,
    /// The writer has written the last line.
    has_ended: bool,
}

impl AccessLog {
    /// Opens the log and starts its writer, which ends when the log is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn start(config: &AccessLogConfig, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let mut log = Self {
            gathered: None,
            addresses: config.addresses,
            lines_max: config.lines_max,
            metrics,
        };
        if !config.enabled {
            return Ok(log);
        }
        let output: Box<dyn Write + Send> = match &config.file {
            None => Box::new(std::io::stdout()),
            Some(path) => {
                let file = std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path);
                Box::new(
                    file.with_context(|| format!("telemetry.access_log.file: {}", path.display()))?,
                )
            }
        };
        let gathered = Arc::new(Gathered::default());
        log.gathered = Some(Arc::clone(&gathered));
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || gathered.write_all_to(output))?;
        Ok(log)
    }

    /// Whether lines are wanted at all.
    pub fn is_on(&self) -> bool {
        self.gathered.is_some()
    }

    /// Leaves a line for the writer, or drops and counts it.
    pub fn write(&self, line: &Line<'_>) {
        let Some(gathered) = &self.gathered else {
            return;
        };
        let mut text = Vec::with_capacity(512);
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut text, line);
        text.push(b'\n');
        if !gathered.take(&text, self.lines_max) {
            self.metrics.access_log_dropped.inc();
        }
    }
}

impl Gathered {
    /// False when there is no room for the line.
    fn take(&self, line: &[u8], lines_max: usize) -> bool {
        let mut state = self.state.lock();
        let before = state.text.len();
        let bytes_max = lines_max.saturating_mul(LINE_BYTES);
        // One alone is taken however long it is.
        let is_too_much = before > 0 && before + line.len() > bytes_max;
        if state.lines >= lines_max || is_too_much {
            return false;
        }
        state.text.extend_from_slice(line);
        state.lines += 1;
        let is_news = before == 0 || (before < BATCH_BYTES && state.text.len() >= BATCH_BYTES);
        drop(state);
        if is_news {
            self.news.notify_one();
        }
        true
    }

    /// The writer's work, until the log is over.
    fn write_all_to(&self, mut output: impl Write) {
        let mut batch = Vec::with_capacity(BATCH_BYTES);
        let mut is_over = false;
        while !is_over {
            let mut state = self.state.lock();
            while state.text.is_empty() && !state.is_over {
                self.news.wait(&mut state);
            }
            if state.text.len() < BATCH_BYTES && !state.is_over {
                self.news.wait_for(&mut state, GATHER);
            }
            std::mem::swap(&mut state.text, &mut batch);
            state.lines = 0;
            is_over = state.is_over;
            drop(state);
            // A full disk must not stop the shop; the loss shows in the log itself.
            let _ = output.write_all(&batch).and_then(|()| output.flush());
            batch.clear();
            batch.shrink_to(KEPT_BYTES);
        }
        self.state.lock().has_ended = true;
        self.news.notify_all();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        if let Some(gathered) = &self.gathered {
            let mut state = gathered.state.lock();
            state.is_over = true;
            gathered.news.notify_all();
            let ended = |state: &mut State| !state.has_ended;
            gathered.news.wait_while_for(&mut state, ended, FAREWELL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> Line<'_> {
        Line {
            time: 1_764_057_392_123_456,
            request_id: "one-and-the-same",
            traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            client: Some(IpAddr::from([198, 51, 100, 7])),
            method: "GET",
            host: "shop",
            path,
            status: 200,
            bytes: 5,
            duration_us: 7,
            cache: Some("crackers; hit; ttl=9"),
            upstream: None,
        }
    }

    fn log(file: &std::path::Path, lines_max: usize) -> AccessLog {
        let config = AccessLogConfig {
            enabled: true,
            file: Some(file.to_owned()),
            addresses: true,
            lines_max,
        };
        AccessLog::start(&config, Arc::new(Metrics::new())).unwrap()
    }

    #[test]
    fn every_line_is_written_before_the_log_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        let log = log(&file, 100_000);
        for _ in 0..1000 {
            log.write(&line("/a\"b"));
        }
        drop(log);
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 1000);
        insta::assert_snapshot!(text.lines().next().unwrap());
    }

    #[test]
    fn lines_beyond_the_bound_are_dropped_and_counted() {
        let gathered = Gathered::default();
        let taken: Vec<_> = (0..3).map(|_| gathered.take(b"line\n", 2)).collect();
        assert_eq!(taken, [true, true, false]);
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder.path().join("log"), 0);
        log.write(&line("/"));
        assert_eq!(log.metrics.access_log_dropped.get(), 1);
    }

    #[test]
    fn long_lines_fill_the_bound_before_there_are_many_and_one_alone_is_always_taken() {
        let gathered = Gathered::default();
        let long = vec![b'x'; 3 * LINE_BYTES];
        let taken: Vec<_> = (0..4).map(|_| gathered.take(&long, 10)).collect();
        assert_eq!(taken, [true, true, true, false]);
        assert!(gathered.take(b"short\n", 10));
        let alone = Gathered::default();
        assert!(alone.take(&long, 1));
        assert!(!alone.take(b"\n", 1));
    }

    /// Says how long each batch was.
    struct Output(std::sync::mpsc::Sender<usize>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // Whoever asked may know enough.
            let _ = self.0.send(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_buffer_stays_as_large_as_its_largest_batch() {
        let (gathered, (sender, written)) =
            (Arc::new(Gathered::default()), std::sync::mpsc::channel());
        let large = vec![b'x'; 8 * KEPT_BYTES];
        assert!(gathered.take(&large, 100_000));
        let writer = Arc::clone(&gathered);
        let writer = std::thread::spawn(move || writer.write_all_to(Output(sender)));
        // With each batch the two buffers change places.
        assert_eq!(written.recv().unwrap(), large.len());
        assert!(gathered.take(b"a\n", 100_000));
        assert_eq!(written.recv().unwrap(), 2);
        assert!(gathered.take(b"b\n", 100_000));
        assert_eq!(written.recv().unwrap(), 2);
        gathered.state.lock().is_over = true;
        gathered.news.notify_all();
        writer.join().unwrap();
        let kept = gathered.state.lock().text.capacity();
        assert!(kept <= 2 * KEPT_BYTES, "{kept}");
    }
}

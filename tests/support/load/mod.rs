//! Customers who go on asking while a test does things to the shop. They are careful as RFC 9112, 9.3.1 has it: a request that
//! may be repeated is, once, when a connection that has served before closes without a byte of answer. Whatever else is not
//! the expected answer, whole, is a failure.

mod http1;
mod http2;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, ensure};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::process::PATIENCE;
use crate::tls::Authority;

/// Failures that are kept word for word; the rest is only counted.
const FAILURES_KEPT: usize = 100;

/// A request, and the status that its answer must have.
#[derive(Clone, Debug)]
pub struct Request {
    /// GET or POST.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// JSON; empty for none.
    pub body: String,
    /// The status of a good answer.
    pub expected: u16,
}

/// An edge, from where its customers stand.
pub struct Target {
    port: u16,
    tls_port: u16,
    name: &'static str,
    http1: TlsConnector,
    http2: TlsConnector,
}

impl Target {
    /// An edge on these ports of this machine, by a name for which the authority signs.
    ///
    /// # Errors
    /// When there can be no client that believes the authority.
    pub fn new(
        port: u16,
        tls_port: u16,
        name: &'static str,
        authority: &Authority,
    ) -> Result<Self> {
        Ok(Self {
            port,
            tls_port,
            name,
            http1: authority.client_of(&["http/1.1"])?,
            http2: authority.client_of(&["h2"])?,
        })
    }

    /// A connection over plain TCP.
    ///
    /// # Errors
    /// When there is none.
    pub async fn plain(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await;
        stream.context("connecting")
    }

    async fn secure(&self, connector: &TlsConnector) -> Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", self.tls_port)).await;
        let shaken = connector.connect(self.name.try_into()?, stream.context("connecting")?);
        shaken.await.context("handshake")
    }
}

/// Why there is no answer.
enum Lost {
    /// The server says that it has done nothing of it: anything may be repeated.
    Untouched(Error),
    /// The connection closed before any byte of an answer.
    Unanswered(Error),
    /// Anything else.
    Broken(Error),
}

/// What became of all requests.
#[derive(Debug, Default)]
pub struct Counts {
    /// Good answers, by the way in which customers came.
    pub answered: BTreeMap<&'static str, u64>,
    /// Requests that were repeated, as they may be.
    pub repeated: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Why: the first hundred.
    pub failures: Vec<String>,
}

/// How customers come.
#[derive(Clone, Copy)]
enum Way {
    Kept { is_secure: bool },
    Fresh { is_secure: bool },
    Http2,
}

const WAYS: [Way; 8] = [
    Way::Kept { is_secure: false },
    Way::Kept { is_secure: false },
    Way::Kept { is_secure: false },
    Way::Kept { is_secure: false },
    Way::Kept { is_secure: true },
    Way::Fresh { is_secure: false },
    Way::Fresh { is_secure: true },
    Way::Http2,
];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Kept { is_secure: false } => "kept",
            Self::Kept { is_secure: true } => "kept over TLS",
            Self::Fresh { is_secure: false } => "fresh",
            Self::Fresh { is_secure: true } => "fresh over TLS",
            Self::Http2 => "HTTP/2",
        }
    }
}

struct Work {
    target: Target,
    requests: Vec<Request>,
    pause: Duration,
    enough: AtomicBool,
    turn: AtomicU64,
    counts: Mutex<Counts>,
}

/// Customers at work, until [`Load::end`].
pub struct Load {
    work: Arc<Work>,
    customers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    /// Eight customers, or so many times as many, ask for all of this in turn, with a pause after each answer.
    pub fn begin(target: Target, requests: Vec<Request>, times: usize, pause: Duration) -> Self {
        let work = Arc::new(Work {
            target,
            requests,
            pause,
            enough: AtomicBool::new(false),
            turn: AtomicU64::new(0),
            counts: Mutex::default(),
        });
        let customers = WAYS.iter().cycle().take(WAYS.len() * times);
        let customers = customers.map(|way| tokio::spawn(customer(Arc::clone(&work), *way)));
        Self {
            customers: customers.collect(),
            work,
        }
    }

    /// The edge that they ask.
    pub fn target(&self) -> &Target {
        &self.work.target
    }

    /// Good answers so far, by the way in which customers came.
    pub fn answered(&self) -> BTreeMap<&'static str, u64> {
        self.work.count(|counts| counts.answered.clone())
    }

    /// Nothing, as long as nothing has failed.
    ///
    /// # Errors
    /// When something has: why.
    pub fn check(&self) -> Result<()> {
        self.work.count(|counts| {
            let Counts {
                failed, failures, ..
            } = &*counts;
            ensure!(*failed == 0, "{failed} failed: {failures:#?}");
            Ok(())
        })
    }

    /// Lets every customer end with the answer that it waits for.
    ///
    /// # Errors
    /// When one of them has panicked.
    pub async fn end(self) -> Result<Counts> {
        self.work.enough.store(true, Ordering::Relaxed);
        for customer in self.customers {
            customer.await?;
        }
        Ok(self.work.count(std::mem::take))
    }
}

impl Work {
    fn count<T>(&self, count: impl FnOnce(&mut Counts) -> T) -> T {
        count(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

enum Connection {
    Http1(http1::Connection),
    Http2(http2::Connection),
}

impl Connection {
    async fn open(target: &Target, way: Way) -> Result<Self> {
        let opening = async {
            Ok(match way {
                Way::Kept { is_secure } | Way::Fresh { is_secure } => {
                    Self::Http1(http1::Connection::open(target, is_secure).await?)
                }
                Way::Http2 => Self::Http2(http2::Connection::open(target).await?),
            })
        };
        tokio::time::timeout(PATIENCE, opening)
            .await
            .context("no connection")?
    }

    async fn ask(&mut self, request: &Request, name: &str) -> Result<u16, Lost> {
        let asking = async {
            match self {
                Self::Http1(connection) => connection.ask(request, name).await,
                Self::Http2(connection) => connection.ask(request, name).await,
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, asking).await;
        in_time.unwrap_or_else(|_| Err(Lost::Broken(Error::msg("no answer in time"))))
    }

    fn is_last(&self) -> bool {
        matches!(self, Self::Http1(connection) if connection.is_last)
    }
}

async fn customer(work: Arc<Work>, way: Way) {
    let mut kept = None;
    while !work.enough.load(Ordering::Relaxed) {
        let turn = work.turn.fetch_add(1, Ordering::Relaxed);
        let place = usize::try_from(turn).unwrap_or_default() % work.requests.len();
        let request = &work.requests[place];
        let asked = ask(&work, way, &mut kept, request).await;
        work.count(|counts| match &asked {
            Ok(()) => *counts.answered.entry(way.name()).or_default() += 1,
            Err(error) => {
                counts.failed += 1;
                if counts.failures.len() < FAILURES_KEPT {
                    let (by, what) = (way.name(), &request.path);
                    let why = format!("{by}: {} {what}: {error:#}", request.method);
                    counts.failures.push(why);
                }
            }
        });
        tokio::time::sleep(work.pause).await;
    }
}

/// Sends one request, on the connection that is kept if there is one.
async fn ask(
    work: &Work,
    way: Way,
    kept: &mut Option<Connection>,
    request: &Request,
) -> Result<()> {
    let (target, name) = (&work.target, work.target.name);
    let was_used = kept.is_some();
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::open(target, way).await?,
    };
    let mut answer = connection.ask(request, name).await;
    let may_repeat = match &answer {
        Err(Lost::Untouched(_)) => true,
        Err(Lost::Unanswered(_)) => was_used && request.method == "GET",
        Err(Lost::Broken(_)) | Ok(_) => false,
    };
    if may_repeat {
        work.count(|counts| counts.repeated += 1);
        connection = Connection::open(target, way).await?;
        answer = connection.ask(request, name).await;
    }
    let status = answer.map_err(|lost| match lost {
        Lost::Untouched(error) => error.context("not touched"),
        Lost::Unanswered(error) => error.context("no byte of an answer"),
        Lost::Broken(error) => error,
    })?;
    if !connection.is_last() && !matches!(way, Way::Fresh { .. }) {
        *kept = Some(connection);
    }
    ensure!(status == request.expected, "answered {status}");
    Ok(())
}

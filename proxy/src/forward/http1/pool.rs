//! Connections that wait for their next request, of each address those used last first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use pingora::protocols::l4::socket::SocketAddr;
use prometheus::IntGauge;
use tokio::time::Instant;

use super::connection::Connection;

/// How often it is looked for connections that have waited too long, or that their origin has closed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Pool {
    state: Mutex<State>,
    connections_max: usize,
    shown: IntGauge,
}

#[derive(Default)]
struct State {
    waiting: HashMap<SocketAddr, VecDeque<(Connection, Instant)>>,
    count: usize,
    is_swept: bool,
}

impl Pool {
    /// An empty pool of at most so many connections.
    pub(super) fn new(connections_max: usize, shown: IntGauge) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            connections_max,
            shown,
        })
    }

    /// The connection to this address that was used last.
    pub(super) fn take(&self, address: &SocketAddr) -> Option<Connection> {
        let now = Instant::now();
        let mut state = self.state.lock();
        let taken = state.waiting.get_mut(address)?.pop_back();
        if taken.is_some() {
            state.count -= 1;
            self.show(&state);
        }
        let (connection, until) = taken?;
        // Whatever lies beneath has waited longer still: the sweep takes it.
        (until > now).then_some(connection)
    }

    /// Keeps a connection for so long. Where there is no room, the one of the same address that has waited longest has to
    /// go, and without one, this.
    pub(super) fn keep(
        self: &Arc<Self>,
        address: &SocketAddr,
        mut connection: Connection,
        time: Duration,
    ) {
        connection.rest();
        let mut state = self.state.lock();
        if state.count >= self.connections_max {
            let beneath = state.waiting.get_mut(address);
            if beneath.and_then(VecDeque::pop_front).is_none() {
                return;
            }
            state.count -= 1;
        }
        state.count += 1;
        let until = Instant::now() + time;
        match state.waiting.get_mut(address) {
            Some(waiting) => waiting.push_back((connection, until)),
            None => {
                let waiting = VecDeque::from([(connection, until)]);
                state.waiting.insert(address.clone(), waiting);
            }
        }
        self.show(&state);
        if !std::mem::replace(&mut state.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn show(&self, state: &State) {
        self.shown
            .set(i64::try_from(state.count).unwrap_or(i64::MAX));
    }

    /// Closes what nobody will use again; false when nothing is left.
    fn clear(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock();
        for waiting in state.waiting.values_mut() {
            waiting.retain(|(connection, until)| *until > now && connection.is_quiet());
        }
        state.waiting.retain(|_, waiting| !waiting.is_empty());
        state.count = state.waiting.values().map(VecDeque::len).sum();
        state.is_swept = state.count > 0;
        self.show(&state);
        state.is_swept
    }
}

/// Goes on while the pool is there and holds something.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        if !pool.upgrade().is_some_and(|pool| pool.clear()) {
            return;
        }
    }
}

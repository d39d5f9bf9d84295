//! A port that leads to another one, until it is shut.

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::process::free_port;

/// A way to a port of this machine.
pub struct Doorway {
    /// Where it begins.
    pub port: u16,
    leads_to: u16,
    /// While it is open.
    passing: Option<JoinHandle<()>>,
}

impl Doorway {
    /// An open one.
    ///
    /// # Errors
    /// When it gets no port.
    pub async fn to(leads_to: u16) -> Result<Self> {
        let port = free_port()?;
        let mut doorway = Self {
            port,
            leads_to,
            passing: None,
        };
        doorway.open().await?;
        Ok(doorway)
    }

    /// Lets everybody through.
    ///
    /// # Errors
    /// When somebody else has its port.
    pub async fn open(&mut self) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        self.passing = Some(tokio::spawn(pass(listener, self.leads_to)));
        Ok(())
    }

    /// Refuses everybody, and cuts off who is on the way.
    pub async fn shut(&mut self) {
        if let Some(passing) = self.passing.take() {
            passing.abort();
            // It ends because it is aborted.
            let _ = passing.await;
        }
    }
}

async fn pass(listener: TcpListener, leads_to: u16) {
    // Those on the way end with it.
    let mut under_way = JoinSet::new();
    while let Ok((mut comes, _)) = listener.accept().await {
        under_way.spawn(async move {
            let mut goes = TcpStream::connect(("127.0.0.1", leads_to)).await?;
            tokio::io::copy_bidirectional(&mut comes, &mut goes).await
        });
        while under_way.try_join_next().is_some() {}
    }
}

//! Clients that come once, over TLS: each connection is a handshake, one request, one answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{CipherSuite, ClientConfig, HandshakeKind, RootCertStore, SupportedCipherSuite};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// TLS 1.3 with AES-128 first, as browsers ask for it; rustls by itself asks for AES-256, with a slower hash.
fn as_browsers_prefer() -> CryptoProvider {
    let mut provider = ring::default_provider();
    let is_first =
        |suite: &SupportedCipherSuite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider.cipher_suites.sort_by_key(|suite| !is_first(suite));
    provider
}

/// What each connection asks for.
#[derive(Clone)]
pub(crate) struct Target {
    pub port: u16,
    pub path: String,
    /// Whether clients come back with the session that they had.
    pub is_resumed: bool,
}

pub(crate) async fn run(
    target: Target,
    certificate: &[u8],
    clients: usize,
    limit: Duration,
) -> anyhow::Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate)?)?;
    let provider = Arc::new(as_browsers_prefer());
    let config = || {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions()?;
        let builder = builder.with_root_certificates(roots.clone());
        let mut config = builder.with_no_client_auth();
        if !target.is_resumed {
            config.resumption = Resumption::disabled();
        }
        anyhow::Ok(TlsConnector::from(Arc::new(config)))
    };
    let end = Instant::now() + limit;
    let mut running = JoinSet::new();
    for _ in 0..clients {
        running.spawn(come_again(config()?, target.clone(), end));
    }
    let mut times = Vec::new();
    while let Some(done) = running.join_next().await {
        times.extend(done??);
    }
    times.sort_unstable();
    let slow = times.get(times.len() * 99 / 100);
    let slow = slow.context("nobody was answered")?.as_micros();
    let found = format!(
        "{} {}.{:02}ms\n",
        times.len(),
        slow / 1000,
        slow % 1000 / 10
    );
    tokio::io::stdout().write_all(found.as_bytes()).await?;
    tokio::io::stdout().flush().await?;
    Ok(())
}

/// How long each of one client's connections took.
async fn come_again(
    connector: TlsConnector,
    target: Target,
    end: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let begun = Instant::now();
        let kind = come(&connector, &target).await?;
        // The first one has nothing to come back with.
        let is_resumed = kind == HandshakeKind::Resumed;
        ensure!(
            times.is_empty() || is_resumed == target.is_resumed,
            "the handshake was not of the kind that is measured"
        );
        times.push(begun.elapsed());
    }
    Ok(times)
}

async fn come(connector: &TlsConnector, target: &Target) -> anyhow::Result<HandshakeKind> {
    let stream = TcpStream::connect(("127.0.0.1", target.port)).await?;
    stream.set_nodelay(true)?;
    let mut stream = connector
        .connect(ServerName::try_from("shop.example")?, stream)
        .await?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: shop.example\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
        target.path
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    // Not everybody says goodbye before he hangs up.
    let _ = stream.read_to_end(&mut answer).await;
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "no answer");
    let kind = stream.get_ref().1.handshake_kind();
    kind.context("no handshake")
}

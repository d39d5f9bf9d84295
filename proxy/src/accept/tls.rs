//! TLS: certificates chosen by the name that is asked for, and taken anew when their files change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use parking_lot::RwLock;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crackers_shared::config_file::Problems;

use crate::telemetry::Metrics;

/// Settings of TLS.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// TCP addresses to listen on with TLS.
    pub listen: Vec<String>,
    /// Certificates; the first that is good for the name that a client asks for is shown, else the first of all.
    pub certificates: Vec<CertificateFiles>,
    /// The longest time of a handshake, in milliseconds.
    pub handshake_timeout_ms: u64,
    /// How often the files are looked at, in milliseconds.
    pub reload_interval_ms: u64,
    /// Whether requests over plain TCP are sent to the same address over TLS.
    pub redirect: bool,
    /// The port that they are sent to.
    pub redirect_port: u16,
    /// How long browsers ask over TLS only, in seconds (RFC 6797); 0 for not at all.
    pub hsts_max_age_seconds: u64,
    /// Whether that holds for all subdomains, too.
    pub hsts_subdomains: bool,
}

/// A certificate with its key.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// PEM: the certificate, then those that it is signed by.
    pub certificate_file: PathBuf,
    /// PEM: its private key.
    pub key_file: PathBuf,
}

impl Config {
    /// Reports impossible values under `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        for (index, address) in self.listen.iter().enumerate() {
            problems.require(
                address.parse::<std::net::SocketAddr>().is_ok(),
                format!("{path}.listen.{index}"),
                format!("expected an address and port such as 0.0.0.0:8443, got {address:?}"),
            );
        }
        problems.require(
            self.listen.is_empty() || !self.certificates.is_empty(),
            format!("{path}.certificates"),
            "needs at least one where there is an address in listen",
        );
        problems.require(
            !self.redirect || !self.listen.is_empty(),
            format!("{path}.redirect"),
            "needs an address in listen to send people to",
        );
        for (key, value) in [
            ("handshake_timeout_ms", self.handshake_timeout_ms),
            ("reload_interval_ms", self.reload_interval_ms),
            ("redirect_port", u64::from(self.redirect_port)),
        ] {
            problems.require(value > 0, format!("{path}.{key}"), "must be at least 1");
        }
    }
}

/// The certificates in use.
#[derive(Debug)]
pub struct Certificates {
    files: Vec<CertificateFiles>,
    keys: RwLock<Arc<[Arc<CertifiedKey>]>>,
    /// When the files had changed last before they were read first.
    seen: Changes,
}

/// When each file has changed last; nothing of one that is not there.
type Changes = Vec<Option<SystemTime>>;

impl Certificates {
    /// Reads all of them.
    ///
    /// # Errors
    /// The first file that is wrong, and why.
    pub fn read(config: &Config) -> anyhow::Result<Arc<Self>> {
        // What changes from now on is seen by whoever follows, however late that begins.
        let seen = changed_at(&config.certificates);
        let keys = read_all(&config.certificates)?;
        Ok(Arc::new(Self {
            files: config.certificates.clone(),
            keys: RwLock::new(keys),
            seen,
        }))
    }

    /// Makes TLS of a connection, for these protocols (RFC 7301), the best one first.
    ///
    /// # Errors
    /// When there is no protocol version for the cipher suites, which cannot be.
    pub fn acceptor(self: &Arc<Self>, protocols: &[&str]) -> anyhow::Result<TlsAcceptor> {
        let builder =
            rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut config = builder
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        let names = protocols.iter().map(|name| name.as_bytes().to_vec());
        config.alpn_protocols = names.collect();
        // Clients that come back save the key exchange; the tickets' keys change by themselves.
        config.ticketer = ring::Ticketer::new()?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Looks at the files and takes them anew when they have changed. What cannot be read leaves those before in use.
    pub async fn follow(
        self: Arc<Self>,
        interval: Duration,
        metrics: Arc<Metrics>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut seen = self.seen.clone();
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let now = changed_at(&self.files);
            if now == seen {
                continue;
            }
            match read_all(&self.files) {
                Ok(keys) => {
                    *self.keys.write() = keys;
                    metrics
                        .certificates_read
                        .with_label_values(&["taken"])
                        .inc();
                    tracing::info!("the certificates have changed and are in use");
                    seen = now;
                }
                // Half written, perhaps: it is looked at again.
                Err(error) => {
                    metrics
                        .certificates_read
                        .with_label_values(&["refused"])
                        .inc();
                    tracing::error!("changed certificates are not taken: {error:#}");
                }
            }
        }
    }

    fn for_name(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let keys = Arc::clone(&self.keys.read());
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let fitting =
            name.and_then(|name| keys.iter().find(|key| is_good_for(key, &name)).cloned());
        fitting.or_else(|| keys.first().cloned())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.for_name(hello.server_name())
    }
}

fn is_good_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let first = key.cert.first();
    let parsed = first.and_then(|first| webpki::EndEntityCert::try_from(first).ok());
    parsed.is_some_and(|parsed| parsed.verify_is_valid_for_subject_name(name).is_ok())
}

fn changed_at(files: &[CertificateFiles]) -> Changes {
    let both = files
        .iter()
        .flat_map(|files| [&files.certificate_file, &files.key_file]);
    both.map(|file| {
        std::fs::metadata(file)
            .and_then(|data| data.modified())
            .ok()
    })
    .collect()
}

fn read_all(files: &[CertificateFiles]) -> anyhow::Result<Arc<[Arc<CertifiedKey>]>> {
    let all = files.iter().enumerate().map(|(index, files)| {
        let key = read(files);
        key.with_context(|| format!("accept.tls.certificates.{index}"))
    });
    all.collect()
}

fn read(files: &CertificateFiles) -> anyhow::Result<Arc<CertifiedKey>> {
    let (certificate, key) = (&files.certificate_file, &files.key_file);
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| certificate.display().to_string())?;
    anyhow::ensure!(
        !chain.is_empty(),
        "{}: there is no certificate in it",
        certificate.display()
    );
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| key.display().to_string())?;
    let both = CertifiedKey::from_der(chain, private, &ring::default_provider());
    let both = both.with_context(|| format!("{} and {}", certificate.display(), key.display()))?;
    Ok(Arc::new(both))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a new certificate with its key, changed so long after the epoch.
    fn sign(files: &CertificateFiles, at: Duration) {
        let made = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).unwrap();
        for (file, text) in [
            (&files.certificate_file, made.cert.pem()),
            (&files.key_file, made.signing_key.serialize_pem()),
        ] {
            std::fs::write(file, text).unwrap();
            let opened = std::fs::File::options().append(true).open(file).unwrap();
            opened.set_modified(SystemTime::UNIX_EPOCH + at).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_before_anybody_follows_is_taken_too() {
        let folder = tempfile::tempdir().unwrap();
        let files = CertificateFiles {
            certificate_file: folder.path().join("pem"),
            key_file: folder.path().join("key"),
        };
        sign(&files, Duration::from_secs(1));
        let defaults: crate::config::Config =
            serde_yaml::from_str(crate::config::DEFAULTS).unwrap();
        let config = Config {
            certificates: vec![files.clone()],
            ..defaults.accept.tls
        };
        let certificates = Certificates::read(&config).unwrap();
        let shown = || certificates.for_name(None).unwrap().cert.clone();
        let first = shown();
        sign(&files, Duration::from_secs(2));
        let (metrics, (_ask_to_stop, stop)) = (Arc::new(Metrics::new()), watch::channel(false));
        let interval = Duration::from_millis(1);
        tokio::spawn(Arc::clone(&certificates).follow(interval, Arc::clone(&metrics), stop));
        tokio::time::sleep(interval * 10).await;
        assert_ne!(shown(), first);
        let taken = metrics.certificates_read.with_label_values(&["taken"]);
        assert_eq!(taken.get(), 1);
    }
}

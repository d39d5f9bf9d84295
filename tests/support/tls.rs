//! Certificates of a test, and clients that believe them.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::{ClientConfig, SupportedProtocolVersion};
use tokio_rustls::TlsConnector;

/// Whoever signs the certificates of a test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one, which nobody else believes.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(
            params,
            KeyPair::generate()?,
        )?))
    }

    /// Writes a certificate for a name and its key into a folder, as FILE.pem and FILE.key.
    ///
    /// # Errors
    /// When they cannot be made or written.
    pub fn sign(&self, folder: &Path, file: &str, name: &str) -> Result<()> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![name.to_owned()])?;
        let certificate = params.signed_by(&key, &self.0)?;
        std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem())?;
        std::fs::write(folder.join(format!("{file}.pem")), certificate.pem())?;
        Ok(())
    }

    /// A client that believes this authority only.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(&self) -> Result<TlsConnector> {
        self.client_of(&[])
    }

    /// The same for these protocols.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client_of(&self, protocols: &[&str]) -> Result<TlsConnector> {
        self.client_with(protocols, rustls::DEFAULT_VERSIONS)
    }

    /// The same for these versions of TLS.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client_with(
        &self,
        protocols: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<TlsConnector> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone())?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let names = protocols.iter().map(|name| name.as_bytes().to_vec());
        config.alpn_protocols = names.collect();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

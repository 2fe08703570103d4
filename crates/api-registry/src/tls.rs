//! TLS as a server: its certificate, and whose clients it takes.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// A certificate, its key, and who vouches for clients.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The chain of certificates.
    pub certificate: PathBuf,
    /// The first one's key.
    pub key: PathBuf,
    /// Whoever connects must have a certificate of one of these.
    pub client_authority: Option<PathBuf>,
}

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file.
    #[error("cannot use {}: {reason}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Tls {
    /// What makes connections into encrypted ones.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let wrong = |path: &Path, reason: &dyn ToString| TlsError::File {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| wrong(&self.certificate, &error))?;
        let builder = match &self.client_authority {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots
                        .add(certificate)
                        .map_err(|error| wrong(path, &error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                let verifier = verifier.build().map_err(|error| wrong(path, &error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key = key.map_err(|error| wrong(&self.key, &error))?;
        let config = builder.with_single_cert(certificates(&self.certificate)?, key);
        let mut config = config.map_err(|error| wrong(&self.certificate, &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let wrong = |reason: String| TlsError::File {
        path: path.to_owned(),
        reason,
    };
    match read {
        Ok(none) if Vec::is_empty(&none) => Err(wrong("it has no certificate".to_owned())),
        Ok(some) => Ok(some),
        Err(error) => Err(wrong(error.to_string())),
    }
}

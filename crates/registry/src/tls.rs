//! TLS as a client: whom it trusts, and what it shows.

use crate::Error;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// Whom a client trusts besides this machine's certificates, and what it shows: PEM, as read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Certificates that vouch for the server.
    pub roots: Vec<Vec<u8>>,
    /// Certificates of this client, with their keys.
    pub identities: Vec<Identity>,
    /// Whether the server's certificate may be anybody's.
    pub anybody: bool,
}

/// A client's certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// PEM.
    pub certificate: Vec<u8>,
    /// PEM.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Trust {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("roots", &self.roots.len())
            .field("identities", &self.identities.len())
            .field("anybody", &self.anybody)
            .finish()
    }
}

impl std::fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Trust {
    /// Believes every certificate, for registries that are listed as insecure.
    pub(crate) fn anybody() -> Self {
        Self {
            anybody: true,
            ..Self::default()
        }
    }

    /// The configuration of a client.
    ///
    /// # Errors
    /// If a certificate or key cannot be read.
    pub fn config(&self) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(tls)?;
        let builder = match self.anybody {
            true => {
                let verifier = Arc::new(Credulous(Arc::clone(&provider)));
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(verifier)
            }
            false => builder.with_root_certificates(self.roots()?),
        };
        if self.identities.is_empty() {
            return Ok(builder.with_no_client_auth());
        }
        let keys = self.identities.iter().map(|own| own.certified(&provider));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        Ok(builder.with_client_cert_resolver(Arc::new(Identities(keys))))
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        // A certificate that cannot be read is one that nobody is trusted by.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for pem in &self.roots {
            for certificate in certificates(pem)? {
                roots.add(certificate).map_err(tls)?;
            }
        }
        Ok(roots)
    }
}

/// The certificates of a client: the first that signs as the server wants is shown.
#[derive(Debug)]
struct Identities(Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for Identities {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        self.0.iter().find(fits).cloned()
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Identity {
    fn certified(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Error> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(tls)?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(tls)?;
        Ok(Arc::new(key))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all.map_err(tls)? {
        none if none.is_empty() => Err(tls("a file of certificates has none")),
        some => Ok(some),
    }
}

fn tls(reason: impl ToString) -> Error {
    Error::Tls {
        reason: reason.to_string(),
    }
}

#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

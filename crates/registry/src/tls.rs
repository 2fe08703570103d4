//! TLS as a client: with this machine's certificates, or with anybody's.

use crate::Error;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// A configuration that trusts this machine's certificates.
pub(crate) fn trusting() -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    // A certificate that cannot be read is one that nobody is trusted by.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = builder(&Arc::new(ring::default_provider()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A configuration that believes every certificate, for registries that are listed as insecure.
pub(crate) fn credulous() -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = builder(&provider)?;
    let builder = builder.dangerous();
    let builder = builder.with_custom_certificate_verifier(Arc::new(Credulous(provider)));
    Ok(builder.with_no_client_auth())
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider));
    let versions = builder.with_safe_default_protocol_versions();
    versions.map_err(|error| Error::Tls {
        reason: error.to_string(),
    })
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

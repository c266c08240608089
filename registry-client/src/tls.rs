//! TLS settings for one host: trusted authorities, our own certificate, and the one place that picks the crypto provider.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::endpoint::Trust;
use crate::error::{Error, Result};
use crate::options::TlsOptions;

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The provider of cryptography of the whole crate.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The settings for connections to `host` (`name[:port]`).
pub(crate) fn client_config(options: &TlsOptions, host: &str, trust: Trust) -> Result<ClientConfig> {
    let settings = |reason: rustls::Error| Error::Settings { reason: reason.to_string() };
    let host_dirs: Vec<PathBuf> =
        options.certs_dirs.iter().map(|dir| dir.join(host)).filter(|dir| dir.is_dir()).collect();
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(settings)?;
    let builder = match trust {
        Trust::Verified => builder.with_root_certificates(roots(options, &host_dirs)?),
        Trust::Anyone => builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnyone(provider))),
    };
    match identity(&host_dirs)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(settings),
        None => Ok(builder.with_no_client_auth()),
    }
}

fn roots(options: &TlsOptions, host_dirs: &[PathBuf]) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    if let Some(bundle) = options.bundles.iter().find(|path| path.is_file()) {
        // A system bundle may hold certificates that the parser rejects; the rest still counts.
        store.add_parsable_certificates(certificates(bundle)?);
    }
    if store.is_empty() {
        store.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    }
    for path in files(host_dirs, "crt")? {
        for certificate in certificates(&path)? {
            store.add(certificate).map_err(|error| unusable(&path, &error))?;
        }
    }
    Ok(store)
}

fn identity(host_dirs: &[PathBuf]) -> Result<Option<Identity>> {
    let Some(path) = files(host_dirs, "cert")?.into_iter().next() else { return Ok(None) };
    let key_path = path.with_extension("key");
    let key = PrivateKeyDer::from_pem_file(&key_path).map_err(|error| unusable(&key_path, &error))?;
    Ok(Some((certificates(&path)?, key)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_file_iter(path).map_err(|error| unusable(path, &error))?;
    let all: Vec<_> =
        all.map(|certificate| certificate.map_err(|error| unusable(path, &error))).collect::<Result<_>>()?;
    match all.is_empty() {
        true => Err(Error::Certificate { path: path.to_owned(), reason: "it holds no certificate".to_owned() }),
        false => Ok(all),
    }
}

/// The files with `extension`, sorted by name.
fn files(dirs: &[PathBuf], extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for dir in dirs {
        for entry in fs::read_dir(dir).map_err(|error| unusable(dir, &error))? {
            let path = entry.map_err(|error| unusable(dir, &error))?.path();
            if path.extension().is_some_and(|have| have == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn unusable(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::Certificate { path: path.to_owned(), reason: error.to_string() }
}

/// Accepts every certificate, but still checks that the peer holds its key.
#[derive(Debug)]
struct AcceptAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

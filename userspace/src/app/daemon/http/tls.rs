//! Encryption: certificate, key and the authority of clients, from PEM files.

use std::{path::Path, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};

use super::super::config::Tls;
use crate::app::outcome::{Failure, with_sources};

/// Makes the encryption that `config` asks for: TLS 1.2 and 1.3.
pub(super) fn acceptor(config: &Tls) -> Result<TlsAcceptor, Failure> {
    let provider = Arc::new(ring::default_provider());
    let key = PrivateKeyDer::from_pem_file(&config.key_file)
        .map_err(|error| unreadable("the key", &config.key_file, &error))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(format!("cannot set TLS up: {error}"), ""))?;
    let builder = match &config.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("the authority of clients", path)? {
                roots
                    .add(certificate)
                    .map_err(|error| unreadable("the authority of clients", path, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| unreadable("the authority of clients", path, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let server = builder
        .with_single_cert(certificates("the certificate", &config.cert_file)?, key)
        .map_err(|error| unreadable("the certificate and its key", &config.cert_file, &error))?;
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn certificates(what: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(Failure::new(format!("{what} {} holds no certificate", path.display()), CURE))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unreadable(what, path, &error)),
    }
}

const CURE: &str = "give PEM files that the daemon's user can read in metrics.tls_server_config";

fn unreadable(what: &str, path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("cannot use {what} {}: {}", path.display(), with_sources(error)), CURE)
}

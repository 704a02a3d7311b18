//! TLS: which cryptography, which authorities.

use crate::address::Tls;
use redis::{RedisError, RedisResult, TlsCertificates};
use rustls::{
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::{io, path::Path};

/// Reads what a client needs. Without `ca`, the authorities are those that are compiled in (`webpki-roots`): the system's store
/// is missing in small images, and reading it takes longer than the handshake.
pub(crate) async fn certificates(tls: &Tls) -> RedisResult<TlsCertificates> {
    install_crypto();
    let root_cert = match &tls.ca {
        Some(path) => Some(authorities(path).await?),
        None => None,
    };
    Ok(TlsCertificates {
        client_tls: None,
        root_cert,
    })
}

/// `redis` takes the process's default, and panics when there is none and several are compiled in: make it *ring* unless the
/// process has chosen.
fn install_crypto() {
    if CryptoProvider::get_default().is_none() {
        // Losing the race to another thread is fine.
        let _ = ring::default_provider().install_default();
    }
}

async fn authorities(path: &Path) -> RedisResult<Vec<u8>> {
    let pem = tokio::fs::read(path)
        .await
        .map_err(|error| unusable(path, &error.to_string()))?;
    match CertificateDer::pem_slice_iter(&pem).next() {
        Some(Ok(_)) => Ok(pem),
        _ => Err(unusable(path, "it holds no certificate in PEM form")),
    }
}

fn unusable(path: &Path, why: &str) -> RedisError {
    io::Error::other(format!("the authorities to trust, {}: {why}", path.display())).into()
}

//! Certificates and private keys in PEM files (RFC 7468).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::limits::PEM_FILE_SIZE_MAX;

/// A certificate that a port shows, with those that lead from it to its authority, and its private key.
pub struct Credential {
    /// The certificate, then those above it.
    pub certificate_chain: Vec<CertificateDer<'static>>,
    /// The private key of the first one.
    pub private_key: PrivateKeyDer<'static>,
}

impl Credential {
    /// Reads both files.
    ///
    /// # Errors
    /// With file and remedy: a file cannot be read, holds no such thing, or the key can be read by others.
    pub fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        Ok(Self { certificate_chain: certificates(certificate)?, private_key: private_key(key)? })
    }
}

/// All certificates of a PEM file, at least one.
///
/// # Errors
/// With file and remedy, as [`Credential::read`].
pub fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = read(path, open(path)?)?;
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.with_context(|| format!("{} is not a PEM file", path.display()))?;
    ensure!(!certificates.is_empty(), "{} holds no certificate: give a PEM file with at least one", path.display());
    Ok(certificates)
}

fn private_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let file = open(path)?;
    let mode = file.metadata().with_context(|| path.display().to_string())?.permissions().mode();
    if mode & OTHERS != 0 {
        bail!("{path} holds a private key and can be read by others: run `chmod 600 {path}`", path = path.display());
    }
    let text = read(path, file)?;
    // The cause is left out: it could quote the key.
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .ok()
        .with_context(|| format!("{} holds no private key: give a PEM file with a PKCS#8 private key", path.display()))
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("PEM file {}", path.display()))
}

fn read(path: &Path, file: File) -> anyhow::Result<Zeroizing<String>> {
    // Reserved once, with a byte more than allowed to tell a file that is too large: growing would leave copies of a key behind.
    let mut text = Zeroizing::new(String::new());
    text.reserve_exact(usize::try_from(PEM_FILE_SIZE_MAX)? + 1);
    file.take(PEM_FILE_SIZE_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("PEM file {}", path.display()))?;
    let fits = u64::try_from(text.len()).is_ok_and(|size| size <= PEM_FILE_SIZE_MAX);
    ensure!(fits, "{} is larger than the {PEM_FILE_SIZE_MAX} bytes that a PEM file may have", path.display());
    Ok(text)
}

/// Permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;

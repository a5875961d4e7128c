//! Certificates and private keys in PEM files (RFC 7468).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::limits::{CERTIFICATE_SIZE_MAX, INTERMEDIATES_MAX, PEM_FILE_SIZE_MAX};

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

    /// The same once more. Not `Clone`: a private key is not to be copied in passing.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { certificate_chain: self.certificate_chain.clone(), private_key: self.private_key.clone_key() }
    }
}

/// Whether what a peer shows in a handshake is within bounds. What is not ends there, so that nothing later sees it.
pub(crate) fn are_bounded(end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> bool {
    let is_bounded = |certificate: &CertificateDer<'_>| certificate.len() <= CERTIFICATE_SIZE_MAX;
    intermediates.len() <= INTERMEDIATES_MAX && is_bounded(end_entity) && intermediates.iter().all(is_bounded)
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

/// When a certificate begins to be valid, if it can be read.
#[must_use]
pub fn not_before(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    since_1970(parsed.validity().not_before.timestamp())
}

/// When a certificate ends, if it can be read.
#[must_use]
pub fn not_after(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    since_1970(parsed.validity().not_after.timestamp())
}

fn since_1970(seconds: i64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// The PEM text of `bytes`, which is wiped on drop because it may be a private key.
#[must_use]
pub fn encode(label: &str, bytes: &[u8]) -> Zeroizing<String> {
    let digits = Zeroizing::new(STANDARD.encode(bytes));
    let line_count = digits.len().div_ceil(LINE_SIZE);
    // Reserved once: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(digits.len() + line_count + 2 * (label.len() + FRAME_SIZE)));
    text.extend(["-----BEGIN ", label, "-----\n"]);
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(LINE_SIZE).unwrap_or((rest, ""));
        text.extend([line, "\n"]);
        rest = after;
    }
    text.extend(["-----END ", label, "-----\n"]);
    text
}

fn private_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let file = open(path)?;
    let mode = file.metadata().with_context(|| path.display().to_string())?.permissions().mode();
    if mode & OTHERS != 0 {
        bail!("{} holds a private key and can be read by others: run `chmod 600` on it", path.display());
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

/// Digits of a line (RFC 7468 section 2).
const LINE_SIZE: usize = 64;

/// Characters of the first or the last line beside its label.
const FRAME_SIZE: usize = 17;

/// Permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn path(folder: &tempfile::TempDir, text: &str, mode: u32) -> std::path::PathBuf {
        let path = folder.path().join("file.pem");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn said<T>(result: anyhow::Result<T>) -> String {
        format!("{:#}", result.err().unwrap())
    }

    #[test]
    fn encoded_text_reads_back_at_every_size() {
        for size in 0..200 {
            let bytes = vec![7; size];
            let text = encode("CERTIFICATE", &bytes);
            assert!(text.lines().all(|line| line.len() <= LINE_SIZE));
            assert_eq!(*CertificateDer::from_pem_slice(text.as_bytes()).unwrap(), *bytes, "{size} bytes");
            assert!(text.len() <= text.capacity());
        }
    }

    #[test]
    fn private_keys_that_others_can_read_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = encode("PRIVATE KEY", &[7; 100]);
        for mode in [0o644, 0o640, 0o604, 0o660] {
            let error = said(private_key(&path(&folder, &text, mode)));
            assert!(error.contains("chmod 600"), "{error}");
        }
        assert!(private_key(&path(&folder, &text, 0o600)).is_ok());
    }

    #[test]
    fn errors_name_the_file_and_never_quote_it() {
        let folder = tempfile::tempdir().unwrap();
        for text in [
            "hunter2",
            "",
            "-----BEGIN PRIVATE KEY-----\nhunter2\n",
            "-----BEGIN PRIVATE KEY-----\nhunter2!\n-----END PRIVATE KEY-----\n",
        ] {
            for error in
                [said(private_key(&path(&folder, text, 0o600))), said(certificates(&path(&folder, text, 0o600)))]
            {
                assert!(error.contains("file.pem") && !error.contains("hunter2"), "{error}");
            }
        }
        assert!(said(certificates(Path::new("/nowhere.pem"))).contains("/nowhere.pem"));
    }

    #[test]
    fn files_above_the_limit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let size = usize::try_from(PEM_FILE_SIZE_MAX).unwrap();
        assert!(said(certificates(&path(&folder, &" ".repeat(size + 1), 0o600))).contains("larger than"));
    }
}

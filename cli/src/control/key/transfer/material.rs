//! Key material in files of the person's own.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use claviger_algorithm::{Algorithm, KeyKind};
use claviger_control::secret::SecretText;
use zeroize::Zeroizing;

/// The material of a key of `algorithm` that is in `bytes`, the content of `path`: raw bytes, or the PKCS#8 DER of a private key, which may be in PEM. What can be seen here is
/// told here: an import says of what it refuses only that it does.
///
/// # Errors
/// It can be none; with the remedy.
pub(super) fn material(
    algorithm: Algorithm,
    path: &Path,
    bytes: Zeroizing<Vec<u8>>,
) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let (row, file) = (algorithm.row(), path.display());
    if row.kind == KeyKind::Asymmetric {
        let der = if bytes.trim_ascii_start().starts_with(b"-----BEGIN ") { from_pem(path, &bytes)? } else { bytes };
        ensure!(is_pkcs8(&der), "{file} is no PKCS#8 private key: {PKCS8}");
        return Ok(der);
    }
    if let Some(size) = row.key_size.filter(|size| *size != bytes.len()) {
        let line_end = if bytes.len() == size + 1 { ": is there a line end behind the key?" } else { "" };
        bail!("a key for {algorithm} has {size} bytes, and {file} has {}{line_end}", bytes.len());
    }
    ensure!(!bytes.is_empty(), "{file} is empty: an empty secret is not imported but created");
    Ok(bytes)
}

/// The DER in a PEM text with the label `PRIVATE KEY` (RFC 7468 section 10).
fn from_pem(path: &Path, text: &[u8]) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let file = path.display();
    let text = std::str::from_utf8(text).ok().with_context(|| format!("{file} is no text in PEM: {PKCS8}"))?;
    let label = text.split("-----").nth(1).and_then(|line| line.strip_prefix("BEGIN ")).unwrap_or_default();
    ensure!(label == "PRIVATE KEY", "{file} holds {label:?}: {PKCS8}");
    let body = text.split("-----").nth(2).unwrap_or_default();
    // Reserved once: growing would leave copies behind.
    let mut digits = Zeroizing::new(String::with_capacity(body.len()));
    digits.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
    let der = SecretText::from(digits).decode_base64();
    der.with_context(|| format!("{file} is no PEM file: its lines are not base64"))
}

/// Whether it begins as PKCS#8 (RFC 5958 section 2) does: a SEQUENCE of an INTEGER, 0 or 1, and another SEQUENCE. PKCS#1 and SEC 1 go on otherwise.
fn is_pkcs8(der: &[u8]) -> bool {
    let content = match der {
        [0x30, ..=0x7f, content @ ..] | [0x30, 0x81, _, content @ ..] | [0x30, 0x82, _, _, content @ ..] => content,
        _ => return false,
    };
    matches!(content, [2, 1, 0 | 1, 0x30, ..])
}

const PKCS8: &str = "make one by `openssl pkcs8 -topk8 -nocrypt -in FILE -out key.pem`";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(algorithm: Algorithm, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        material(algorithm, Path::new("file"), Zeroizing::new(bytes.to_vec())).map(|bytes| bytes.to_vec())
    }

    fn refused(algorithm: Algorithm, bytes: &[u8]) -> String {
        read(algorithm, bytes).unwrap_err().to_string()
    }

    // R-K18
    #[test]
    fn raw_keys_have_the_size_of_their_algorithm_and_secrets_any_but_none() {
        assert_eq!(read(Algorithm::Xaes256Gcm, &[7; 32]).unwrap(), [7; 32]);
        assert_eq!(read(Algorithm::Opaque, b"x").unwrap(), b"x");
        assert!(
            refused(Algorithm::Xaes256Gcm, &[7; 33]).contains("has 32 bytes, and file has 33: is there a line end")
        );
        assert!(refused(Algorithm::HmacSha512, &[7; 32]).ends_with("has 64 bytes, and file has 32"));
        assert!(refused(Algorithm::Opaque, b"").contains("is empty"));
    }

    // R-K18
    #[test]
    fn private_keys_are_pkcs8_as_der_or_pem() {
        let der = [0x30, 5, 2, 1, 0, 0x30, 0];
        let pem = "\n-----BEGIN PRIVATE KEY-----\nMAUC\nAQAwAA==\n-----END PRIVATE KEY-----\n";
        assert_eq!(read(Algorithm::Ed25519, &der).unwrap(), der);
        assert_eq!(read(Algorithm::Ed25519, pem.as_bytes()).unwrap(), der);
        for label in ["EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PUBLIC KEY"] {
            let said = refused(Algorithm::Ed25519, pem.replace("PRIVATE KEY", label).as_bytes());
            assert!(said.contains(label) && said.contains("openssl pkcs8 -topk8"), "{said}");
        }
        assert!(refused(Algorithm::Ed25519, pem.replace("MAUC", "M!UC").as_bytes()).contains("base64"));
        let not_text = [b"-----BEGIN PRIVATE KEY-----".as_slice(), &[0xff]].concat();
        for bad in [&b""[..], b"hunter2", &der[..5], &[0x30, 3, 2, 1, 0], &[0x30, 6, 2, 1, 1, 4, 1, 7], &not_text] {
            assert!(refused(Algorithm::Ed25519, bad).contains("openssl pkcs8 -topk8"), "{bad:02x?}");
        }
    }
}

//! How key material comes in, and how it leaves: wrapped, both times. The form is the same: RSA-OAEP with SHA-256 of an AES-256 key, without a label (RFC 8017 section 7.1), then
//! AES-KWP of the material under that key (RFC 5649). The material is raw bytes of a symmetric or MAC key or a secret, PKCS#8 DER of a private key: unencrypted, with the identifier
//! that keys made by the server have. RSA keys of every use have `rsaEncryption` (RFC 8017 appendix A.1), not id-RSASSA-PSS; elliptic-curve keys a named curve; ML-DSA keys are the
//! seed alone (RFC 9881 section 6), neither expanded nor both.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;
use crate::secret::SecretText;

/// Begin the import of a key, with `name` and `algorithm`, or of a new version of a key, with `key` alone.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginImport {
    /// Name of the new key: 1 to 100 characters of A-Z, a-z, 0-9, dot, underscore and hyphen. Not confidential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9._-]+$", example = "records")]
    pub name: Option<String>,
    /// Its algorithm, as the list of algorithms names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "XAES-256-GCM")]
    pub algorithm: Option<String>,
    /// Whether its material may be exported again, wrapped to a public key; `false` unless given. It never changes.
    #[serde(default)]
    pub exportable: bool,
    /// Name, alias or id of the key that gets a new version. Its algorithm stays what it is. The version becomes the current one, and rotation by itself ends, if it was on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// An import that is open, until it is completed, cancelled, or 24 hours are over, by the wall clock or of the server's running.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Import {
    /// Its id: 32 lower-case hexadecimal digits.
    pub id: String,
    /// Id of the store that the key is for, or in.
    pub store_id: String,
    /// Name of the key.
    pub name: String,
    /// Its algorithm.
    pub algorithm: String,
    /// Id of the key that gets a new version. Missing if the key is a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Whether the material of a new key may be exported again. Missing for a new version: the key says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exportable: Option<bool>,
    /// Who began it, and alone may complete it: SHA-256 of the certificate, in hexadecimal digits.
    pub requester: String,
    /// When it was begun.
    pub created: Time,
    /// When it ends at the latest.
    pub ends: Time,
    /// The transport key that the material is wrapped to: an RSA-4096 public key, PEM.
    pub public_key: String,
}

/// The open imports of a store, in the order of their beginnings.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportList {
    /// The imports.
    pub imports: Vec<Import>,
}

/// Complete an import. One try: if the material cannot be unwrapped or is not good, the import is over all the same. It is over too if, at that same moment, the name was taken or the
/// key was changed so often that the new version was refused (`conflict`). What can be seen before the try leaves it open: a wrong size or requester, a name that is taken, a key that is
/// deleted or full, a mirror of the shred table that is away.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteImport {
    /// The wrapped material in base64: 512 bytes of RSA-OAEP with SHA-256 of an AES-256 key, then AES-KWP of the material. That is raw bytes of a symmetric or MAC key or a secret;
    /// of a private key it is PKCS#8 DER, unencrypted: RSA with the identifier `rsaEncryption`, for RSA-PSS too (an identifier id-RSASSA-PSS is refused), and the exponent 65537;
    /// elliptic curves by their name; ML-DSA as the seed alone (RFC 9881 section 6; OpenSSL writes it with `-provparam ml-dsa.output_formats=seed-only`).
    #[schema(value_type = String)]
    pub wrapped: SecretText,
}

/// Export the material of a key that was created exportable.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportKey {
    /// The version; the current one unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub version: Option<u32>,
    /// The public key that the material is wrapped to: RSA with 3,072 to 8,192 bits and the exponent 65537, PEM (SubjectPublicKeyInfo).
    pub public_key: String,
}

/// Material that was exported.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ExportedKey {
    /// Id of the key.
    pub key_id: String,
    /// The version.
    pub version: u32,
    /// The algorithm that the material is for.
    pub algorithm: String,
    /// SHA-256 of the public key (SubjectPublicKeyInfo DER), in hexadecimal digits, as it stands in the log.
    pub public_key_sha256: String,
    /// The wrapped material in base64: RSA-OAEP, as long as the modulus of the public key, then AES-KWP.
    pub wrapped: String,
}

//! Client of the Claviger key management service, for Tokio.
//!
//! A [`Client`] holds a few connections, over TLS/TCP or QUIC, and many calls at once share them: requests are
//! pipelined, and single calls that wait at the same moment for the same key travel in one frame. Lost connections are
//! made anew, an overloaded server is given the time it asks for, and every call ends by its deadline.
//!
//! ```no_run
//! use claviger_client::{Client, ClientConfig, Context, EncryptItem, Identity, ServerCa};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server_ca = ServerCa::from_pem(&std::fs::read("server-ca.pem")?)?;
//! let identity = Identity::from_pem(&std::fs::read("client.pem")?, &std::fs::read("client-key.pem")?)?;
//! let client = Client::connect(ClientConfig::new("localhost:7700", server_ca, Some(identity))).await?;
//!
//! let key = client.key("payments", "card-numbers").await?;
//! let context = Context::from_pairs([("tenant", "7"), ("table", "cards")])?;
//! let ciphertext = key.encrypt(&context, b"4111 1111 1111 1111").await?;
//! let plaintext = key.decrypt(&context, &ciphertext).await?;
//! assert_eq!(plaintext.expose(), b"4111 1111 1111 1111");
//!
//! // Many records at once: one result for each, in order.
//! let records = [b"first", b"other"].map(|plaintext| EncryptItem { context: context.as_bytes(), plaintext });
//! for ciphertext in key.encrypt_batch(&records).await? {
//!     println!("{} bytes", ciphertext?.len());
//! }
//!
//! let signature = client.key("payments", "receipts").await?.sign(b"paid").await?;
//! println!("signed by version {}", signature.key_version);
//! # Ok(())
//! # }
//! ```
//!
//! The protocol is that of `protocol/SPEC.md`; [`RawConnection`] speaks it frame by frame.
#![forbid(unsafe_code)]

mod addresses;
mod batch;
mod call;
mod client;
mod config;
mod connection;
mod context;
mod error;
mod hardware_address;
mod key;
mod limits;
mod operations;
mod pool;
mod quic;
mod raw;
mod receive_buffer;
mod secret;
mod tcp;
mod tls;

pub use client::Client;
pub use config::{ClientConfig, Coalescing, Identity, Reconnect, ServerCa, Transport};
pub use context::{Context, ContextError};
pub use error::{CertificateError, Error};
pub use hardware_address::{HardwareAddress, InvalidHardwareAddress};
pub use key::{Key, UnknownCode};
pub use limits::Limits;
pub use operations::asymmetric::Decrypted;
pub use operations::data_key::{DataKey, DataKeySize};
pub use operations::read::{KeyDescription, KeyVersion, PublicKey, SecretVersion, Whoami};
pub use operations::sign::Signature;
pub use raw::{RawConnection, RawReceiver, RawSender};
pub use secret::Secret;

pub use claviger_protocol::message::{
    AsymmetricDecryptItem, DecryptItem, EncryptItem, MakeMacItem, MessageForm, ReencryptItem, SignItem,
    UnwrapDataKeyItem, VerifyItem, VerifyMacItem, WrapDataKeyItem,
};
pub use claviger_protocol::{Algorithm, KeyId, KeyKind, KeyState, KeyVersionState, Retry, Status, StoreId, TraceId};

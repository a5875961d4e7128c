//! What a daemon is asked to do, again and again.

use std::fmt;

use claviger_protocol::limits::{
    BATCH_ITEMS_MAX, BYTES_IN_FLIGHT_ADVISED, FRAMES_IN_FLIGHT_MAX, MESSAGE_SIZE_MAX, PING_SIZE_MAX,
    PLAINTEXT_SIZE_MAX, RANDOM_SIZE_MAX,
};
use claviger_protocol::{Algorithm, Opcode};
use serde::{Serialize, Serializer};

use crate::format::grouped;
use crate::limits::SLOW_ITEMS_IN_FLIGHT;

/// An operation of the data port that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Operation {
    /// Encrypt under an XAES-256-GCM key
    Encrypt,
    /// Decrypt what was encrypted before, all of it in one burst
    Decrypt,
    /// Sign messages
    Sign,
    /// Verify signatures that were made before
    Verify,
    /// Make HMAC-SHA-256 codes
    Mac,
    /// Random bytes
    Random,
    /// The same bytes back, one payload a frame: what the transport costs by itself
    Ping,
}

/// An algorithm of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SignatureAlgorithm {
    Ed25519,
    P256,
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "rsa-2048-pss")]
    Rsa2048Pss,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "rsa-3072-pss")]
    Rsa3072Pss,
    #[value(name = "rsa-4096")]
    Rsa4096,
    #[value(name = "rsa-4096-pss")]
    Rsa4096Pss,
}

/// What one request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Task {
    pub(crate) operation: Operation,
    /// Of the key that is used.
    #[serde(serialize_with = "algorithm_name")]
    pub(crate) algorithm: Algorithm,
    /// Bytes of each item's plaintext, message or result.
    pub(crate) size: usize,
    /// Items of one frame.
    pub(crate) batch: usize,
}

impl Operation {
    pub(crate) const fn opcode(self) -> Opcode {
        match self {
            Self::Encrypt => Opcode::Encrypt,
            Self::Decrypt => Opcode::Decrypt,
            Self::Sign => Opcode::Sign,
            Self::Verify => Opcode::Verify,
            Self::Mac => Opcode::MakeMac,
            Self::Random => Opcode::RandomBytes,
            Self::Ping => Opcode::Ping,
        }
    }

    /// The algorithm of the key that is used; `signature` is that of signatures. Random bytes and pings need only the store of a key.
    pub(crate) const fn algorithm(self, signature: SignatureAlgorithm) -> Algorithm {
        match self {
            Self::Encrypt | Self::Decrypt | Self::Random | Self::Ping => Algorithm::Xaes256Gcm,
            Self::Mac => Algorithm::HmacSha256,
            Self::Sign | Self::Verify => signature.code(),
        }
    }

    /// Least and most bytes of an item.
    const fn sizes(self) -> (usize, usize) {
        match self {
            Self::Encrypt | Self::Decrypt => (0, PLAINTEXT_SIZE_MAX),
            Self::Sign | Self::Verify | Self::Mac => (0, MESSAGE_SIZE_MAX),
            Self::Random => (1, RANDOM_SIZE_MAX),
            Self::Ping => (0, PING_SIZE_MAX),
        }
    }

    /// Bytes of an item unless told otherwise.
    pub(crate) const fn size_default(self) -> usize {
        match self {
            Self::Encrypt | Self::Decrypt | Self::Mac => 1_024,
            Self::Sign | Self::Verify | Self::Ping => 64,
            Self::Random => 32,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::Mac => "mac",
            Self::Random => "random",
            Self::Ping => "ping",
        }
    }
}

impl SignatureAlgorithm {
    const fn code(self) -> Algorithm {
        match self {
            Self::Ed25519 => Algorithm::Ed25519,
            Self::P256 => Algorithm::EcdsaP256Sha256,
            Self::Rsa2048 => Algorithm::Rsa2048Pkcs1Sha256,
            Self::Rsa2048Pss => Algorithm::Rsa2048PssSha256,
            Self::Rsa3072 => Algorithm::Rsa3072Pkcs1Sha256,
            Self::Rsa3072Pss => Algorithm::Rsa3072PssSha256,
            Self::Rsa4096 => Algorithm::Rsa4096Pkcs1Sha256,
            Self::Rsa4096Pss => Algorithm::Rsa4096PssSha256,
        }
    }
}

impl Task {
    /// Checks sizes and counts against the limits of the protocol.
    ///
    /// # Errors
    /// A sentence with the option and its bounds.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (least, most) = self.operation.sizes();
        let name = self.operation.name();
        if !(least..=most).contains(&self.size) {
            return Err(format!("--size {}: {name} takes {least} to {most} bytes an item", self.size));
        }
        if self.operation == Operation::Ping && self.batch != 1 {
            return Err(format!("--batch {}: a ping has one payload a frame, so leave --batch out", self.batch));
        }
        if !(1..=BATCH_ITEMS_MAX).contains(&self.batch) {
            return Err(format!("--batch {}: a frame has 1 to {BATCH_ITEMS_MAX} items", self.batch));
        }
        Ok(())
    }

    /// Frames in flight on a byte stream unless told otherwise, for frames of `frame_size` bytes: as many bytes as give the best rate,
    /// and for what is slow no more than keeps a daemon busy, because more would only wait.
    pub(crate) fn in_flight_default(&self, frame_size: usize) -> usize {
        let by_bytes = BYTES_IN_FLIGHT_ADVISED / frame_size.max(1);
        let by_items = match self.operation {
            Operation::Sign | Operation::Verify => SLOW_ITEMS_IN_FLIGHT / self.batch.max(1),
            _ => SLOW_ITEMS_IN_FLIGHT,
        };
        by_bytes.min(by_items).clamp(2, FRAMES_IN_FLIGHT_MAX)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.operation.name();
        match self.operation {
            Operation::Sign | Operation::Verify => write!(f, "{name} {}, {} B", self.algorithm, grouped(self.size)),
            _ => write!(f, "{name} {} B", grouped(self.size)),
        }
    }
}

fn algorithm_name<S: Serializer>(algorithm: &Algorithm, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(algorithm.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(operation: Operation, size: usize, batch: usize) -> Task {
        Task { operation, algorithm: operation.algorithm(SignatureAlgorithm::Ed25519), size, batch }
    }

    #[test]
    fn refuses_what_the_protocol_does_not_carry() {
        for (operation, size, batch, said) in [
            (Operation::Encrypt, 32_769, 1, "encrypt takes 0 to 32768 bytes"),
            (Operation::Random, 0, 1, "random takes 1 to 32768 bytes"),
            (Operation::Ping, 65, 1, "ping takes 0 to 64 bytes"),
            (Operation::Ping, 64, 2, "leave --batch out"),
            (Operation::Sign, 64, 0, "1 to 1024 items"),
            (Operation::Sign, 64, 1_025, "1 to 1024 items"),
        ] {
            let error = task(operation, size, batch).check().unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        for operation in <Operation as clap::ValueEnum>::value_variants() {
            task(*operation, operation.size_default(), 1).check().unwrap();
        }
    }

    #[test]
    fn as_much_is_in_flight_as_pays() {
        let in_flight = |operation, batch, frame_size| task(operation, 64, batch).in_flight_default(frame_size);
        assert_eq!(in_flight(Operation::Encrypt, 16, 16 * 1_024), 16);
        assert_eq!(in_flight(Operation::Encrypt, 1_024, 1_024 * 1_024), 2, "one on its way, one at work");
        assert_eq!(in_flight(Operation::Encrypt, 1, 100), 256);
        assert_eq!(in_flight(Operation::Sign, 64, 64 * 68), 4);
        assert_eq!(in_flight(Operation::Sign, 1, 108), 256);
    }
}

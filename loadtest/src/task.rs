//! What a daemon is asked to do, again and again.

use std::fmt;

use claviger_algorithm::{Algorithm, CostClass};
use claviger_protocol::Opcode;
use claviger_protocol::limits::{
    BATCH_ITEMS_MAX, BYTES_IN_FLIGHT_ADVISED, DATA_KEY_SIZE_MAX, FRAMES_IN_FLIGHT_MAX, GENERATED_DATA_KEY_SIZES,
    MESSAGE_SIZE_MAX, PING_SIZE_MAX, PLAINTEXT_SIZE_MAX, RANDOM_SIZE_MAX, SECRET_SIZE_MAX,
};
use serde::{Serialize, Serializer};

use crate::format::grouped;
use crate::limits::{FRAMES_FEWEST, PIPELINED_FRAME_SIZE_MAX, PIPELINED_FRAMES, SLOW_ITEMS_IN_FLIGHT};

/// An operation of the data port that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Operation {
    /// Encrypt
    Encrypt,
    /// Decrypt what was encrypted before, all of it in one burst
    Decrypt,
    /// Decrypt what was encrypted before, each item in a burst of its own
    DecryptBursts,
    /// Decrypt what was encrypted before, and encrypt it again with the same key
    Reencrypt,
    /// Generate data keys, plain and wrapped
    GenerateDataKey,
    /// Wrap data keys of the client's own
    WrapDataKey,
    /// Unwrap data keys that were wrapped before
    UnwrapDataKey,
    /// Sign messages
    Sign,
    /// Verify signatures that were made before
    Verify,
    /// Decrypt what was encrypted to a public key before
    AsymmetricDecrypt,
    /// Make message authentication codes
    Mac,
    /// Verify message authentication codes that were made before
    VerifyMac,
    /// Read the value of a secret, one a frame
    ReadSecret,
    /// Read a public key, one a frame
    ReadPublicKey,
    /// Random bytes
    Random,
    /// The same bytes back, one payload a frame: what the transport costs by itself
    Ping,
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
            Self::Decrypt | Self::DecryptBursts => Opcode::Decrypt,
            Self::Reencrypt => Opcode::Reencrypt,
            Self::GenerateDataKey => Opcode::GenerateDataKey,
            Self::WrapDataKey => Opcode::WrapDataKey,
            Self::UnwrapDataKey => Opcode::UnwrapDataKey,
            Self::Sign => Opcode::Sign,
            Self::Verify => Opcode::Verify,
            Self::AsymmetricDecrypt => Opcode::AsymmetricDecrypt,
            Self::Mac => Opcode::MakeMac,
            Self::VerifyMac => Opcode::VerifyMac,
            Self::ReadSecret => Opcode::ReadSecret,
            Self::ReadPublicKey => Opcode::ReadPublicKey,
            Self::Random => Opcode::RandomBytes,
            Self::Ping => Opcode::Ping,
        }
    }

    /// Whether keys of `algorithm` do this. Random bytes and pings need only the store of a key.
    pub(crate) fn is_done_by(self, algorithm: Algorithm) -> bool {
        self.opcode().needs().is_none_or(|operation| algorithm.row().does(operation))
    }

    /// The algorithm of the key that is used unless told otherwise: the first of those that do this, and of symmetric keys where none is asked to.
    pub(crate) fn algorithm_default(self) -> Algorithm {
        let operation = if self.opcode().needs().is_some() { self } else { Self::Encrypt };
        let mut algorithms = Algorithm::ALL.iter().copied();
        algorithms.find(|algorithm| operation.is_done_by(*algorithm)).unwrap_or(Algorithm::Xaes256Gcm)
    }

    /// Bytes of an item unless told otherwise.
    pub(crate) const fn size_default(self) -> usize {
        match self {
            Self::Encrypt | Self::Decrypt | Self::DecryptBursts | Self::Reencrypt | Self::Mac | Self::VerifyMac => {
                1_024
            }
            Self::Sign | Self::Verify | Self::Ping => 64,
            Self::GenerateDataKey | Self::WrapDataKey | Self::UnwrapDataKey => 32,
            Self::AsymmetricDecrypt | Self::ReadSecret | Self::Random => 32,
            Self::ReadPublicKey => 0,
        }
    }

    /// Whether a frame has one item of it only.
    pub(crate) const fn is_alone(self) -> bool {
        matches!(self, Self::ReadSecret | Self::ReadPublicKey | Self::Ping)
    }

    /// As the option writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::DecryptBursts => "decrypt-bursts",
            Self::Reencrypt => "reencrypt",
            Self::GenerateDataKey => "generate-data-key",
            Self::WrapDataKey => "wrap-data-key",
            Self::UnwrapDataKey => "unwrap-data-key",
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::AsymmetricDecrypt => "asymmetric-decrypt",
            Self::Mac => "mac",
            Self::VerifyMac => "verify-mac",
            Self::ReadSecret => "read-secret",
            Self::ReadPublicKey => "read-public-key",
            Self::Random => "random",
            Self::Ping => "ping",
        }
    }
}

impl Task {
    /// Checks sizes and counts against the limits of the protocol, and the algorithm against the operation.
    ///
    /// # Errors
    /// A sentence with the option and its bounds.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (name, size) = (self.operation.name(), self.size);
        if !self.operation.is_done_by(self.algorithm) {
            let others = Algorithm::ALL.iter().filter(|algorithm| self.operation.is_done_by(**algorithm));
            let others: Vec<_> = others.map(|algorithm| algorithm.name()).collect();
            return Err(format!(
                "--algorithm {}: its keys do not {name}; choose one of {}",
                self.algorithm,
                others.join(", ")
            ));
        }
        if self.operation == Operation::GenerateDataKey && !GENERATED_DATA_KEY_SIZES.contains(&size) {
            return Err(format!("--size {size}: {name} makes keys of 16, 32 or 64 bytes"));
        }
        let (least, most) = self.sizes();
        if !(least..=most).contains(&size) {
            return Err(format!("--size {size}: {name} takes {least} to {most} bytes an item"));
        }
        if self.operation.is_alone() && self.batch != 1 {
            return Err(format!("--batch {}: a frame has one {name}, so leave --batch out", self.batch));
        }
        if !(1..=BATCH_ITEMS_MAX).contains(&self.batch) {
            return Err(format!("--batch {}: a frame has 1 to {BATCH_ITEMS_MAX} items", self.batch));
        }
        Ok(())
    }

    /// Least and most bytes of an item.
    const fn sizes(&self) -> (usize, usize) {
        match self.operation {
            Operation::Encrypt | Operation::Decrypt | Operation::DecryptBursts | Operation::Reencrypt => {
                (0, PLAINTEXT_SIZE_MAX)
            }
            Operation::GenerateDataKey | Operation::WrapDataKey | Operation::UnwrapDataKey => (1, DATA_KEY_SIZE_MAX),
            Operation::Sign | Operation::Verify | Operation::Mac | Operation::VerifyMac => (0, MESSAGE_SIZE_MAX),
            Operation::AsymmetricDecrypt => (0, self.algorithm.row().output_size.max(0)),
            Operation::ReadSecret => (0, SECRET_SIZE_MAX),
            Operation::ReadPublicKey => (0, 0),
            Operation::Random => (1, RANDOM_SIZE_MAX),
            Operation::Ping => (0, PING_SIZE_MAX),
        }
    }

    /// Frames in flight on a byte stream unless told otherwise, for frames of `frame_size` bytes: as many bytes as give the best rate,
    /// and for what is slow no more than keeps a daemon busy, because more would only wait.
    pub(crate) fn in_flight_default(&self, frame_size: usize) -> usize {
        let by_bytes = BYTES_IN_FLIGHT_ADVISED / frame_size.max(1);
        let by_bytes = if frame_size <= PIPELINED_FRAME_SIZE_MAX { by_bytes.max(PIPELINED_FRAMES) } else { by_bytes };
        let is_slow = self.algorithm.row().cost.class() > CostClass::Light;
        let by_items = if is_slow { SLOW_ITEMS_IN_FLIGHT / self.batch.max(1) } else { SLOW_ITEMS_IN_FLIGHT };
        by_bytes.min(by_items).clamp(FRAMES_FEWEST, FRAMES_IN_FLIGHT_MAX)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation.name())?;
        if self.operation.opcode().needs().is_some() {
            write!(f, " {},", self.algorithm)?;
        }
        write!(f, " {} B", grouped(self.size))
    }
}

fn algorithm_name<S: Serializer>(algorithm: &Algorithm, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(algorithm.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    fn task(operation: Operation, size: usize, batch: usize) -> Task {
        Task { operation, algorithm: operation.algorithm_default(), size, batch }
    }

    #[test]
    fn refuses_what_the_protocol_does_not_carry() {
        for (operation, size, batch, said) in [
            (Operation::Encrypt, 32_769, 1, "encrypt takes 0 to 32768 bytes"),
            (Operation::GenerateDataKey, 24, 1, "makes keys of 16, 32 or 64 bytes"),
            (Operation::WrapDataKey, 0, 1, "wrap-data-key takes 1 to 8192 bytes"),
            (Operation::AsymmetricDecrypt, 191, 1, "asymmetric-decrypt takes 0 to 190 bytes"),
            (Operation::Random, 0, 1, "random takes 1 to 32768 bytes"),
            (Operation::Ping, 65, 1, "ping takes 0 to 64 bytes"),
            (Operation::Ping, 64, 2, "leave --batch out"),
            (Operation::ReadSecret, 32, 2, "leave --batch out"),
            (Operation::Sign, 64, 0, "1 to 1024 items"),
            (Operation::Sign, 64, 1_025, "1 to 1024 items"),
        ] {
            let error = task(operation, size, batch).check().unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        for operation in Operation::value_variants() {
            task(*operation, operation.size_default(), 1).check().unwrap();
        }
    }

    #[test]
    fn every_operation_of_every_key_can_be_measured() {
        // How long a wait lasts is up to whoever changes the secret.
        let is_measured = |opcode: &Opcode| opcode.needs().is_some() && *opcode != Opcode::WaitForSecret;
        for opcode in Opcode::ALL.into_iter().filter(is_measured) {
            assert!(Operation::value_variants().iter().any(|operation| operation.opcode() == opcode), "{opcode}");
        }
        for operation in Operation::value_variants().iter().copied() {
            for algorithm in Algorithm::ALL.iter().copied() {
                let task = Task { algorithm, ..task(operation, operation.size_default(), 1) };
                let needs = operation.opcode().needs();
                let is_done = needs.is_none_or(|it| algorithm.row().does(it));
                assert_eq!(task.check().is_ok(), is_done, "{task}");
            }
        }
        let error = Task { algorithm: Algorithm::Ed25519, ..task(Operation::Mac, 64, 1) }.check().unwrap_err();
        assert!(error.contains("choose one of HMAC-SHA-256, HMAC-SHA-384, HMAC-SHA-512"), "{error}");
    }

    #[test]
    fn operations_are_named_as_their_options_are() {
        for operation in Operation::value_variants() {
            assert_eq!(operation.to_possible_value().unwrap().get_name(), operation.name());
        }
    }

    #[test]
    fn as_much_is_in_flight_as_pays() {
        let in_flight = |operation, batch, frame_size| task(operation, 64, batch).in_flight_default(frame_size);
        assert_eq!(in_flight(Operation::Encrypt, 16, 16 * 1_024), 16);
        assert_eq!(in_flight(Operation::Encrypt, 64, 67 * 1_024), 5, "neither side waits for the other");
        assert_eq!(in_flight(Operation::Encrypt, 1_024, 1_024 * 1_024), 2, "one on its way, one at work");
        assert_eq!(in_flight(Operation::Encrypt, 1, 100), 256);
        assert_eq!(in_flight(Operation::Sign, 64, 64 * 68), 4);
        assert_eq!(in_flight(Operation::Sign, 1, 108), 256);
        assert_eq!(in_flight(Operation::AsymmetricDecrypt, 16, 16 * 280), 16);
    }
}

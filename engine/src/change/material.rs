//! Where the material of a new version comes from.

use std::sync::Arc;

use claviger_algorithm::{Algorithm, KeyKind};

use crate::crypto::random::Random;
use crate::error::Error;
use crate::key::material::{GenerateError, KeyMaterial, SecretBytes};
use crate::limits::SECRET_SIZE_MAX;
use crate::record::Origin;

/// Material of a new version, or what it is made of.
pub(crate) enum NewMaterial {
    /// It is made here.
    Generated,
    /// The value of a secret.
    Registered(SecretBytes),
    /// It was made elsewhere, and checked. Shared, so that a change with it can be tried again.
    Imported(Arc<KeyMaterial>),
}

impl NewMaterial {
    /// Its bytes, for a version of a key of `algorithm`, and where they come from.
    ///
    /// # Errors
    /// [`Error::ValueMismatch`] if keys of the algorithm do not come about like this, [`Error::SecretTooLarge`], [`Error::Entropy`].
    pub(crate) fn bytes(self, algorithm: Algorithm, random: &dyn Random) -> Result<(Origin, SecretBytes), Error> {
        let origin = self.origin(algorithm)?;
        let bytes = match self {
            Self::Registered(value) => value,
            Self::Imported(material) => SecretBytes::copy_of(material.expose()),
            Self::Generated => {
                let material = KeyMaterial::generate(algorithm, random).map_err(|error| match error {
                    GenerateError::Opaque => Error::ValueMismatch,
                    GenerateError::Entropy(error) => Error::Entropy(error),
                })?;
                material.into_bytes()
            }
        };
        Ok((origin, bytes))
    }

    /// Where it comes from, if keys of `algorithm` come about like this.
    ///
    /// # Errors
    /// [`Error::ValueMismatch`] if they do not, [`Error::SecretTooLarge`].
    pub(crate) fn origin(&self, algorithm: Algorithm) -> Result<Origin, Error> {
        match (self, algorithm.row().kind) {
            (Self::Registered(value), KeyKind::Secret) if value.len() > SECRET_SIZE_MAX => Err(Error::SecretTooLarge),
            (Self::Registered(_), KeyKind::Secret) => Ok(Origin::Registered),
            (Self::Imported(material), _) if material.algorithm() == algorithm => Ok(Origin::Imported),
            (Self::Generated, kind) if kind != KeyKind::Secret => Ok(Origin::Generated),
            _ => Err(Error::ValueMismatch),
        }
    }
}

impl From<Option<SecretBytes>> for NewMaterial {
    /// A value is registered; without one, material is made here.
    fn from(value: Option<SecretBytes>) -> Self {
        value.map_or(Self::Generated, Self::Registered)
    }
}

//! What several rows permit together.

use claviger_algorithm::Operation;

use crate::key::id::KeyId;
use crate::record::Permit;

/// What a client may do in a key store: what some row permits that has passed, of each method that the store sets.
///
/// Rows of one method add up, methods restrict each other. What a row permits stays together: two rows of which one permits to encrypt with one key, and the other to decrypt with
/// another key, do not permit to decrypt with the one. The default permits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinedPermit(Box<[Box<[Permit]>]>);

impl JoinedPermit {
    /// What the rows that have passed permit, method by method.
    #[must_use]
    pub fn of<'p, Method>(methods: impl IntoIterator<Item = Method>) -> Self
    where
        Method: IntoIterator<Item = &'p Permit>,
    {
        let methods = methods.into_iter().map(|permits| permits.into_iter().cloned().collect::<Box<[_]>>());
        // A method that restricts nothing is not asked.
        Self(methods.filter(|permits| !permits.iter().any(Permit::is_all)).collect())
    }

    /// Whether an operation with a key is permitted.
    #[must_use]
    pub fn allows(&self, operation: Operation, key: KeyId) -> bool {
        self.each(|permit| permit.allows(operation, key))
    }

    /// Whether anything is permitted with a key: then what the key is may be told.
    #[must_use]
    pub fn has_key(&self, key: KeyId) -> bool {
        self.each(|permit| permit.has_key(key))
    }

    /// Whether an operation is permitted with some key, as far as can be told without naming one.
    #[must_use]
    pub fn allows_some(&self, operation: Operation) -> bool {
        self.each(|permit| permit.operations.contains(operation))
    }

    /// Whether random bytes are permitted.
    #[must_use]
    pub fn random_bytes(&self) -> bool {
        self.each(|permit| permit.operations.random_bytes())
    }

    fn each(&self, permits: impl Fn(&Permit) -> bool) -> bool {
        self.0.iter().all(|method| method.iter().any(&permits))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::record::PermittedOperations;

    const A: KeyId = KeyId([1; 16]);
    const B: KeyId = KeyId([2; 16]);

    fn permit(operation: Operation, key: KeyId) -> Permit {
        let keys = Some(Arc::new(BTreeSet::from([key])));
        Permit { operations: PermittedOperations::NONE.with(operation), keys }
    }

    // R-A12
    #[test]
    fn rows_of_one_method_add_up_and_each_stays_what_it_is() {
        let joined = JoinedPermit::of([&[permit(Operation::Encrypt, A), permit(Operation::Decrypt, B)]]);
        assert!(joined.allows(Operation::Encrypt, A) && joined.allows(Operation::Decrypt, B));
        assert!(!joined.allows(Operation::Decrypt, A) && !joined.allows(Operation::Encrypt, B));
        assert!(joined.has_key(A) && joined.has_key(B) && !joined.has_key(KeyId([3; 16])));
        assert!(!joined.random_bytes());
    }

    // R-A12
    #[test]
    fn methods_restrict_each_other() {
        let encrypts = Permit { operations: PermittedOperations::NONE.with(Operation::Encrypt), keys: None };
        let with_a = Permit { keys: Some(Arc::new(BTreeSet::from([A]))), ..Permit::ALL };
        let joined = JoinedPermit::of([[&encrypts], [&with_a]]);
        assert!(joined.allows(Operation::Encrypt, A));
        assert!(!joined.allows(Operation::Encrypt, B) && !joined.allows(Operation::Decrypt, A));
        let one_row_of_all = JoinedPermit::of([&[encrypts, Permit::ALL][..], &[Permit::ALL]]);
        assert_eq!(one_row_of_all, JoinedPermit::default());
        assert!(one_row_of_all.allows(Operation::Decrypt, B) && one_row_of_all.random_bytes());
    }

    // R-A2, R-A12
    #[test]
    fn a_method_that_no_row_passes_permits_nothing() {
        let joined = JoinedPermit::of([&[Permit::ALL][..], &[]]);
        assert!(!joined.allows(Operation::Encrypt, A) && !joined.has_key(A) && !joined.random_bytes());
    }
}

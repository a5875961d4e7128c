//! Reading secrets (R-K2).

use claviger_engine::Error;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::SECRET_SIZE_MAX;

use crate::support::Client;
use crate::support::installation::new_secret;

on_every_storage! {
    // R-K2
    fn reads_secrets_of_every_size(installation) {
        let values = [0, 1, 255, SECRET_SIZE_MAX].map(|size| b"0123456789".iter().copied().cycle().take(size).collect::<Vec<_>>());
        let new = values.iter().map(|value| new_secret(&value.len().to_string(), value.clone())).collect();
        let records = installation.engine.create_keys(installation.store, new).unwrap();
        let mut client = Client::new(&installation.engine);
        for (record, value) in records.iter().zip(&values) {
            for version in [None, Some(KeyVersion::FIRST)] {
                client.with(record.id, |key| {
                    let read = key.secret(&mut crate::support::calls::uncounted(), version).unwrap();
                    assert_eq!((read.version, read.value), (KeyVersion::FIRST, &value[..]));
                });
            }
        }
    }

    // R-K2
    fn version_that_is_not_there_is_not_found(installation) {
        let records = installation.engine.create_keys(installation.store, vec![new_secret("s", b"value".to_vec())]);
        let id = records.unwrap()[0].id;
        Client::new(&installation.engine).with(id, |key| {
            let missing = KeyVersion::new(2);
            assert!(matches!(key.secret(&mut crate::support::calls::uncounted(), missing), Err(Error::KeyVersionNotFound { .. })));
            assert!(matches!(key.public_key(missing), Err(Error::OperationNotAllowed { .. })));
        });
    }
}

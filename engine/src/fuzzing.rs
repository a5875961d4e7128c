//! Bodies of the fuzz targets, which are also run as tests: each takes any bytes and panics on a broken promise.

use claviger_algorithm::Algorithm;

use crate::audit::Event;
use crate::audit::line::Line;
use crate::ciphertext::{Ciphertext, Purpose, seal_overhead};
use crate::crypto::burst::SealBurst;
use crate::crypto::random::{EntropyError, Random};
use crate::crypto::symmetric::SymmetricKey;
use crate::key::id::KeyId;
use crate::key::material::{KeyMaterial, SecretBytes};
use crate::key::version::KeyVersion;
use crate::limits::PLAINTEXT_SIZE_MAX;
use crate::record::access::AccessRow;
use crate::record::codec::{Reader, Writer};
use crate::record::key_name::KeyNameRecord;
use crate::record::key_version::KeyVersionRecord;
use crate::record::reference::Reference;
use crate::record::transport_key::TransportKeyRecord;
use crate::record::usage::KeyUsage;
use crate::record::{AuthorityRecord, KeyRecord, KeyStoreRecord, PendingDestruction, Record};

/// A ciphertext: what parses is written back as it was; what this key did not seal does not open; what it seals opens.
///
/// # Panics
/// If any of this is not so.
pub fn ciphertext(data: &[u8]) {
    if let Ok(parsed) = Ciphertext::parse(data) {
        let mut header = vec![0; data.len() - parsed.body.len() - parsed.tag.len()];
        assert!(parsed.header.write(&mut header).is_some_and(|rest| rest.is_empty()), "a header fills its place");
        assert_eq!([&header, parsed.body, parsed.tag].concat(), data, "a parsed ciphertext has one encoding");
    }

    for algorithm in [Algorithm::Xaes256Gcm, Algorithm::Aes256Gcm] {
        seals_and_opens(algorithm, data);
    }
}

#[expect(clippy::expect_used, reason = "a panic is how a fuzz target reports")]
fn seals_and_opens(algorithm: Algorithm, data: &[u8]) {
    let material = KeyMaterial::import(algorithm, SecretBytes::from(vec![0x5a; 32]));
    let key = SymmetricKey::new(&material.expect("32 bytes are a symmetric key")).expect("of this algorithm");
    let (id, version) = (KeyId([0x11; 16]), KeyVersion::FIRST);
    let mut room = vec![0; data.len()];
    let foreign_out = room.get_mut(..data.len().saturating_sub(seal_overhead(algorithm))).unwrap_or_default();
    assert!(key.open(id, version, Purpose::Data, &[], data, foreign_out).is_err(), "opened what was never sealed");

    let plaintext = data.get(..PLAINTEXT_SIZE_MAX).unwrap_or(data);
    let mut burst = SealBurst::begin(&key, id, version, &OneByte).expect("random bytes");
    let mut sealed = vec![0; plaintext.len() + seal_overhead(algorithm)];
    burst.seal(Purpose::Data, plaintext.get(..64).unwrap_or_default(), plaintext, &mut sealed).expect("within limits");
    let mut opened = vec![0; plaintext.len()];
    let context = plaintext.get(..64).unwrap_or_default();
    key.open(id, version, Purpose::Data, context, &sealed, &mut opened).expect("opens what it sealed");
    assert_eq!(opened, plaintext);
}

/// The fields of a record, of whatever type: what decodes has one encoding.
///
/// # Panics
/// If it has another one.
pub fn record(data: &[u8]) {
    for is_record in RECORD_TYPES {
        is_record(data);
    }
}

const RECORD_TYPES: [fn(&[u8]) -> bool; 10] = [
    is_record::<AccessRow>,
    is_record::<KeyStoreRecord>,
    is_record::<KeyRecord>,
    is_record::<KeyVersionRecord>,
    is_record::<PendingDestruction>,
    is_record::<Reference>,
    is_record::<KeyNameRecord>,
    is_record::<AuthorityRecord>,
    is_record::<TransportKeyRecord>,
    is_record::<KeyUsage>,
];

/// Whether `data` are the fields of an `R`; if so, checks that they are what it encodes to.
fn is_record<R: Record>(data: &[u8]) -> bool {
    let mut reader = Reader::new(data);
    let decoded = R::decode(&mut reader);
    let (Some(record), Some(())) = (decoded, reader.finish()) else { return false };
    let mut writer = Writer::default();
    record.encode(&mut writer);
    assert_eq!(writer.finish(), data, "a record of type {} has one encoding", R::RECORD_TYPE);
    true
}

/// A line of the audit log: what is cut into its parts is put together again from them; what it tells is read again as it is written.
///
/// # Panics
/// If it is not so.
pub fn audit(data: &[u8]) {
    let Some(line) = Line::parse(data) else { return };
    assert_eq!(line.written_again(), data, "a line has one encoding");
    if let Some(event) = line.event() {
        assert_eq!(Event::parse(event.json().as_bytes()), Some(event), "an event is read as it was written");
    }
}

/// One byte over and over: a fuzz target must do the same with the same input.
struct OneByte;

impl Random for OneByte {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill(0xa5);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::key::id::StoreId;
    use crate::record::{AccessMethods, StoreState, access, key, transport_key};
    use crate::record::{Quota, Quotas};

    #[test]
    fn ciphertext_keeps_its_promises_on_small_and_large_inputs() {
        ciphertext(&[]);
        for size in [1, 93, 94, 95, 1_000, PLAINTEXT_SIZE_MAX, PLAINTEXT_SIZE_MAX + 95] {
            ciphertext(&vec![1; size]);
            let mut header_like = vec![0; size];
            header_like.iter_mut().zip([1, 16, 0, 0, 0, 1]).for_each(|(byte, value)| *byte = value);
            header_like.iter_mut().skip(6).take(16).for_each(|byte| *byte = 0x11);
            ciphertext(&header_like);
        }
    }

    #[test]
    fn targets_keep_their_promises_on_their_corpora() {
        for (target, run) in [("ciphertext", ciphertext as fn(&[u8])), ("record", record), ("audit", audit)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                println!("{}", path.display());
                run(&std::fs::read(&path).unwrap());
            }
        }
    }

    // R-O3
    #[test]
    fn audit_keeps_its_promise_on_lines_and_on_what_is_nearly_one() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/audit");
        for name in ["opened", "change", "refusals", "request", "uses"] {
            let line = std::fs::read(folder.join(name)).unwrap();
            assert!(Line::parse(&line).unwrap().event().is_some(), "{name}");
            for at in 0..line.len() {
                audit(&line[..at]);
                for value in [0, b'"', b'0', b'\\', b',', b'}', 0xff] {
                    let mut altered = line.clone();
                    altered[at] = value;
                    audit(&altered);
                }
            }
        }
    }

    fn encoded<R: Record>(record: &R) -> Vec<u8> {
        let mut writer = Writer::default();
        record.encode(&mut writer);
        writer.finish()
    }

    #[test]
    fn record_keeps_its_promise_on_records_and_on_what_is_nearly_one() {
        let store = KeyStoreRecord {
            id: StoreId([2; 16]),
            name: "store".parse().unwrap(),
            created_ms: 1,
            methods: AccessMethods::CLIENT_CERTIFICATE,
            deletion_wait_hours: 72,
            open_public_keys: false,
            state: StoreState::Available,
            declared_hardware_address: false,
            records_requests: false,
            quotas: Quotas { store: Quota::new(1, 2), client: None },
        };
        let authority = AuthorityRecord { certificate: vec![1; 9], wrapped_private_key: vec![2; 9] };
        let [new_key, new_version] = transport_key::tests::samples();
        let samples = [
            encoded(&store),
            encoded(&key::tests::sample()),
            encoded(&key::tests::deletion_requested()),
            encoded(&key::tests::deleted()),
            encoded(&KeyVersionRecord { wrapped: vec![3; 9] }),
            encoded(&PendingDestruction { since_ms: 5, was_used: true }),
            encoded(&Reference([4; 16])),
            encoded(&KeyNameRecord::alias_of(KeyId([5; 16]))),
            encoded(&authority),
            encoded(&new_key),
            encoded(&new_version),
        ];
        record(&[]);
        let rows = access::tests::samples();
        for sample in samples.into_iter().chain(rows.iter().map(encoded)) {
            let types = RECORD_TYPES.iter().filter(|is_record| is_record(&sample)).count();
            assert_eq!(types, 1, "a record is of one type");
            for at in 0..sample.len() {
                record(&sample[..at]);
                for value in 0..=255 {
                    let mut altered = sample.clone();
                    altered[at] = value;
                    record(&altered);
                }
            }
        }
    }
}

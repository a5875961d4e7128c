//! The audit log, verified by a program in Python that was written from docs/AUDIT.md alone.

#![allow(clippy::unwrap_used, reason = "tests may be blunt")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use claviger_algorithm::Algorithm;
use claviger_engine::audit::AuditOptions;
use claviger_engine::change::{NewKey, NewKeyStore};
use claviger_engine::clock::SystemClock;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::hierarchy::{DevelopmentRootKey, SystemKeyFile};
use claviger_engine::key::material::SecretBytes;
use claviger_engine::limits::AUDIT_FILE_SIZE_MIN;
use claviger_engine::shred::{ShredClass, ShredTable};
use claviger_engine::storage::MemoryStorage;
use claviger_engine::{AccessMethods, Engine, EngineParts};

/// What the program says of the log, and whether it has found nothing; `None`, with a message, without Python or openssl, which is a failure in continuous integration.
fn verify(public_key: &str, folder: &Path) -> Option<(bool, String)> {
    let has = |program: &str, argument: &str| Command::new(program).arg(argument).output().is_ok();
    if !has("python3", "--version") || !has("openssl", "version") {
        assert!(std::env::var_os("CI").is_none(), "python3 or openssl is missing");
        eprintln!("python3 or openssl is missing: skipped");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/verify_audit.py");
    let mut command = Command::new("python3");
    let ran = command.arg(script).arg(public_key).arg(folder.join("audit")).arg(folder.join("head")).output().unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    Some((ran.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

// R-O3
#[test]
fn a_verifier_that_was_written_from_the_text_alone_takes_the_log_and_finds_what_was_altered() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let random = SystemRandom::new();
    let root_key = DevelopmentRootKey::create(folder.join("root-key"), &random).unwrap();
    let file = SystemKeyFile::at(folder.join("system-keys"));
    file.create(&root_key, &random, 0).unwrap();
    let system_keys = file.unlock(&root_key).unwrap();
    let mirrors = ["one", "two"].map(|name| folder.join(name));
    ShredTable::create(&mirrors, system_keys.installation()).unwrap();
    let shred_table = ShredTable::open(&mirrors, system_keys.installation(), ShredClass::File).unwrap();
    let options = AuditOptions::at(folder.join("audit"), folder.join("head"));
    let engine = Engine::start(EngineParts {
        storage: Arc::new(MemoryStorage::new()),
        system_keys,
        shred_table: Arc::new(shred_table),
        random: Arc::new(random),
        clock: Arc::new(SystemClock),
        cached_keys_max: 10,
        compute_threads: 1,
        audit: Some(AuditOptions { file_size: AUDIT_FILE_SIZE_MIN, free_space_floor: 0, ..options }),
    });
    let engine = engine.unwrap();
    let store = NewKeyStore {
        name: "store".parse().unwrap(),
        methods: AccessMethods::CLIENT_CERTIFICATE,
        authority_certificate: Vec::new(),
        authority_private_key: SecretBytes::from(Vec::new()),
    };
    let store = engine.create_store(store).unwrap().id;
    for number in 0..200 {
        let key = NewKey::new(format!("key-{number}").parse().unwrap(), Algorithm::HmacSha256);
        engine.create_keys(store, vec![key]).unwrap();
    }
    let public_key = engine.audit_status().unwrap().public_key.to_string();
    drop(engine);
    assert!(folder.join("audit/audit-0000000002.jsonl").exists());
    let Some((intact, said)) = verify(&public_key, folder) else { return };
    assert!(intact && said.contains("in 2 files, intact"), "{said}");
    for name in ["audit/audit-0000000001.jsonl", "audit/audit-0000000002.jsonl"] {
        let whole = fs::read_to_string(folder.join(name)).unwrap();
        let last = whole.trim_end().rfind('\n').unwrap() + 1;
        for bad in [whole.replacen("\"actor\":\"engine\"", "\"actor\":\"engina\"", 1), whole[..last].to_owned()] {
            assert_ne!(bad, whole);
            fs::write(folder.join(name), bad).unwrap();
            let (intact, said) = verify(&public_key, folder).unwrap();
            assert!(!intact && said.contains("FOUND"), "{said}");
        }
        fs::write(folder.join(name), whole).unwrap();
    }
}

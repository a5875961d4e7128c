//! What is told of the shred table, and of what is destroyed in it.

use claviger_control::message::{Destruction, Key, Mirror, ShredTable};
use claviger_engine::shred::{MirrorStatus, ShredClass};
use claviger_engine::{Engine, Error, KeyRecord};

use super::describe;

/// What is told of the shred table.
pub(super) fn shred_table(engine: &Engine) -> Result<ShredTable, Error> {
    let table = engine.shred_table();
    let (secrets, damaged) = table.taken();
    let mirror = |status: &MirrorStatus| Mirror {
        path: status.path.display().to_string(),
        fault: status.fault.as_ref().map(ToString::to_string),
    };
    Ok(ShredTable {
        class: table.class().to_string(),
        mirrors: table.status().iter().map(mirror).collect(),
        secrets: secrets.into(),
        damaged: damaged.into(),
        missing: table.reserved().into(),
        not_yet_destroyed: u64::try_from(engine.pending_destructions()?).unwrap_or(u64::MAX),
    })
}

/// What a person should know or do about it.
pub(super) fn warnings(table: &ShredTable, class: ShredClass, are_separated: bool) -> Vec<String> {
    let faulty = table.mirrors.iter().filter_map(|mirror| {
        let fault = mirror.fault.as_ref()?;
        Some(format!(
            "until then no key is created and nothing deleted is destroyed: mirror {} of the shred table {fault}",
            mirror.path
        ))
    });
    let mut warnings: Vec<_> = faulty.collect();
    if table.damaged > 0 {
        warnings.push(format!(
            "{} slots of the shred table are damaged on every mirror, and their keys are lost: bring back another copy of a mirror, if there is any",
            table.damaged
        ));
    }
    if table.missing > 0 {
        warnings.push(format!(
            "{} secrets are missing in the shred table, and their keys cannot be used: its mirrors are older than the data folder; stop, and bring back a newer mirror in place of one of them",
            table.missing
        ));
    }
    if table.not_yet_destroyed > 0 {
        warnings.push(format!(
            "{} keys or versions of keys are deleted and not yet destroyed: a mirror of the shred table is away",
            table.not_yet_destroyed
        ));
    }
    if !are_separated {
        warnings.push("not separated: mirrors of the shred table are on one disk with each other or with the data; give each a disk of its own, for when all of them are lost every key is".to_owned());
    }
    if class == ShredClass::Development {
        warnings.push(
            "shred table of class development: nobody has looked whether what is overwritten in its files is gone"
                .to_owned(),
        );
    }
    warnings
}

/// Why mirrors take no part, for each that does not.
pub(super) fn faults(engine: &Engine) -> Vec<String> {
    let fault =
        |status: MirrorStatus| Some(format!("mirror {} of the shred table {}", status.path.display(), status.fault?));
    engine.shred_table().status().into_iter().filter_map(fault).collect()
}

/// What is told of a key, and of what is to be destroyed of it.
pub(super) fn key(engine: &Engine, record: &KeyRecord) -> Result<Key, Error> {
    let key = describe::key(record);
    if key.destruction.is_some() {
        return Ok(key);
    }
    // A deleted key whose secret has just been noted to be destroyed has either of the two.
    let since_ms = engine.pending_destruction(record.id)?.or(record.deleted.map(|deleted| deleted.at_ms));
    let destruction = since_ms.map(|since_ms| Destruction {
        state: "not yet destroyed".to_owned(),
        class: None,
        time: describe::time(since_ms),
        reasons: faults(engine),
    });
    Ok(Key { destruction, ..key })
}

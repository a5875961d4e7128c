//! What makes an installation, and sees to its places while no daemon runs.

use std::path::Path;

use claviger_daemon::approval_off::approval_off;
use claviger_daemon::certificates::Certificates;
use claviger_daemon::config::Config;
use claviger_daemon::installation;
use claviger_engine::crypto::random::SystemRandom;

use crate::say::say;

pub(crate) fn init(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    let public_key = installation::init(&config)?;
    say!("made a new installation:");
    say!(
        "  root key     {}   UNSAFE, for development: whoever reads this file has the root key",
        config.root_key.path.display()
    );
    say!("  system keys  {}   keep a copy apart from the data folder", config.system_keys.path.display());
    say!("  data folder  {}", config.storage.folder.display());
    say!("  journal      {}   belongs on another disk than the data folder", config.journal.folder.display());
    for mirror in &config.shred_table.mirrors {
        say!(
            "  shred table  {}   belongs on a disk of its own, and in no backup: if all of these are lost, every key is",
            mirror.display()
        );
    }
    say!("  audit log    {}   belongs on another disk than the data folder", config.audit.folder.display());
    say!("               {}   remembers where it ends: apart from the log", config.audit.head.display());
    say!("give auditors the public key of this installation, by which its audit log is verified:\n  {public_key}");
    Ok(())
}

pub(crate) fn make_certificates(path: &Path, names: &[String]) -> anyhow::Result<()> {
    let certificates = Certificates::of(&Config::read(path)?);
    certificates.make(names, &SystemRandom::new())?;
    say!("made certificates, valid for ten years:\n{certificates}");
    say!(
        "The private keys of the two authorities are not kept: for further or new certificates move these files away and make all of them again."
    );
    Ok(())
}

pub(crate) fn make_mirrors(path: &Path) -> anyhow::Result<()> {
    let made = installation::make_missing_mirrors(&Config::read(path)?)?;
    if made.is_empty() {
        say!("all mirrors of the shred table are there, and equal");
    }
    for path in made {
        say!("made mirror {} of the shred table", path.display());
    }
    Ok(())
}

pub(crate) fn switch_approval_off(path: &Path, store: Option<&str>) -> anyhow::Result<()> {
    let before = approval_off(&Config::read(path)?, store)?;
    let place = store.map_or_else(|| "the installation".to_owned(), |name| format!("key store {name}"));
    say!("nothing of {place} needs an approval any more; before: {before}");
    say!("the audit log tells of it; set it anew with `claviger approval set-policy` when there are approvers again");
    Ok(())
}

//! Switching approval off without a daemon, when nobody is left who could approve it.

use anyhow::{Context, bail};
use claviger_engine::Act;
use claviger_engine::approval::ApprovalPolicy;
use claviger_engine::key::name::Name;

use crate::config::Config;
use crate::installation::Installation;

/// Switches approval off, in the key store of this name or in the installation. Whoever does so has root key, system keys and data folder; the audit log tells of it. Gives what needed
/// an approval before.
///
/// # Errors
/// With the remedy: there is no such key store, a daemon has the folder, something cannot be opened or written. Then everything is as it was.
pub fn approval_off(config: &Config, store: Option<&str>) -> anyhow::Result<ApprovalPolicy> {
    let installation = Installation::open(config)?;
    let engine = &installation.engine;
    let id = match store {
        None => None,
        Some(text) => {
            let found = text.parse::<Name>().ok().and_then(|name| engine.store_by_name(&name));
            let names =
                || engine.stores().iter().map(|store| store.policy().name.to_string()).collect::<Vec<_>>().join(", ");
            Some(found.with_context(|| format!("there is no key store {text:?}: there are {}", names()))?.id())
        }
    };
    let before = engine.approval_policy(id)?;
    if !before.is_on() {
        bail!("nothing needs an approval there: nothing was changed");
    }
    let place = store.map_or_else(|| "installation".to_owned(), |name| format!("key store {name}"));
    let act = Act {
        shown: format!("{place}: {before}; switched off without a daemon"),
        store: id,
        ..Act::new("whoever has root key and data folder".to_owned(), "approval_off")
    };
    engine.on_behalf_of(act).set_approval_policy(id, ApprovalPolicy::OFF)?;
    Ok(before)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use claviger_engine::approval::ChangeClass;
    use claviger_engine::audit::AuditFilter;

    use super::*;
    use crate::installation::init;

    fn said(result: anyhow::Result<impl Sized>) -> String {
        format!("{:#}", result.err().unwrap())
    }

    // R-A9
    #[test]
    fn approval_is_switched_off_beside_no_daemon_and_the_audit_log_tells_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[storage]\nmap_size_mib = 1\nfree_space_floor_mib = 0\n[audit]\nfile_size_mib = 1\nfree_space_floor_mib = 0";
        let config = Config::parse(text, folder.path()).unwrap();
        init(&config).unwrap();
        assert!(said(approval_off(&config, None)).contains("nothing needs an approval"));
        assert!(said(approval_off(&config, Some("absent"))).contains("no key store"));
        let running = Installation::open(&config).unwrap();
        let policy = ApprovalPolicy { classes: [ChangeClass::Custody].into_iter().collect(), quorum: NonZeroU8::MIN };
        running.engine.set_approval_policy(None, policy).unwrap();
        assert!(said(approval_off(&config, None)).contains("in use"));
        drop(running);
        assert_eq!(approval_off(&config, None).unwrap(), policy);
        let installation = Installation::open(&config).unwrap();
        assert_eq!(installation.engine.approval_policy(None).unwrap(), ApprovalPolicy::OFF);
        let page = installation.engine.audit_page(&AuditFilter::default(), 0, 100).unwrap().unwrap();
        let told = page.records.iter().find(|record| record.event.operation == "approval_off").unwrap();
        assert!(told.event.shown.contains("custody need the approval of 1"), "{told:?}");
        assert!(installation.engine.verify_audit(1).unwrap().unwrap().is_intact());
    }
}

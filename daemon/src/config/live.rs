//! Which settings can change while the daemon runs.

use super::{Config, Control, Data, Log};

impl Config {
    /// These settings with those of `new` that can change while the daemon runs: certificates, the number of connections, the time to drain, and how much is logged.
    #[must_use]
    pub fn with_live_settings_of(&self, new: &Self) -> Self {
        let (data, control, log) = (&new.data, &new.control, &new.log);
        Self {
            data: Data { connections_max: data.connections_max, drain: data.drain, ..self.data.clone() },
            tls: new.tls.clone(),
            control: Control { address: self.control.address, ..control.clone() },
            log: Log { level: log.level, ..self.log.clone() },
            ..self.clone()
        }
    }

    /// The sections in which `other` differs.
    #[must_use]
    pub fn differing_sections(&self, other: &Self) -> Vec<&'static str> {
        // Without `..`: a new section says here that it is one.
        let Self {
            data,
            tls,
            control,
            storage,
            journal,
            backup,
            root_key,
            system_keys,
            shred_table,
            audit,
            cache,
            log,
            metrics,
        } = self;
        let sections = [
            ("[data]", *data != other.data),
            ("[tls]", *tls != other.tls),
            ("[control]", *control != other.control),
            ("[storage]", *storage != other.storage),
            ("[journal]", *journal != other.journal),
            ("[backup]", *backup != other.backup),
            ("[root_key]", *root_key != other.root_key),
            ("[system_keys]", *system_keys != other.system_keys),
            ("[shred_table]", *shred_table != other.shred_table),
            ("[audit]", *audit != other.audit),
            ("[cache]", *cache != other.cache),
            ("[log]", *log != other.log),
            ("[metrics]", *metrics != other.metrics),
        ];
        sections.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("")).unwrap()
    }

    // R-O4
    #[test]
    fn what_is_live_is_taken_over_and_what_is_not_stays_and_is_named() {
        let before = Config::default();
        for (live, taken) in [
            ("[tls]\ncertificate = \"new.pem\"", "[tls]"),
            ("[control]\nadministrators = \"new.pem\"", "[control]"),
            ("[data]\nconnections_max = 7", "[data]"),
            ("[data]\ndrain_seconds = 7", "[data]"),
            ("[log]\nlevel = \"debug\"", "[log]"),
        ] {
            let merged = before.with_live_settings_of(&config(live));
            assert_eq!(merged.differing_sections(&before), [taken], "{live}");
            assert_eq!(merged, config(live), "{live}");
        }
        for (fixed, section) in [
            ("[data]\nworkers = 77", "[data]"),
            ("[data]\naddress = \"127.0.0.1:1\"", "[data]"),
            ("[data]\nidle_seconds = 7", "[data]"),
            ("[data]\nbusy_poll_microseconds = 7", "[data]"),
            ("[control]\naddress = \"127.0.0.1:1\"", "[control]"),
            ("[storage]\nfree_space_floor_mib = 7", "[storage]"),
            ("[journal]\nfolder = \"elsewhere\"", "[journal]"),
            ("[backup]\nfolder = \"elsewhere\"", "[backup]"),
            ("[root_key]\npath = \"elsewhere\"", "[root_key]"),
            ("[system_keys]\npath = \"elsewhere\"", "[system_keys]"),
            ("[shred_table]\nclass = \"development\"", "[shred_table]"),
            ("[cache]\nkeys_max = 7", "[cache]"),
            ("[cache]\nfill = true", "[cache]"),
            ("[log]\nformat = \"json\"", "[log]"),
            ("[metrics]\naddress = \"127.0.0.1:1\"", "[metrics]"),
        ] {
            let merged = before.with_live_settings_of(&config(fixed));
            assert_eq!(merged, before, "{fixed}");
            assert_eq!(merged.differing_sections(&config(fixed)), [section], "{fixed}");
        }
    }
}

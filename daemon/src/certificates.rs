//! Certificates for a new installation: of both ports, and of a first administrator.
//!
//! They come from two authorities whose private keys are forgotten at once: nobody can issue another server or administrator with
//! them, and new certificates come from new authorities.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, ensure};
use claviger_engine::crypto::random::Random;

use crate::authority::{Authority, Issued, Purpose, Subject};
use crate::config::Config;
use crate::limits::AUTHORITY_LIFETIME;
use crate::pem;

/// Where the certificates of an installation are.
pub struct Certificates {
    server: [(PathBuf, PathBuf); 2],
    server_authority: PathBuf,
    administrators: PathBuf,
    administrator: (PathBuf, PathBuf),
}

impl Certificates {
    /// Where `config` says, and for what it does not name: `server-ca.pem` beside the data port's certificate, `administrator.pem` and
    /// `administrator-key.pem` beside the administrators' authority.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let (tls, control) = (&config.tls, &config.control);
        Self {
            server: [(tls.certificate.clone(), tls.key.clone()), (control.certificate.clone(), control.key.clone())],
            server_authority: tls.certificate.with_file_name("server-ca.pem"),
            administrators: control.administrators.clone(),
            administrator: (
                control.administrators.with_file_name("administrator.pem"),
                control.administrators.with_file_name("administrator-key.pem"),
            ),
        }
    }

    /// Makes all of them, for servers that are reached by `names` (host names or addresses; at least one). Nothing that exists is touched.
    ///
    /// # Errors
    /// With the file that exists already or cannot be written, or the name that cannot stand in a certificate.
    pub fn make(&self, names: &[String], random: &dyn Random) -> anyhow::Result<()> {
        for path in self.files() {
            ensure!(
                !path.exists(),
                "{} exists already, and nothing is overwritten: move it away, or name another file in the configuration",
                path.display()
            );
        }
        let now = SystemTime::now();
        let server = Authority::create("Claviger server", now, random)?;
        let administrators = Authority::create("Claviger administrators", now, random)?;
        let issue = |authority: &Authority, name: &str, purpose: &Purpose<'_>| {
            authority.issue(name, purpose, &Subject::Generated, AUTHORITY_LIFETIME, now, random)
        };
        let of_server = issue(&server, "clavigerd", &Purpose::Server(names))?;
        let of_administrator = issue(&administrators, "administrator", &Purpose::Client)?;
        for credential in self.servers() {
            write_credential(credential, &of_server)?;
        }
        write(&self.server_authority, &pem::encode("CERTIFICATE", server.certificate()))?;
        write(&self.administrators, &pem::encode("CERTIFICATE", administrators.certificate()))?;
        write_credential(&self.administrator, &of_administrator)
    }

    /// The credentials of the ports: one if both show the same.
    fn servers(&self) -> &[(PathBuf, PathBuf)] {
        let [data, control] = &self.server;
        if data == control { std::slice::from_ref(data) } else { &self.server }
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.servers()
            .iter()
            .chain([&self.administrator])
            .flat_map(|(certificate, key)| [certificate, key])
            .chain([&self.server_authority, &self.administrators])
    }
}

impl fmt::Display for Certificates {
    /// A line for each file, and what it is for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (certificate, key) in self.servers() {
            writeln!(f, "  server                     {}, {}", certificate.display(), key.display())?;
        }
        writeln!(f, "  server's authority         {}   for every client", self.server_authority.display())?;
        let (certificate, key) = &self.administrator;
        writeln!(f, "  administrator              {}, {}", certificate.display(), key.display())?;
        writeln!(f, "  administrators' authority  {}", self.administrators.display())
    }
}

fn write_credential((certificate, key): &(PathBuf, PathBuf), issued: &Issued) -> anyhow::Result<()> {
    write(key, issued.private_key.as_ref().context("a certificate without its key")?)?;
    write(certificate, &pem::encode("CERTIFICATE", &issued.certificate))
}

/// Writes a file that is not there, readable by its owner only, and makes the folder that it is to stand in.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("file {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use claviger_engine::crypto::random::SystemRandom;

    use super::*;
    use crate::control::caller::Caller;
    use crate::pem::Credential;

    fn config(text: &str, folder: &Path) -> Config {
        Config::parse(text, folder).unwrap()
    }

    fn make(config: &Config, names: &[&str]) -> anyhow::Result<()> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        Certificates::of(config).make(&names, &SystemRandom::new())
    }

    // R-O4
    #[test]
    fn makes_what_the_configuration_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("one", ""), ("two", "[control]\ncertificate = \"control.pem\"\nkey = \"control-key.pem\"")]
        {
            let config = config(text, &folder.path().join(name));
            make(&config, &["kms.example.org", "10.0.0.5"]).unwrap();
            Credential::read(&config.tls.certificate, &config.tls.key).unwrap();
            Credential::read(&config.control.certificate, &config.control.key).unwrap();
            pem::certificates(&config.control.administrators).unwrap();
            let tls = folder.path().join(name).join("tls");
            let own = Credential::read(&tls.join("administrator.pem"), &tls.join("administrator-key.pem")).unwrap();
            assert!(Caller::administrator(&own.certificate_chain[0]).is_some());
        }
    }

    #[test]
    fn overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = config("", folder.path());
        fs::create_dir(folder.path().join("tls")).unwrap();
        fs::write(&config.control.administrators, "mine").unwrap();
        let error = make(&config, &["localhost"]).unwrap_err().to_string();
        assert!(error.contains("administrators-ca.pem exists already"), "{error}");
        assert_eq!(fs::read_dir(folder.path().join("tls")).unwrap().count(), 1);
    }

    #[test]
    fn refuses_names_that_are_none_and_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for names in [[].as_slice(), &[""], &["a b"]] {
            make(&config("", folder.path()), names).unwrap_err();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

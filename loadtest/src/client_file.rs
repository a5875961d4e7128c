//! The configuration file of a client, as `claviger` uses it: the section of the data port.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use claviger_client::{Identity, ServerCa};
use serde::Deserialize;

use crate::limits::CLIENT_FILE_SIZE_MAX;

/// Where the data port is, whom to believe, and who the client is.
pub(crate) struct ClientFile {
    pub(crate) address: String,
    pub(crate) server_ca: ServerCa,
    pub(crate) identity: Option<Identity>,
}

impl ClientFile {
    /// Reads the file at `path` and those that it names; relative paths start at its folder.
    ///
    /// # Errors
    /// With file and remedy: one cannot be read, is not what it should be, or holds a private key that others can read.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = String::from_utf8(read(path)?).with_context(|| path.display().to_string())?;
        let file: File = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let Data { address, server_ca, certificate, key } = file.data;
        let server_ca = folder.join(server_ca);
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(identity(&folder.join(certificate), &folder.join(key))?),
            (None, None) => None,
            _ => bail!("{}: [data] needs certificate and key, or neither", path.display()),
        };
        let server_ca = ServerCa::from_pem(&read(&server_ca)?).with_context(|| server_ca.display().to_string())?;
        Ok(Self { address, server_ca, identity })
    }
}

/// What the file says; other sections are for other programs.
#[derive(Deserialize)]
struct File {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    address: String,
    server_ca: PathBuf,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

fn identity(certificate: &Path, key: &Path) -> anyhow::Result<Identity> {
    let mode = fs::metadata(key).with_context(|| key.display().to_string())?.permissions().mode();
    ensure!(mode & OTHERS == 0, "others can read the private key {}: run `chmod 600` on it", key.display());
    Identity::from_pem(&read(certificate)?, &read(key)?).with_context(|| certificate.display().to_string())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let size = fs::metadata(path).with_context(|| path.display().to_string())?.len();
    let most = CLIENT_FILE_SIZE_MAX;
    ensure!(size <= most, "{} has {size} bytes, more than the {most} that it may have", path.display());
    fs::read(path).with_context(|| path.display().to_string())
}

/// Permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "[data]\naddress = \"localhost:7700\"\nserver_ca = \"ca.pem\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n";

    /// A folder with a client file of this text, and certificate files that belong together.
    fn folder(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = folder.path().join("k.pem");
        fs::write(folder.path().join("client.toml"), text).unwrap();
        fs::write(folder.path().join("ca.pem"), pair.cert.pem()).unwrap();
        fs::write(folder.path().join("c.pem"), pair.cert.pem()).unwrap();
        fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        folder
    }

    fn said(folder: &tempfile::TempDir) -> String {
        format!("{:#}", ClientFile::read(&folder.path().join("client.toml")).err().unwrap())
    }

    #[test]
    fn files_are_found_beside_it_and_other_sections_are_left_alone() {
        let folder = folder(&format!("{TEXT}transport = \"quic\"\n[control]\naddress = \"localhost:7701\"\n"));
        let file = ClientFile::read(&folder.path().join("client.toml")).unwrap();
        assert_eq!(file.address, "localhost:7700");
        assert!(file.identity.is_some());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_file() {
        for (text, expected) in [
            ("", "missing field `data`"),
            ("[data]\naddress = 1", "client.toml"),
            ("[data]\naddress = \"a:1\"\nserver_ca = \"none.pem\"", "none.pem"),
            ("[data]\naddress = \"a:1\"\nserver_ca = \"client.toml\"", "client.toml"),
            ("[data]\naddress = \"a:1\"\nserver_ca = \"ca.pem\"\nkey = \"k.pem\"", "certificate and key, or neither"),
            (
                "[data]\naddress = \"a:1\"\nserver_ca = \"ca.pem\"\nkey = \"ca.pem\"\ncertificate = \"c.pem\"",
                "chmod 600",
            ),
        ] {
            let error = said(&folder(text));
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn private_keys_that_others_can_read_and_huge_files_are_refused() {
        let folder = folder(TEXT);
        fs::set_permissions(folder.path().join("k.pem"), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(said(&folder).contains("chmod 600"));
        fs::write(folder.path().join("ca.pem"), vec![b' '; usize::try_from(CLIENT_FILE_SIZE_MAX).unwrap() + 1])
            .unwrap();
        fs::set_permissions(folder.path().join("k.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(said(&folder).contains("ca.pem"));
    }
}

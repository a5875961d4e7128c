//! Tests of the configuration file.

use super::*;

fn parse(text: &str) -> anyhow::Result<Config> {
    Config::parse(text, Path::new(""))
}

const EXAMPLE: &str = include_str!("../../config.example.toml");

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn the_example_says_the_defaults() {
    assert_eq!(parse(EXAMPLE).unwrap(), Config::default());
}

#[test]
fn the_example_names_every_setting() {
    // Every setting appears with a value of its own: once all of them are changed, nothing of the default is left.
    let settings = EXAMPLE.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")).count();
    let commented =
        EXAMPLE.lines().filter(|line| line.starts_with("# workers = ") || line.starts_with("# address = ")).count();
    assert_eq!(settings + commented, 31, "a setting is missing in config.example.toml, or this number is old");
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let config = Config::parse("[storage]\nfolder = \"/var/lib/claviger\"", Path::new("/etc/claviger")).unwrap();
    assert_eq!(config.root_key.path, Path::new("/etc/claviger/root-key"));
    assert_eq!(config.storage.folder, Path::new("/var/lib/claviger"));
}

#[test]
fn refuses_what_it_does_not_know_or_cannot_be() {
    for (text, said) in [
        ("[data]\nadress = \"127.0.0.1:1\"", "unknown field `adress`"),
        ("[dta]", "unknown field `dta`"),
        ("[data]\naddress = \"localhost:7700\"", "invalid socket address"),
        ("[data]\nworkers = 0", "[data] workers is 0"),
        ("[data]\nworkers = 5000", "set 1 to"),
        ("[data]\nworkers = -1", "invalid value"),
        ("[data]\nbusy_poll_microseconds = 10001", "busy_poll_microseconds is 10001: set at most 10000"),
        ("[data]\nbusy_poll_microseconds = -1", "invalid value"),
        ("[data]\nbusy_poll_microseconds = true", "invalid type"),
        ("[data]\nconnections_max = 0", "connections_max is 0"),
        ("[data]\nidle_seconds = 0", "idle_seconds is 0"),
        ("[data]\nidle_seconds = \"5\"", "invalid type"),
        ("[data]\ndrain_seconds = 0", "drain_seconds is 0"),
        ("[cache]\nkeys_max = 0", "keys_max is 0"),
        ("[shred_table]\nmirrors = []", "names 0: name 2 to 8 files"),
        ("[shred_table]\nmirrors = [\"one\"]", "names 1: name 2 to 8 files"),
        ("[shred_table]\nmirrors = [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]", "names 9"),
        ("[shred_table]\nmirrors = [\"one\", \"one\"]", "names a file twice"),
        ("[shred_table]\nmirrors = \"one\"", "invalid type"),
        ("[shred_table]\nclass = \"hardware\"", "unknown variant `hardware`"),
        ("[storage]\nmap_size_mib = 4000000000", "map_size_mib is too large"),
        ("[journal]\nfolder = \"data\"", "[journal] folder is data"),
        ("[journal]\nfolder = \"data/journal\"", "lost on another day"),
        ("[backup]\nfolder = \"data/backup\"", "[backup] folder is data/backup"),
        ("[storage]\nfolder = \"backup/data\"", "[backup] folder is backup"),
        ("[backup]\nfolder = \"journal\"", "the same folder"),
        ("[root_key]\ncustody = \"none\"", "unknown variant `none`"),
        ("[log]\nformat = \"xml\"", "unknown variant `xml`"),
        ("[log]\nlevel = \"loud\"", "unknown variant `loud`"),
        ("[metrics]\naddress = 9100", "invalid type"),
        ("[metrics]\naddress = \"localhost\"", "invalid socket address"),
        ("data", "key with no value"),
    ] {
        let error = format!("{:#}", parse(text).unwrap_err());
        assert!(error.contains(said), "{text:?}: {error}");
    }
}

#[test]
fn a_missing_or_huge_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let said = |path: &Path| format!("{:#}", Config::read(path).unwrap_err());
    assert!(said(&path).contains("config.toml"), "{}", said(&path));
    fs::write(&path, " ".repeat(usize::try_from(CONFIG_FILE_SIZE_MAX).unwrap() + 1)).unwrap();
    assert!(said(&path).contains("more than the"), "{}", said(&path));
}

//! Lists of a store in whose data folder something is damaged.

use std::fs;

use serde_json::Value;

use crate::Daemon;

// R-K20
#[test]
fn a_list_passes_over_a_damaged_key_and_says_so_beside_itself() {
    let daemon = Daemon::start();
    let store = ["--store", "demo"];
    let in_demo = |daemon: &Daemon, rest: &[&str]| daemon.say(&[rest, &store].concat());
    let created = in_demo(&daemon, &["key", "create", "--algorithm", "XAES-256-GCM", "broken", "--json"]).json();
    assert_eq!(in_demo(&daemon, &["alias", "create", "other-name", "broken"]).code, 0);
    let whole = in_demo(&daemon, &["key", "list"]);
    assert_eq!((whole.code, whole.errors.as_str()), (0, ""));
    assert!(whole.output.contains("broken"));

    let daemon = daemon.damaged(created["keys"][0]["id"].as_str().unwrap());
    for (list, stays) in [("key", "records"), ("alias", "ALIAS")] {
        let listed = in_demo(&daemon, &[list, "list"]);
        assert_eq!(listed.code, 0, "{}", listed.errors);
        assert!(!listed.output.contains("broken") && listed.output.contains(stays), "{}", listed.output);
        assert!(listed.errors.starts_with("1 record is damaged and not listed"), "{}", listed.errors);
        assert_eq!(listed.errors.lines().count(), 1, "{}", listed.errors);
    }
    // What programs read stays what it is.
    let listed = in_demo(&daemon, &["key", "list", "--json"]);
    assert!(listed.output.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["name"] != "broken"));
    assert!(listed.errors.starts_with("1 record is damaged"), "{}", listed.errors);
    assert!(in_demo(&daemon, &["key", "show", "records"]).errors.is_empty());
}

impl Daemon {
    /// The same installation, served again after a bit was flipped in the record of the key of this id.
    fn damaged(mut self, id: &str) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let path = self.path("dev/data/data.mdb");
        let mut file = fs::read(&path).unwrap();
        let id = u128::from_str_radix(id, 16).unwrap().to_be_bytes();
        let address = [b"k", &id[..]].concat();
        // Pages that are free now have it too.
        let places: Vec<_> =
            file.windows(address.len()).enumerate().filter(|(_, part)| *part == address).map(|(at, _)| at).collect();
        assert!(!places.is_empty());
        places.into_iter().for_each(|at| file[at + address.len() + INSIDE] ^= 1);
        fs::write(&path, file).unwrap();
        self.started_again()
    }
}

/// Bytes from the end of an address to somewhere in its record.
const INSIDE: usize = 40;

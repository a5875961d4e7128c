//! Import and export, with the commands that the help shows.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::{Daemon, mode};

impl Daemon {
    /// Runs a command of a shell in the folder, with `claviger` as this one.
    fn shell(&self, command: &str) -> String {
        let claviger = env!("CARGO_BIN_EXE_claviger");
        let command =
            command.replacen("claviger ", &format!("{claviger} "), usize::from(command.starts_with("claviger")));
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &command]).current_dir(self.folder.path());
        let output = shell.env("CLAVIGER_CONFIG", self.path("dev/client.toml")).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn openssl(&self, arguments: &str) {
        self.shell(&format!("openssl {arguments}"));
    }

    /// A private key on the curve P-256, as `key.pem`.
    fn generate(&self) {
        self.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem");
    }

    /// The commands of a help text that are no examples of something else: up to the first blank line behind the first.
    fn commands(&self, command: &[&str]) -> Vec<String> {
        let help = self.say(&[command, &["--help"]].concat()).output;
        let is_command = |line: &&str| line.starts_with("  openssl ") || line.starts_with("  claviger ");
        let lines =
            help.lines().skip_while(|line| !line.contains("-K can be seen")).skip_while(|line| !is_command(line));
        let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        lines.join("\n").replace("\\\n", "").lines().map(|line| line.trim().to_owned()).collect()
    }

    /// Whether the key that OpenSSL has as `key.pem` is that of the server: it signs, the server verifies.
    fn assert_same_key(&self, name: &str) {
        fs::write(self.path("message"), b"message").unwrap();
        self.openssl("dgst -sha256 -sign key.pem -out signature message");
        let verified = self.say(&["verify", "--store", "demo", "--key", name, "message", "signature"]);
        assert_eq!(verified.code, 0, "{}", verified.errors);
    }

    fn imports(&self) -> Value {
        self.say(&["key", "import", "list", "--store", "demo", "--json"]).json()["imports"].clone()
    }
}

const IMPORT: [&str; 4] = ["key", "import", "--store", "demo"];

fn import<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    [&IMPORT[..], rest].concat()
}

// R-K18
#[test]
fn a_private_key_is_imported_in_one_step_and_replaced_by_another() {
    let daemon = Daemon::start();
    daemon.generate();
    let said =
        daemon.say(&import(&["--algorithm", "ECDSA-P256-SHA256", "--exportable", "--file", "key.pem", "imported"]));
    assert_eq!(said.code, 0, "{}", said.errors);
    assert!(said.output.starts_with("key imported: imported, version 1 is the current one"), "{}", said.output);
    daemon.assert_same_key("imported");
    let shown = daemon.say(&["key", "show", "--store", "demo", "imported"]).output;
    assert!(shown.lines().any(|line| line.starts_with("exportable") && line.ends_with("yes")), "{shown}");
    assert!(shown.lines().any(|line| line.contains("current") && line.contains("imported")), "{shown}");

    daemon.generate();
    daemon.openssl("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.der");
    let said = daemon.say(&import(&["--new-version", "--file", "key.der", "imported", "--json"])).json();
    assert_eq!((&said["current_version"], &said["versions"][1]["origin"]), (&2.into(), &"imported".into()));
    daemon.assert_same_key("imported");
    assert_eq!(daemon.imports(), Value::Array(Vec::new()));
    let rotated = daemon.say(&["key", "rotate", "--store", "demo", "imported"]).output;
    assert!(rotated.contains("made by the server; the one before was imported"), "{rotated}");
}

// R-K18
#[test]
fn raw_keys_and_secrets_come_from_a_file_or_a_pipe() {
    let daemon = Daemon::start();
    daemon.openssl("rand -out raw 32");
    for (algorithm, name) in [("XAES-256-GCM", "cards"), ("HMAC-SHA-256", "hooks"), ("OPAQUE", "secret")] {
        assert_eq!(daemon.say(&import(&["--algorithm", algorithm, "--file", "raw", name])).code, 0, "{name}");
    }
    let piped = daemon.say_with(&import(&["--algorithm", "OPAQUE", "--file", "-", "piped"]), "hunter2");
    assert_eq!(piped.code, 0, "{}", piped.errors);
    assert_eq!(daemon.say(&["secret", "read", "--store", "demo", "--key", "piped"]).output.trim_end(), "hunter2");
}

// R-K18
#[test]
fn what_cannot_be_imported_is_told_before_anything_is_begun() {
    let daemon = Daemon::start();
    daemon.generate();
    daemon.openssl("ec -in key.pem -out sec1.pem");
    daemon.openssl("pkey -in key.pem -outform DER -out sec1.der");
    daemon.openssl("pkey -in key.pem -pubout -out public.pem");
    daemon.openssl("pkcs8 -topk8 -in key.pem -passout pass:x -out encrypted.pem");
    fs::write(daemon.path("raw"), [7; 33]).unwrap();
    fs::write(daemon.path("empty"), []).unwrap();
    for (algorithm, file, said) in [
        ("ECDSA-P256-SHA256", "sec1.pem", "EC PRIVATE KEY"),
        ("ECDSA-P256-SHA256", "sec1.der", "openssl pkcs8 -topk8 -nocrypt"),
        ("ECDSA-P256-SHA256", "public.pem", "PUBLIC KEY"),
        ("ECDSA-P256-SHA256", "encrypted.pem", "ENCRYPTED PRIVATE KEY"),
        ("ECDSA-P256-SHA256", "absent.pem", "absent.pem"),
        ("XAES-256-GCM", "raw", "is there a line end"),
        ("OPAQUE", "empty", "is empty"),
        ("ROT13", "key.pem", "claviger key algorithms"),
    ] {
        let error = daemon.refused(&import(&["--algorithm", algorithm, "--file", file, "refused"]));
        assert!(error.contains(said), "{file}: {error}");
    }
    assert!(
        daemon.refused(&import(&["--new-version", "--file", "key.pem", "absent"])).contains("no key of this store")
    );
    for wrong in [
        &["--file", "key.pem", "name"][..],
        &["--algorithm", "Ed25519", "name"],
        &["--algorithm", "Ed25519", "--new-version", "--file", "key.pem", "name"],
        &["--new-version", "--exportable", "--file", "key.pem", "name"],
        &["--algorithm", "Ed25519", "--file", "key.pem"],
    ] {
        assert_eq!(daemon.say(&import(wrong)).code, 2, "{wrong:?}");
    }
    assert_eq!(daemon.imports(), Value::Array(Vec::new()));
}

// R-K18
#[test]
fn an_import_that_fails_says_that_it_is_over_and_leaves_nothing_open() {
    let daemon = Daemon::start();
    daemon.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key.pem");
    let error = daemon.refused(&import(&["--algorithm", "ECDSA-P256-SHA256", "--file", "key.pem", "refused"]));
    assert!(error.contains("its transport key is spent"), "{error}");
    assert_eq!(daemon.imports(), Value::Array(Vec::new()));
    assert!(daemon.refused(&["key", "show", "--store", "demo", "refused"]).contains("no key of this store"));
}

// R-K18
#[test]
fn the_commands_of_the_help_wrap_a_key_by_openssl() {
    let daemon = Daemon::start();
    daemon.generate();
    daemon.say(&["store", "create", "payments"]);
    let commands = daemon.commands(&["key", "import", "begin"]);
    assert_eq!(commands.len(), 7, "{commands:?}");
    for command in &commands[..6] {
        daemon.shell(command);
    }
    let imports = daemon.say(&["key", "import", "list", "--store", "payments", "--json"]).json();
    let id = imports["imports"][0]["id"].as_str().unwrap();
    let listed = daemon.say(&["key", "import", "list", "--store", "payments"]).output;
    assert!(listed.contains(id) && listed.contains("receipts") && listed.contains("new key"), "{listed}");
    daemon.shell(&commands[6].replace("IMPORT", id));
    let exported = daemon.say(&["key", "show", "--store", "payments", "receipts", "--json"]).json();
    assert_eq!(exported["versions"][0]["origin"], "imported");
    let again = daemon.refused(&["key", "import", "complete", "--store", "payments", "--wrapped", "wrapped", id]);
    assert!(again.contains("begin another one"), "{again}");
}

// R-K18
#[test]
fn an_import_is_begun_into_a_file_that_is_never_overwritten_and_cancelled() {
    let daemon = Daemon::start();
    let begin = ["key", "import", "begin", "--store", "demo", "--algorithm", "Ed25519", "signer"];
    let begun = daemon.say(&begin);
    assert!(begun.output.contains("signer-transport.pem") && begun.output.contains("complete"), "{}", begun.output);
    let id = daemon.imports()[0]["id"].as_str().unwrap().to_owned();
    assert!(daemon.refused(&begin).contains("not overwritten"));
    assert_eq!(daemon.imports().as_array().unwrap().len(), 1, "looked at before anything is begun");
    let cancel = ["key", "import", "cancel", "--store", "demo", &id];
    assert!(daemon.say(&cancel).output.ends_with("of key signer: cancelled\n"));
    assert!(daemon.refused(&cancel).contains("begin another one"));
}

// R-K6
#[test]
fn the_commands_of_the_help_unwrap_an_exported_key_by_openssl() {
    let daemon = Daemon::start();
    daemon.say(&["store", "create", "payments"]);
    let create = ["key", "create", "--store", "payments", "--algorithm", "ECDSA-P256-SHA256"];
    daemon.say(&[&create[..], &["--exportable", "receipts"]].concat());
    let commands = daemon.commands(&["key", "export"]);
    assert_eq!(commands.len(), 7, "{commands:?}");
    for command in commands {
        daemon.shell(&command.replace("key export", "key export --yes"));
    }
    assert_eq!(mode(&daemon.path("wrapped")), 0o600);
    daemon.openssl("pkey -inform DER -in material -out key.pem");
    // The key that has left comes into another store, and is the same there.
    let again = daemon.say(&import(&["--algorithm", "ECDSA-P256-SHA256", "--file", "key.pem", "again"]));
    assert_eq!(again.code, 0, "{}", again.errors);
    daemon.assert_same_key("again");
}

// R-K6, R-K18
#[test]
fn a_key_goes_from_one_store_to_another_wrapped_to_the_transport_key() {
    let daemon = Daemon::start();
    let create = ["key", "create", "--store", "demo", "--algorithm", "OPAQUE", "--exportable", "--value-file", "-"];
    daemon.say_with(&[&create[..], &["password-to-move"]].concat(), "hunter2");
    let begin = ["key", "import", "begin", "--store", "demo", "--algorithm", "OPAQUE", "--public-key", "transport.pem"];
    daemon.say(&[&begin[..], &["moved"]].concat());
    let export = ["key", "export", "--store", "demo", "--yes", "--to-public-key", "transport.pem"];
    assert_eq!(daemon.say(&[&export[..], &["--output", "wrapped", "password-to-move"]].concat()).code, 0);
    let id = daemon.imports()[0]["id"].as_str().unwrap().to_owned();
    let complete = ["key", "import", "complete", "--store", "demo", "--wrapped", "wrapped", &id];
    assert_eq!(daemon.say(&complete).code, 0);
    assert!(daemon.refused(&complete).contains("begin another one"));
    assert_eq!(daemon.say(&["secret", "read", "--store", "demo", "--key", "moved"]).output.trim_end(), "hunter2");
}

// R-K18, R-O1
#[test]
fn an_import_whose_steps_are_run_again_with_their_idempotency_keys_is_made_once() {
    let daemon = Daemon::start();
    daemon.openssl("rand -out material 32");
    daemon.openssl("rand -out wrapping-key 32");
    let begin = ["key", "import", "begin", "--store", "demo", "--algorithm", "HMAC-SHA-256", "hooks"];
    let begin = [&begin[..], &["--public-key", "transport.pem", "--idempotency-key", "begin", "--json"]].concat();
    let begun = daemon.say(&begin).json();
    fs::remove_file(daemon.path("transport.pem")).unwrap();
    assert_eq!(daemon.say(&begin).json(), begun);
    assert_eq!(daemon.imports().as_array().unwrap().len(), 1);
    daemon.openssl(
        "pkeyutl -encrypt -pubin -inkey transport.pem -in wrapping-key -out block -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256",
    );
    daemon.shell(
        "openssl enc -id-aes256-wrap-pad -iv A65959A6 -in material -out rest -K \"$(od -An -v -tx1 wrapping-key | tr -d ' \\n')\"",
    );
    daemon.shell("cat block rest > wrapped");
    let complete = ["key", "import", "complete", "--store", "demo", "--wrapped", "wrapped", "--json"];
    let complete = [&complete[..], &["--idempotency-key", "complete", begun["id"].as_str().unwrap()]].concat();
    let imported = daemon.say(&complete).json();
    assert_eq!(daemon.say(&complete).json(), imported);
    fs::copy(daemon.path("block"), daemon.path("wrapped")).unwrap();
    assert!(daemon.refused(&complete).contains("another request"));
}

// R-K6
#[test]
fn what_is_not_to_leave_does_not_and_nothing_leaves_unconfirmed() {
    let daemon = Daemon::start();
    daemon.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out receiver.pem");
    daemon.openssl("pkey -in receiver.pem -pubout -out public.pem");
    let export = ["key", "export", "--store", "demo", "--to-public-key", "public.pem"];
    let kept = daemon.refused(&[&export[..], &["--yes", "records"]].concat());
    assert!(kept.contains("not exportable"), "{kept}");
    let create = ["key", "create", "--store", "demo", "--algorithm", "Ed25519", "--exportable", "lent"];
    assert_eq!(daemon.say(&create).code, 0);
    let unconfirmed = daemon.say_with(&[&export[..], &["lent"]].concat(), "records\n");
    assert_eq!((unconfirmed.code, unconfirmed.output.as_str()), (1, ""));
    assert!(unconfirmed.errors.contains("not confirmed, and nothing was done"), "{}", unconfirmed.errors);
    let confirmed = daemon.say_with(&[&export[..], &["lent"]].concat(), "lent\n");
    assert_eq!(confirmed.code, 0, "{}", confirmed.errors);
    // 384 bytes of RSA and 56 of the wrapped key, in base64.
    assert!(confirmed.output.trim_end().len() > 560, "{}", confirmed.output);
    let other = ["key", "export", "--store", "demo", "--yes", "--to-public-key"];
    for (file, said) in [("receiver.pem", "no public key in PEM"), ("absent.pem", "absent.pem")] {
        assert!(daemon.refused(&[&other[..], &[file, "lent"]].concat()).contains(said), "{file}");
    }
    fs::write(daemon.path("there"), "before").unwrap();
    let refused = daemon.refused(&[&export[..], &["--yes", "--output", "there", "lent"]].concat());
    assert!(refused.contains("not overwritten"), "{refused}");
    assert_eq!(fs::read(daemon.path("there")).unwrap(), b"before");
    assert!(daemon.refused(&[&export[..], &["--yes", "--key-version", "2", "lent"]].concat()).contains("no version 2"));
}

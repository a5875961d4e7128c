//! SIGHUP: certificates and settings are read anew, and the process goes on.

use claviger_daemon::pem;
use rustix::process::{Signal, kill_process};

use crate::run::Place;
use crate::support::Ended;

// R-O4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_is_answered_in_the_log_and_ends_nothing() {
    let place = Place::new();
    place.init();
    let (mut process, address, _) = place.start();
    let client = place.administrator(address);
    client.health().await.unwrap();

    place.configure("127.0.0.1:0", "127.0.0.1:0", "[cache]\nkeys_max = 7\n");
    kill_process(process.id(), Signal::HUP).unwrap();
    let said = process.log_until("the configuration was read anew");
    assert!(said.contains("changed: nothing; needs a restart: [cache]"), "{said}");

    place.write("tls/server.pem", &pem::encode("CERTIFICATE", b"nonsense"));
    kill_process(process.id(), Signal::HUP).unwrap();
    let said = process.log_until("the configuration was not read anew, and what was in force stays: ");
    assert!(said.contains("[tls]"), "{said}");
    let health = client.health().await.unwrap();
    assert!(health.warnings.iter().any(|warning| warning.contains("was not read anew")), "{:?}", health.warnings);

    place.write("config.toml", "[log]\nlevel = \"loud\"");
    kill_process(process.id(), Signal::HUP).unwrap();
    let said = process.log_until("the configuration was not read anew");
    assert!(said.contains("config.toml") && said.contains("unknown variant `loud`"), "{said}");
    client.ready().await.unwrap();
    let Ended { success, errors, .. } = process.end(Signal::TERM);
    assert!(success && errors.contains("\"ended\""), "{errors}");
}

// R-O4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_of_the_log_changes_while_the_daemon_runs() {
    let place = Place::new();
    place.init();
    let (mut process, address, _) = place.start();
    let client = place.administrator(address);
    client.health().await.unwrap();
    process.log_until("\"answered\"");
    let quiet = std::fs::read_to_string(place.path("config.toml")).unwrap().replace("\"debug\"", "\"info\"");
    place.write("config.toml", &quiet);
    kill_process(process.id(), Signal::HUP).unwrap();
    process.log_until("changed: [log] level");
    client.health().await.unwrap();
    let Ended { success, errors, .. } = process.end(Signal::TERM);
    assert!(success && errors.contains("\"ended\"") && !errors.contains("\"answered\""), "{errors}");
}

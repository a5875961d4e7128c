//! Lists of which somebody reaches a part: of the rest they tell him nothing.

use claviger_daemon::control::caller::Caller;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, request};

/// Key `mine` and `yours` have an alias and stand between keys that are assigned to nobody, which have one too.
async fn port_with_manager() -> (Port, Caller) {
    let port = Port::with_store().await;
    let names = ["a", "b", "mine", "n", "o", "yours", "z"];
    let keys = names.map(|name| json!({"name": name, "algorithm": "HMAC-SHA-256"}));
    assert_eq!(port.create_keys(json!(keys)).await.status, StatusCode::CREATED);
    for name in names {
        let alias = json!({"alias": format!("{name}-alias"), "key": name});
        assert_eq!(port.post("/v1/stores/store/aliases", &alias).await.status, StatusCode::CREATED);
    }
    let grant = json!({"role": "key-manager", "store": "store", "keys": ["mine", "yours"]});
    let manager = port.person("manager", &[grant]).await;
    (port, manager)
}

/// All pages of at most `limit`, and after what each next one begins.
async fn pages(
    port: &Port,
    caller: &Caller,
    path: &str,
    field: &str,
    limit: usize,
) -> Vec<(Vec<String>, Option<String>)> {
    let (list, name) = if path.contains("aliases") { ("aliases", "alias") } else { ("keys", field) };
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let query = format!("{path}{}limit={limit}{after}", if path.contains('?') { '&' } else { '?' });
        let reply = port.send_as(caller, request("GET", &query, "")).await;
        assert_eq!(reply.status, StatusCode::OK, "{query}: {}", reply.body);
        assert!(reply.body.get("unreadable").is_none());
        let entries = reply.body[list].as_array().unwrap().iter();
        let next = reply.body.get("next").and_then(Value::as_str).map(str::to_owned);
        pages.push((entries.map(|entry| entry[name].as_str().unwrap().to_owned()).collect(), next.clone()));
        let Some(next) = next else { return pages };
        after = format!("&after={next}");
    }
}

// R-A8, R-K20
#[tokio::test]
async fn pages_of_a_key_manager_begin_and_end_with_what_he_reaches() {
    let (port, manager) = port_with_manager().await;
    for (path, mine, yours) in [
        ("/v1/stores/store/keys", "mine", "yours"),
        ("/v1/stores/store/keys?kind=mac", "mine", "yours"),
        ("/v1/stores/store/aliases", "mine-alias", "yours-alias"),
    ] {
        let owned = |name: &str| name.to_owned();
        let expected = [(vec![owned(mine)], Some(owned(mine))), (vec![owned(yours)], None)];
        assert_eq!(pages(&port, &manager, path, "name", 1).await, expected, "{path}");
        for limit in [2, 3, 1_000] {
            let expected = [(vec![owned(mine), owned(yours)], None)];
            assert_eq!(pages(&port, &manager, path, "name", limit).await, expected, "{path}: {limit}");
        }
    }
}

// R-A8, R-K20
#[tokio::test]
async fn lists_of_who_reaches_nothing_are_empty_and_name_nothing() {
    let (port, _) = port_with_manager().await;
    let nobody = port.person("nobody", &[json!({"role": "key-manager", "store": "store", "keys": []})]).await;
    for path in ["/v1/stores/store/keys", "/v1/stores/store/keys?state=deleted", "/v1/stores/store/aliases"] {
        assert_eq!(pages(&port, &nobody, path, "name", 1).await, [(Vec::new(), None)], "{path}");
    }
}

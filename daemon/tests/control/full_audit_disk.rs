//! A disk of the audit log that is really full: changes are refused, and health, readiness and metrics say so, until there is room.

use http::StatusCode;
use serde_json::json;

use crate::disk::Disk;
use crate::support::Port;

// R-O3, R-A13
#[tokio::test]
async fn a_full_audit_disk_is_told_by_refusals_health_readiness_and_metrics_and_forgotten_when_there_is_room() {
    let Some(disk) = Disk::mount() else { return };
    let audit = disk.path().join("audit");
    let port = Port::with_config(|config| {
        config.audit.folder.clone_from(&audit);
        config.audit.free_space_floor = 512 * 1024;
    });
    let create = |name: &str| json!({"name": name, "access": {"client_certificate": true}});
    let created = port.post("/v1/stores", &create("store")).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    disk.fill();
    let refused = port.post("/v1/stores", &create("other")).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::SERVICE_UNAVAILABLE, "audit-unavailable"));
    assert!(refused.detail().contains("nothing was changed; free some space"), "{}", refused.detail());
    assert_eq!(port.get("/v1/stores").await.body["stores"].as_array().unwrap().len(), 1);
    // What is stopped is in force, and says that it is not durable.
    let stopped = port.post("/v1/stores/store/disable", &json!({})).await;
    assert_eq!((stopped.status, &stopped.body["durable"]), (StatusCode::OK, &json!(false)), "{}", stopped.body);
    let detail = stopped.body["detail"].as_str().unwrap();
    assert!(detail.starts_with("in force, and not written") && detail.contains("audit log"), "{detail}");
    let health = port.get("/v1/health").await.body["warnings"].to_string();
    assert!(health.contains("changes are refused") && health.contains("stopped in memory alone"), "{health}");
    assert_eq!(port.get("/v1/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let metrics = port.get("/metrics").await.body;
    for line in ["claviger_audit_failing 1\n", "claviger_stops_unwritten 1\n", "claviger_ready 0\n"] {
        assert!(metrics.as_str().unwrap().contains(line), "{line}: {metrics}");
    }
    disk.drop_filler();
    let created = port.post("/v1/stores", &create("other")).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    assert!(port.get("/metrics").await.body.as_str().unwrap().contains("claviger_audit_failing 0\n"));
    assert!(!port.get("/v1/health").await.body["warnings"].to_string().contains("changes are refused"));
}

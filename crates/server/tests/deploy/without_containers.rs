//! The compose file's stack as processes, and the four known scenarios against it.

use saga_testkit::newman;
use serde_json::Value;
use tokio_postgres::NoTls;

use crate::compose::MAIN;
use crate::stack::Stack;

/// `scripts/without-containers` runs this.
#[tokio::test(flavor = "multi_thread")]
async fn what_compose_would_start_passes_the_postman_collection() {
    let stack = Stack::up(MAIN).await;
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let key = std::fs::read_to_string(stack.variable(MAIN, "ORCHESTRATEUR_KEY_FILE")).unwrap();
    let output = newman::run(stack.address(MAIN), Some(key.trim_end()), &report);
    let shown = String::from_utf8_lossy(&output.stdout);
    println!("{shown}");
    assert!(output.status.success(), "{shown}");
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let stats = &report["run"]["stats"];
    assert!(stats["assertions"]["total"].as_u64() >= Some(60), "{stats:#}");
    assert_eq!(stats["assertions"]["failed"], 0, "{stats:#}");

    // The key that Prometheus reads may read the metrics, and without a key there is nothing to see.
    let unknown = newman::run(stack.address(MAIN), None, &folder.path().join("unknown.json"));
    assert!(!unknown.status.success(), "anybody may place orders");

    // The orders are where the compose file says, and its password was asked for.
    let url = stack.variable(MAIN, "DATABASE_URL");
    let (database, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let rows = database.query("SELECT etat_actuel FROM commandes ORDER BY client_id", &[]).await.unwrap();
    let etats: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(etats, ["ECHEC_STOCK", "ECHEC_PAIEMENT", "ECHEC_ENREGISTREMENT", "CONFIRMEE"]);
    let guessed = url.replacen("@", "x@", 1);
    assert!(tokio_postgres::connect(&guessed, NoTls).await.is_err(), "any password opens the database");
}

//! The Postman collection, run by newman against the real binary.

use saga_testkit::newman;
use serde_json::Value;

use crate::harness::World;

const SCENARIOS: [&str; 4] = ["Succès complet", "ECHEC STOCK", "ECHEC PAIEMENT", "ECHEC ENREGISTREMENT"];

#[test]
fn the_collection_has_the_four_scenarios_and_a_base_url() {
    let collection: Value = serde_json::from_slice(&std::fs::read(newman::collection()).unwrap()).unwrap();
    let schema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";
    assert_eq!(collection["info"]["schema"], schema);
    assert_eq!(collection["info"]["name"], "saga_checkout_tests");
    let names: Vec<&Value> =
        collection["item"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert_eq!(names, SCENARIOS);
    assert_eq!(collection["variable"][0]["key"], "baseUrl");
    assert_eq!(collection["variable"][0]["value"], "http://localhost:8023");
    assert_eq!(collection["variable"][1]["key"], "key");
    assert_eq!(collection["auth"]["bearer"][0]["value"], "{{key}}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_passes() {
    let world = World::open().await;
    let report = world.data.path().join("report.json");
    let output = newman::run(world.server.address, None, &report);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let stats = &report["run"]["stats"];
    assert_eq!(stats["requests"]["total"], 20, "{stats:#}");
    assert!(stats["assertions"]["total"].as_u64() >= Some(60), "{stats:#}");
    assert_eq!(stats["assertions"]["failed"], 0, "{stats:#}");
    assert_eq!(world.get("/api/commandes").await.expect(200).as_array().unwrap().len(), 4);
}

/// A collection that cannot fail would be no test.
#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_that_ends_otherwise_fails() {
    let world = World::open().await;
    // Without its fault, the third client's sale is recorded.
    world.shop.heal();
    let report = world.data.path().join("report.json");
    let output = newman::run(world.server.address, None, &report);
    assert!(!output.status.success());
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let failures = report["run"]["failures"].as_array().unwrap();
    assert!(!failures.is_empty());
    for failure in failures {
        assert_eq!(failure["parent"]["name"], "ECHEC ENREGISTREMENT", "{failure:#}");
    }
}

//! The three files, as `orchestrateur check` reads them.

use std::process::Command;

use saga_testkit::definition::change;

use crate::installed;

#[test]
fn the_examples_have_neither_mistakes_nor_warnings() {
    let folder = installed::root().join("sagas/examples");
    let output = Command::new(env!("CARGO_BIN_EXE_orchestrateur")).arg("check").arg(folder).output().unwrap();
    let (told, warned) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && warned.is_empty(), "{warned}");
    for saga in ["travel", "subscription", "onboarding"] {
        assert!(told.contains(&format!("{saga}: a valid definition")), "{told}");
    }
}

#[test]
fn a_schema_without_a_sample_is_told_how_to_give_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("onboarding.yaml");
    let source = std::fs::read_to_string(installed::root().join("sagas/examples/onboarding.yaml")).unwrap();
    std::fs::write(&file, change(&source).swap(", examples: ['4711']", "").text()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_orchestrateur")).arg("check").arg(file).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.contains("write `examples: [...]` into the schema"), "{told}");
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("ways through") && !report.contains("requests of an order"), "{report}");
}

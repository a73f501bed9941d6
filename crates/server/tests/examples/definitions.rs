//! The three files, as `orchestrateur check` reads them.

use std::process::Command;

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

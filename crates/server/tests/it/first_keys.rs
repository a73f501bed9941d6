//! `orchestrateur keys init`: the first keys of a new installation.

use std::os::unix::fs::PermissionsExt;

use crate::harness::{Shop, World, orchestrateur};
use crate::http::Call;

/// The first keys of a folder are made once, each readable by those that it is for, and let in what they should.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_keys_are_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let init = || orchestrateur().args(["keys", "init"]).arg(folder.path()).output().unwrap();
    let key = |name: &str| std::fs::read_to_string(folder.path().join(format!("{name}.key"))).unwrap();
    // A start that was cut short has left keys without the file that knows them.
    std::fs::write(folder.path().join("admin.key"), "ork_half").unwrap();
    assert!(init().status.success());
    let (admin, metrics) = (key("admin"), key("metrics"));
    assert!(admin.starts_with("ork_") && admin != "ork_half" && admin != metrics);
    let again = init();
    assert!(again.status.success() && String::from_utf8_lossy(&again.stderr).contains("nothing was made"));
    assert_eq!((key("admin"), key("metrics")), (admin.clone(), metrics.clone()));
    let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("api-keys"), mode("admin.key"), mode("metrics.key")], [0o600, 0o600, 0o640]);
    let nowhere = orchestrateur().args(["keys", "init", "/nowhere/at-all"]).output().unwrap();
    assert!(!nowhere.status.success());

    let file = folder.path().join("api-keys").display().to_string();
    let world = World::with(Shop::open().await, &["--api-keys-file", &file]).await;
    for (path, key, status) in [
        ("/metrics", &metrics, 200),
        ("/api/audit?name=a", &metrics, 403),
        ("/api/audit?name=a", &admin, 200),
    ] {
        assert_eq!(
            world
                .send(&Call::get(path).header("authorization", format!("Bearer {}", key.trim())))
                .await
                .status,
            status,
            "{path}"
        );
    }
}

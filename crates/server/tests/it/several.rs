//! Several definitions in one process: which are loaded, which one orders run, and how they are loaded again.

use std::path::Path;

use orchestrateur::definitions::CHECKOUT;
use saga_testkit::definition::change;

use crate::cli::{complaint, run};
use crate::harness::{Shop, World, database_in, orchestrateur, until};
use crate::http::Call;

/// The checkout under another name, with another last state.
fn travel(completed: &str) -> String {
    change(CHECKOUT).set("saga", "travel").set("states.completed", completed).text()
}

/// A saga that no order can run.
fn feeding() -> String {
    let steps =
        "steps:\n  - step: feed\n    participant: zoo\n    action: { post: /feed }\n    compensation: none\n";
    format!(
        "saga: feeding\ninput: {{ animal: string }}\nparticipants: {{ zoo: {{ url: 'http://127.0.0.1:9' }} }}\n{steps}"
    )
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

/// The complaint of a `serve` with these flags, which does not start.
fn refused(flags: &[&str], data: &Path) -> String {
    let mut serve = orchestrateur();
    serve.args(["serve", "--listen", "127.0.0.1:0"]).args(flags).env("DATABASE_URL", database_in(data));
    complaint(&run(&mut serve)).to_owned()
}

#[test]
fn all_mistakes_of_all_files_are_told_together_and_one_name_in_two_files_is_one_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let (travel, feeding) = (travel("ARRIVEE"), feeding());
    write(
        folder.path(),
        &[
            ("a.yaml", &travel),
            ("b.yml", &travel),
            ("c.yaml", "saga: [broken"),
            ("d.yaml", &feeding.replace("post: /feed", "post: /feed, nonsense: 1")),
            // Not looked at.
            (".hidden.yaml", "saga: [hidden"),
            ("notes.txt", "saga: [notes"),
        ],
    );
    std::fs::create_dir(folder.path().join("more.yaml")).unwrap();
    let path = folder.path().display().to_string();
    let missing = folder.path().join("missing.yaml").display().to_string();
    let served = refused(&["--definition", &path, "--definition", &missing], folder.path());
    let checked = complaint(&run(orchestrateur().args(["check", &path, &missing]))).to_owned();
    for said in [served, checked] {
        for part in
            ["a.yaml, ", "b.yml: all of these have `saga: travel`", "c.yaml:1:", "d.yaml:7:", "missing.yaml"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("hidden") && !said.contains("notes") && !said.contains("more.yaml"), "{said}");
    }
}

#[test]
fn one_file_that_is_named_twice_is_loaded_once() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("a.yaml", &feeding())]);
    let (path, file) =
        (folder.path().display().to_string(), folder.path().join("a.yaml").display().to_string());
    let ended = run(orchestrateur().args(["check", &path, &file]));
    assert_eq!((ended.code, ended.stdout.matches("a valid definition").count()), (Some(0), 1), "{ended:?}");
}

#[test]
fn too_many_files_are_refused_by_the_name_of_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..257 {
        write(folder.path(), &[(&format!("{number}.yaml"), "saga: x")]);
    }
    let said = refused(&["--definition", &folder.path().display().to_string()], folder.path());
    assert!(said.contains("257 files") && said.contains("DEFINITION_FILES_MAX"), "{said}");
    let large = tempfile::tempdir().unwrap();
    for number in 0..33 {
        write(large.path(), &[(&format!("{number}.yaml"), &"#".repeat(262_144))]);
    }
    let said = refused(&["--definition", &large.path().display().to_string()], folder.path());
    assert!(said.contains("DEFINITIONS_BYTES_MAX"), "{said}");
}

#[test]
fn orders_never_run_another_saga_than_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("travel.yaml", &travel("ARRIVEE")), ("feeding.yaml", &feeding())]);
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (travel, feeding) = (file("travel.yaml"), file("feeding.yaml"));
    for (flags, said) in [
        // A shop that ran this file alone would silently sell by the built-in checkout.
        (&["--definition", &travel][..], "write `--commande-saga travel`"),
        (&["--definition", &feeding, "--commande-saga", "feeding"], "the input has no `client_id: integer`"),
        (&["--definition", &feeding, "--commande-saga", "travel"], "no saga is named `travel`"),
        (&["--commande-saga", "travel"], "no saga is named `travel`"),
    ] {
        let complaint = refused(flags, folder.path());
        assert!(complaint.contains(said), "{flags:?}: {complaint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_run_the_saga_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("travel.yaml", &travel("ARRIVEE")), ("feeding.yaml", &feeding())]);
    let folder = folder.path().to_str().unwrap();
    let built_in =
        World::with(Shop::open().await, &["--definition", folder, "--commande-saga=checkout"]).await;
    built_in.order(4, "CONFIRMEE").await;
    let world = World::with(built_in.shop, &["--definition", folder, "--commande-saga", "travel"]).await;
    let order = world.order(4, "ARRIVEE").await;
    assert_eq!(world.commande(&order).await["definition"]["nom"], "travel");
    assert_eq!(world.metric(r#"commande_etat_total{etat="ARRIVEE"}"#).await, 1.0);
    let metrics = world.get("/metrics").await.text;
    assert!(
        !metrics.contains("commande_etat_total{etat=\"CONFIRMEE\"}"),
        "the checkout's sagas are no orders"
    );
    for series in [
        r#"saga_calls_total{participant="zoo",saga="feeding",step="feed",direction="action",outcome="ok"} 0"#,
        r#"saga_breaker_state{participant="stock",saga="checkout"} 0"#,
        r#"saga_breaker_state{participant="stock",saga="travel"} 0"#,
    ] {
        assert!(metrics.contains(series), "{series}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_loaded_again_at_sighup_and_a_change_alone_is_only_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("travel.yaml", &travel("ARRIVEE")), ("feeding.yaml", &feeding())]);
    let flags = ["--definition", folder.path().to_str().unwrap(), "--commande-saga", "travel"];
    let world = World::with(Shop::open().await, &flags).await;
    let before = world.order(4, "ARRIVEE").await;
    world.shop.fault("POST /api/stock/reserver latency=1500");
    let running = world.begin(5).await;

    write(folder.path(), &[("travel.yaml", &travel("RENTREE"))]);
    std::fs::remove_file(folder.path().join("feeding.yaml")).unwrap();
    let said = world.server.says("the files of definitions have changed").await;
    for part in
        ["changed: travel (running sagas go on", "gone: feeding (cannot be started any more", "until SIGHUP"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    world.order(4, "ARRIVEE").await;

    world.server.reload();
    let reloads =
        async |result: &str| world.metric(&format!("definition_reloads_total{{result=\"{result}\"}}")).await;
    until("they are loaded again", async || reloads("loaded").await == 1.0).await;
    let after = world.order(4, "RENTREE").await;
    world.reaches(&running, "ARRIVEE").await;
    let hash = async |saga: &str| world.commande(saga).await["definition"]["empreinte"].clone();
    assert_eq!(hash(&running).await, hash(&before).await);
    assert_ne!(hash(&running).await, hash(&after).await);

    // A mistake in any file, or no saga left for orders, changes nothing.
    for (name, text, why) in [
        ("other.yaml", "saga: [broken".to_owned(), "other.yaml:1:"),
        ("travel.yaml", feeding(), "no saga is named `travel`"),
    ] {
        let good = std::fs::read_to_string(folder.path().join(name)).ok();
        write(folder.path(), &[(name, &text)]);
        let refused = reloads("refused").await;
        world.server.reload();
        until("it is refused", async || reloads("refused").await == refused + 1.0).await;
        world.server.says(why).await;
        world.order(4, "RENTREE").await;
        match good {
            Some(good) => write(folder.path(), &[(name, &good)]),
            None => std::fs::remove_file(folder.path().join(name)).unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_that_are_no_orders_are_unknown_to_the_face_of_orders() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("travel.yaml", &travel("ARRIVEE"))]);
    let file = folder.path().join("travel.yaml").display().to_string();
    let shop = Shop::open().await;
    let data = tempfile::tempdir().unwrap();
    let flags = ["--definition", &file, "--commande-saga", "travel"];
    let mut server = crate::harness::Server::start(&shop, data.path(), &flags).await;
    let answer = server.send(&Call::checkout(4).key("mine")).await.expect(200);
    let id = answer["saga_id"].as_str().unwrap().to_owned();
    server.kill();
    let server = crate::harness::Server::start(&shop, data.path(), &[]).await;
    let person =
        serde_json::json!({ "par": "Ana", "raison": "a try", "etape": "stock", "constat": "EXECUTEE" });
    let path = |rest: &str| format!("/api/commande/{id}{rest}");
    for call in [
        Call::get(&path("")),
        Call::get(&path("/historique")),
        Call::post(&path("/annuler")),
        Call::post(&path("/reprendre")).json(&serde_json::json!({ "par": "Ana" })),
        Call::post(&path("/resoudre")).json(&person),
    ] {
        let answer = server.send(&call).await.expect(404);
        assert_eq!(answer["code"], "commande_inconnue", "{answer}");
    }
    assert_eq!(server.get("/api/commandes").await.expect(200), serde_json::json!([]));
    assert_eq!(
        server.get("/api/commandes?client_id=4&etat=ARRIVEE").await.expect(200),
        serde_json::json!([])
    );
    // Its key is the same id's, so it is not free for an order.
    assert_eq!(
        server.send(&Call::checkout(4).key("mine")).await.expect(422)["code"],
        "idempotency_key_reused"
    );
}

//! `orchestrateur` as a client of a server that speaks TLS.

use std::process::{Command, Output};

use super::authority::{Authority, Files, dns, ended};
use crate::harness::{Shop, World, orchestrateur};

fn run(arguments: &[&str], more: &[&str], change: impl FnOnce(&mut Command)) -> Output {
    let mut command = orchestrateur();
    // The machine's own authorities make no difference.
    command.args(arguments).args(more).env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    change(&mut command);
    command.output().unwrap()
}

#[track_caller]
fn works(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn complains(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_speaks_https_and_may_show_a_certificate_instead_of_a_key() {
    let (authority, other, folder) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
    let path = folder.path();
    let server = authority.issue(&[dns("localhost")], |_| {}).files(path, "server");
    let keys = path.join("keys").display().to_string();
    let add = ["keys", "add", "till", "--role", "operate", "--san", "dns:till.internal", "--file", &keys];
    let added = run(&add, &[], |_| {});
    assert_eq!(works(&added), "", "there is no secret to print");
    let ca = authority.file(path);
    let flags = [&server.flags()[..], &["--api-keys-file", &keys, "--tls-client-ca", &ca]].concat();
    let world = World::with(Shop::open().await, &flags).await;
    let port = world.server.address.port();
    let (url, by_address) = (format!("https://localhost:{port}"), format!("https://127.0.0.1:{port}"));
    let Files { cert, key } = authority.client("till.internal").files(path, "till");
    let own = ["--ca-file", &ca, "--client-cert", &cert, "--client-key", &key];

    let start = ["sagas", "start", "checkout", "--input", r#"{"client_id":4,"magasin_id":1}"#, "--url", &url];
    assert!(works(&run(&start, &own, |_| {})).contains("CONFIRMEE"), "it waits for the order");
    for command in [&["sagas", "list"][..], &["commandes", "list"], &["definitions"], &["participants"]] {
        works(&run(&[command, &["--url", &url]].concat(), &own, |_| {}));
    }
    let listed = run(&["sagas", "list"], &[], |command| {
        command.envs([("ORCHESTRATEUR_URL", &url), ("ORCHESTRATEUR_CA_FILE", &ca)]);
        command.envs([("ORCHESTRATEUR_CLIENT_CERT", &cert), ("ORCHESTRATEUR_CLIENT_KEY", &key)]);
    });
    assert!(works(&listed).contains("checkout"));
    // The machine's authorities are those of the variables that OpenSSL knows.
    let list = ["sagas", "list", "--url", &url];
    works(&run(&list, &own[2..], |command| {
        command.env("SSL_CERT_FILE", &ca);
    }));

    complains(
        &run(&list, &[], |_| {}),
        &["an authority that is not trusted here", "--ca-file", "nothing was asked"],
    );
    let wrong = other.file(tempfile::tempdir().unwrap().path());
    complains(&run(&list, &["--ca-file", &wrong], |_| {}), &["--ca-file", &wrong]);
    let by_address = ["sagas", "list", "--url", &by_address];
    complains(&run(&by_address, &own, |_| {}), &["its certificate is for other names", "subjectAltName"]);
    complains(&run(&list, &["--ca-file", &ca], |_| {}), &["presents no key"]);
    complains(&run(&list, &own[..4], |_| {}), &["--client-cert is there without --client-key"]);
    complains(&run(&list, &[&own[..2], &own[4..]].concat(), |_| {}), &["--client-key is there without"]);
    let swapped = ["--ca-file", &ca, "--client-cert", &key, "--client-key", &key];
    complains(&run(&list, &swapped, |_| {}), &["--client-cert", "there is no certificate in it"]);
    let Files { cert, key } = authority.issue(&[dns("till.internal")], ended).files(path, "late");
    let late = ["--ca-file", &ca, "--client-cert", &cert, "--client-key", &key];
    complains(&run(&list, &late, |_| {}), &["it refused the certificate of --client-cert"]);

    let plain = format!("http://localhost:{port}");
    complains(&run(&["sagas", "list", "--url", &plain], &own, |_| {}), &["speaks TLS", "https://"]);
    complains(&run(&["health", "--url", &plain], &own, |_| {}), &["speaks TLS", "https://"]);
    works(&run(&["health", "--url", &url, "--ca-file", &ca], &[], |_| {}));
    complains(&run(&["health", "--url", &url], &[], |_| {}), &["not trusted here", "--ca-file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn https_to_a_server_without_tls_is_told_and_health_follows_the_variables_of_serve() {
    let world = World::open().await;
    let url = format!("https://{}", world.server.address);
    for command in [&["sagas", "list"][..], &["health"]] {
        let told = run(&[command, &["--url", &url]].concat(), &[], |_| {});
        complains(&told, &["does not speak TLS; write http://"]);
    }
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = authority.server().files(folder.path(), "server");
    let ops = [&server.flags()[..], &["--ops-listen", "127.0.0.1:0"]].concat();
    let (secure, supervised) =
        (World::with(Shop::open().await, &server.flags()).await, World::with(Shop::open().await, &ops).await);
    let variables = |command: &mut Command, listen: String| {
        command.env("ORCHESTRATEUR_LISTEN", listen).env("ORCHESTRATEUR_TLS_CERT", &server.cert);
        command.env("ORCHESTRATEUR_CA_FILE", authority.file(folder.path()));
    };
    works(&run(&["health"], &[], |command| variables(command, secure.server.address.to_string())));
    let said = supervised.server.said();
    let ops = said.split("for supervisors: http://").nth(1).unwrap();
    let ops: String = ops.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
    works(&run(&["health", "--ops-listen", &ops], &[], |command| {
        variables(command, supervised.server.address.to_string());
    }));
}

//! `orchestrateur check`: what was understood, and whether services answer.

use std::net::TcpListener;
use std::process::Command;

use saga_testkit::definition::change;

use crate::cli::{Ended, complaint, run, saga};
use crate::harness::{database_in, orchestrateur};

/// One service with a secret, one whose address is not known, and a request that is computed from an answer.
const SECRETS: &str = r#"saga: secrets
input: { client_id: integer, magasin_id: integer, nom: string }
states: { started: INITIEE, completed: CONFIRMEE, cancelled: ANNULEE }
participants:
  stock: { url: "${STOCK_URL}/v1", headers: { Authorization: "Bearer ${STOCK_KEY}", X-Shop: "${SHOP:-montreal}" } }
  ventes: { url: "http://ventes:8000", safety: idempotent, headers: { X-Key: "${VENTES_KEY}" } }
steps:
  - step: stock
    participant: stock
    action: { post: '/reserver/\(.input.nom)', body: { client: .input.client_id } }
    compensation: { delete: '/reserver/\(.stock.id)' }
    probe: { get: '/reserver?saga=\(.saga_id)', after: 30s, output: { id: .body.id } }
    failure: ECHEC_STOCK
  - step: vente
    participant: ventes
    action: { post: /ventes, body: { total: '.stock.prix * 2' } }
    compensation: none
    failure: ECHEC_VENTE
"#;

/// Whether these lines are there, one below the other, whatever is in between.
#[track_caller]
fn has(text: &str, lines: &[&str]) {
    let mut rest = text;
    for line in lines {
        let Some((_, behind)) = rest.split_once(line) else { panic!("no `{line}` there: {text}") };
        rest = behind;
    }
}

fn check(file: &str) -> Command {
    let mut command = orchestrateur();
    command.args(["check", file]);
    command
}

#[test]
fn check_shows_every_request_as_it_would_be_sent() {
    let file = saga("checkout.yaml").display().to_string();
    let ended = run(check(&file).env("STOCK_URL", "http://127.0.0.1:7/v2"));
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    has(
        &ended.stdout,
        &[
            "STOCK_URL   10    from the environment",
            "VENTES_URL  12    not set: the default",
            "requests of an order with the input {\"client_id\":1,\"magasin_id\":2}",
            "saga-id: 00000000-0000-0000-0000-000000000000, saga-attempt: 1",
            "panier at panier\n  does   GET http://panier-service:8000/api/paniers/client/1\n",
            "if lost  asked again, at most 4 times, then the order fails (ECHEC_STOCK)\n",
            "stock at stock\n  does   POST http://127.0.0.1:7/v2/api/stock/reserver\n",
            "idempotency-key: \"00000000-0000-0000-0000-000000000000:stock:action\"\n",
            "content-type: application/json\n           {\"produits\":\"~panier.produits~\"}\n",
            "if lost  repeated with the same key, at most 4 times, then the order fails (ECHEC_STOCK), then the step is undone at once",
            "undoes POST http://127.0.0.1:7/v2/api/stock/liberer\n",
            "stock:compensation\"\n",
            "if lost  repeated with the same key, then after 7 times an operator is needed (BLOQUE, compensation_failing), and it goes on\n",
            "undoes DELETE http://ventes-service:8000/api/ventes/commande/00000000-0000-0000-0000-000000000000\n",
        ],
    );
}

#[test]
fn check_needs_no_secrets_and_tells_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets.yaml").display().to_string();
    std::fs::write(&file, SECRETS).unwrap();
    let ended = run(check(&file).env("STOCK_KEY", "hunter2").env("VENTE_KEY", "hunter2"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    has(
        &ended.stdout,
        &[
            "STOCK_KEY   5     from the environment",
            "SHOP        5     not set: the default",
            "STOCK_URL   5     NOT SET, and there is no default",
            "does   POST ${STOCK_URL}/v1/reserver/nom\n",
            "authorization: ***\n",
            "x-shop: ***\n",
            "{\"client\":1}\n",
            "if lost  its probe asks 30s later, at most 5 times, then its deadline stops the order (ANNULEE), then its probe",
            "undoes DELETE ${STOCK_URL}/v1/reserver/~stock.id~\n",
            "asks   GET ${STOCK_URL}/v1/reserver?saga=00000000-",
            "does   POST (computed from the answer of `stock`: give one with --answers)\n",
            "then the step is left as it is, whether or not it ran\n",
        ],
    );
    for (line, name) in [(5, "STOCK_URL"), (6, "VENTES_KEY")] {
        let warning = format!(
            "{file}:{line}: warning: the environment variable `{name}` is not set and has no default"
        );
        assert!(ended.stderr.contains(&warning), "{}", ended.stderr);
    }
    assert!(ended.stderr.contains("did you mean `VENTE_KEY`, which is set?"), "{}", ended.stderr);
    assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
    // `serve` would call without them.
    let mut serve = orchestrateur();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--definition", &file]);
    let ended = run(serve.env("DATABASE_URL", database_in(folder.path())).env("STOCK_KEY", "hunter2"));
    assert!(
        complaint(&ended).contains("the environment variable `STOCK_URL` is not set; set it"),
        "{ended:?}"
    );
}

#[test]
fn check_takes_an_order_and_answers_from_the_command_line_or_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name).display().to_string();
        std::fs::write(&file, text).unwrap();
        file
    };
    let file = write("secrets.yaml", SECRETS);
    let with = |input: &str, answers: &str| run(check(&file).args(["--input", input, "--answers", answers]));
    let input = r#"{"client_id": 7, "magasin_id": 1, "nom": "a/b"}"#;
    let (input_file, answers) = (write("input.json", input), r#"{"stock": {"id": 12, "prix": 1.5}}"#);
    for ended in [with(input, answers), with(&input_file, &write("answers.json", answers))] {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let lines = [
            "/v1/reserver/a%2Fb\n",
            "{\"client\":7}\n",
            "given    ok; kept: {\"id\": 12",
            "/v1/reserver/12\n",
            "{\"total\":3",
        ];
        has(&ended.stdout.replace("{\"id\":12", "{\"id\": 12"), &lines);
    }
    let refused = with(input, r#"{"stock": {"status": 409, "body": {"detail": "rien"}}}"#);
    has(&refused.stdout, &["given    refused: rien\n", "~stock.id~"]);
    for (input, answers, said) in [
        ("{}", "{}", "--input: `client_id` is missing"),
        (r#"{"client_id": "x"}"#, "{}", "--input: `client_id` must be a JSON integer"),
        ("{", "{}", "--input: The body is not JSON"),
        ("/no/such/file", "{}", "--input: read /no/such/file"),
        ("/dev/zero", "{}", "--input: /dev/zero has more than"),
        (input, "[]", "--answers: a JSON object is needed"),
        (input, r#"{"stokc": 1}"#, "--answers: there is no step `stokc`; there are stock, vente"),
        (
            input,
            r#"{"stock": {"status": 42}}"#,
            "--answers: `stock`: `status` needs a number from 100 to 599",
        ),
        (input, r#"{"stock": {"status": 200, "headers": {"a": 1}}}"#, "the header `a` needs a text"),
    ] {
        let ended = with(input, answers);
        assert!(complaint(&ended).contains(said), "{said}: {ended:?}");
    }
}

/// `check --live` of the built-in checkout, with these addresses of the stock and of the other services.
fn live(stock: &str, others: &str) -> Ended {
    let mut command = orchestrateur();
    command.args(["check", "--live"]).env("STOCK_URL", stock);
    for name in ["PANIER_URL", "CLIENT_URL", "VENTES_URL"] {
        command.env(name, others);
    }
    run(&mut command)
}

/// `auth` and `tls`: how each service is called, without secrets, and what `serve` would lack.
#[test]
fn check_shows_how_calls_prove_who_makes_them() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (file, token) = (place("d.yaml"), place("token"));
    std::fs::write(&token, "hunter2hunter2").unwrap();
    let header = "headers: { Authorization: \"Bearer ${STOCK_KEY}\", X-Shop: \"${SHOP:-montreal}\" }";
    let ca = place("ca.pem");
    let source = change(SECRETS)
        .swap("${STOCK_URL}/v1", "https://stock")
        .swap(header, &format!("auth: {{ bearer: '${{file:{token}}}' }}, tls: {{ ca: '{ca}' }}"))
        .swap(
            "headers: { X-Key: \"${VENTES_KEY}\" }",
            "auth: { basic: { user: shop, password: '${VENTES_PASSWORD}' } }",
        );
    std::fs::write(&file, source.text()).unwrap();
    let ended = run(&mut check(&file));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let shown = [
        &format!("stock is called with the bearer token ${{file:{token}}}\n"),
        &format!("stock is reached by TLS with ca: {ca}\n"),
        "ventes is called with the password ${VENTES_PASSWORD} of `shop`\n",
        "NOT SET, and there is no default",
        "authorization: ***\n",
    ];
    has(&ended.stdout, &shown);
    let unusable = format!("d.yaml:5: warning: `ca: {ca}` of `tls` cannot be used: No such file");
    assert!(ended.stderr.contains(&unusable), "{ended:?}");
    assert!(ended.stderr.contains("`auth` is sent to `ventes` without TLS"), "{ended:?}");
    assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");

    // `serve` says the same of the files, and does not start.
    std::fs::write(&ca, "nothing").unwrap();
    let serve = ["serve", "--definition", &file, "--listen", "127.0.0.1:0"];
    let ended = run(orchestrateur().args(serve).env("VENTES_PASSWORD", "hunter2hunter2"));
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("d.yaml:5: `ca: "), "{ended:?}");
    assert!(ended.stderr.contains("there is no certificate in it"), "{ended:?}");
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
}

#[test]
fn check_live_asks_whether_each_address_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (there, silent_tls) = (format!("http://{address}"), format!("https://{address}"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let ended = live(&there, &there);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    has(
        &ended.stdout,
        &["service  url", "client", "yes\n", "panier", "yes\n", "stock", "yes\n", "ventes", "yes\n"],
    );

    for (stock, said) in [
        (format!("http://{closed}"), "NO: connect: Connection refused"),
        // It takes connections, and never says a word of TLS.
        (silent_tls, "NO: connect: no connection within connect_timeout (1s)"),
        ("http://no-such-host.invalid".to_owned(), "NO: "),
    ] {
        let ended = live(&stock, &there);
        assert_eq!(
            complaint(&ended),
            "no connection to: stock; start them, or correct their `url`, `tls` or `auth`",
            "{ended:?}"
        );
        has(&ended.stdout, &["client", "yes\n", "panier", "yes\n", "stock", said, "ventes", "yes\n"]);
    }
}

#[test]
fn check_live_says_that_an_address_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets.yaml").display().to_string();
    std::fs::write(&file, change(SECRETS).swap("http://ventes:8000", "http://127.0.0.1:1").text()).unwrap();
    let ended = run(check(&file).arg("--live"));
    assert!(ended.stderr.contains("no connection to: stock, ventes"), "{ended:?}");
    has(
        &ended.stdout,
        &[
            "service  url",
            "${STOCK_URL}/v1",
            "NO: a variable of its URL is not set",
            "NO: connect: Connection refused",
        ],
    );
    assert_eq!(ended.code, Some(1));
}

#[test]
fn check_shows_the_order_of_steps_and_their_conditions() {
    let text = change(SECRETS)
        .swap("  - step: vente\n", "  - step: vente\n    after: []\n    when: .input.client_id > 1\n")
        .swap("{ total: '.stock.prix * 2' }", "{ total: 2 }")
        .text();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("graph.yaml");
    std::fs::write(&path, text).unwrap();
    let variables = [("STOCK_URL", "http://127.0.0.1:7"), ("STOCK_KEY", "a"), ("VENTES_KEY", "b")];
    let ended = run(check(&path.display().to_string()).envs(variables));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    has(&ended.stdout, &["step   after  participant", "stock  -      stock", "vente  -      ventes"]);
    has(&ended.stdout, &["vente is skipped unless .input.client_id > 1\n", "vente at ventes\n  does   POST"]);
}

//! The command line: what it checks, what it says, and how it fails.

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::CommandFactory;
use saga_testkit::definition::change;

use crate::harness::{Server, Shop, database_in, orchestrateur};
use crate::http::{Call, PATIENCE};

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end, which must come by itself.
pub(crate) fn run(command: &mut Command) -> Ended {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let drain = |mut stream: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        })
    };
    let stdout = drain(Box::new(child.stdout.take().unwrap()));
    let stderr = drain(Box::new(child.stderr.take().unwrap()));
    const NAP: Duration = Duration::from_millis(10);
    for _ in 0..PATIENCE.as_millis() / NAP.as_millis() {
        if let Some(status) = child.try_wait().unwrap() {
            return Ended {
                code: status.code(),
                stdout: stdout.join().unwrap(),
                stderr: stderr.join().unwrap(),
            };
        }
        std::thread::sleep(NAP);
    }
    let _ = child.kill();
    panic!("it does not end: {}", stderr.join().unwrap());
}

fn orchestrateur_with(arguments: &[&str]) -> Ended {
    run(orchestrateur().args(arguments))
}

/// Its complaint on failing: one sentence of its own, and no panic.
#[track_caller]
pub(crate) fn complaint(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let said = ended.stderr.split_once("orchestrateur: ").map(|(_, said)| said.trim_end());
    said.unwrap_or_else(|| panic!("no sentence: {}", ended.stderr))
}

pub(crate) fn saga(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas").join(name)
}

#[test]
fn check_explains_a_good_definition() {
    for arguments in [
        vec!["check".to_owned()],
        vec!["check".to_owned(), saga("checkout.yaml").display().to_string()],
        vec!["check".to_owned(), saga("voisins.yaml").display().to_string()],
    ] {
        let ended = run(orchestrateur().args(&arguments).env("STOCK_URL", "http://127.0.0.1:7"));
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{arguments:?}");
        for part in
            ["a valid definition", "hash ", "client_id (integer)", "INITIEE -> CONFIRMEE", "paiement "]
        {
            assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
        }
        assert!(ended.stdout.contains("http://127.0.0.1:7/"), "{}", ended.stdout);
    }
}

#[test]
fn check_names_every_mistake_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.yaml");
    let source = std::fs::read_to_string(saga("checkout.yaml")).unwrap();
    let line_of = |text: &str| source.lines().position(|line| line.contains(text)).unwrap() + 1;
    let wrong = change(&source)
        .set("steps.stock.participant", "stokc")
        .set("steps.vente.action.post", "\"/api/\\\\(.x |\"")
        .text();
    std::fs::write(&file, wrong).unwrap();
    let ended = orchestrateur_with(&["check", file.to_str().unwrap()]);
    let said = complaint(&ended);
    for (text, word) in [("participant: stock", "stokc"), ("post: /api/ventes", "jq: ")] {
        let place = format!("{}:{}: ", file.display(), line_of(text));
        let mistake = said.lines().find(|line| line.starts_with(&place));
        assert!(mistake.is_some_and(|line| line.contains(word)), "{place}: {said}");
    }
    assert_eq!(ended.stdout, "");
}

#[test]
fn secrets_come_from_files_and_one_in_the_definition_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (name, content) in [
        ("key", b"s3cret\n".to_vec()),
        ("empty", b"\n".to_vec()),
        ("binary", b"s3cret\xff".to_vec()),
        ("large", "s3cret".repeat(1_000_000).into_bytes()),
    ] {
        std::fs::write(path(name), content).unwrap();
    }
    let source = std::fs::read_to_string(saga("checkout.yaml")).unwrap();
    let write = |header: &str| {
        let headers = format!("{{ {header} }}");
        let with_header = change(&source).add("participants.stock.headers", &headers).text();
        std::fs::write(path("mine.yaml"), with_header).unwrap();
    };
    let check = |header: &str| {
        write(header);
        orchestrateur_with(&["check", &path("mine.yaml")])
    };
    let serve = || {
        let mut serve = orchestrateur();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--definition", &path("mine.yaml")]);
        run(serve.env("DATABASE_URL", database_in(folder.path())))
    };
    let ended = check(&format!("Authorization: 'Bearer ${{file:{}}}'", path("key")));
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    assert!(!ended.stdout.contains("s3cret"), "{}", ended.stdout);
    let account = format!("file:{}", path("key"));
    let account = ended.stdout.lines().find(|line| line.starts_with(&account));
    assert!(account.is_some_and(|line| line.ends_with("10    from the file")), "{}", ended.stdout);
    for (file, why) in [
        (path("nowhere"), "No such file"),
        (path(""), "not a regular file"),
        ("/dev/zero".to_owned(), "not a regular file"),
        (path("empty"), "it is empty"),
        (path("binary"), "not UTF-8"),
        (path("large"), "SECRET_BYTES_MAX"),
    ] {
        // An author who checks a definition need not have its secrets; a server needs them.
        let ended = check(&format!("X-Key: '${{file:{file}}}'"));
        let said = &ended.stderr;
        assert_eq!(ended.code, Some(0), "{said}");
        let warning = format!("mine.yaml:10: warning: `${{file:{file}}}` cannot be used: ");
        assert!(said.contains(&warning) && said.contains(why) && !said.contains("s3cret"), "{file}: {said}");
        assert!(ended.stdout.contains("NO FILE that can be used"), "{}", ended.stdout);
        let ended = serve();
        let said = complaint(&ended);
        assert!(said.contains(&file) && said.contains(why) && !said.contains("s3cret"), "{file}: {said}");
    }
    let ended = check("X-Api-Key: s3cret");
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("mine.yaml:10: warning: the value of the header `X-Api-Key`"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
}

#[test]
fn check_says_what_is_wrong_with_files_that_are_no_definitions() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file.display().to_string()
    };
    let source = std::fs::read_to_string(saga("checkout.yaml")).unwrap();
    let no_client = change(&source)
        .remove("input.client_id")
        .swap("/\\(.input.client_id)", "/1")
        .remove("steps.vente.action.body.client_id")
        .text();
    for (file, said) in [
        (folder.path().join("missing.yaml").display().to_string(), "read the definition"),
        (folder.path().display().to_string(), "binary.yaml:2: the file is not UTF-8 text"),
        (write("binary.yaml", b"saga: x\ninput: \xff\xfe"), "binary.yaml:2: the file is not UTF-8 text"),
        (write("utf16.yaml", b"\xff\xfes\0a\0"), "is not UTF-8 text but UTF-16"),
        (write("huge.yaml", &[b'#'; 262_145]), "more than 262144 bytes (SOURCE_BYTES_MAX)"),
        ("/dev/zero".to_owned(), "more than 262144 bytes (SOURCE_BYTES_MAX)"),
        (write("empty.yaml", b""), "empty.yaml:"),
        (write("broken.yaml", b"saga: [checkout\nsteps: {"), "broken.yaml:"),
        (write("no_client.yaml", no_client.as_bytes()), "the input has no `client_id: integer`"),
    ] {
        let ended = orchestrateur_with(&["check", &file]);
        let complaint = complaint(&ended);
        assert!(complaint.contains(said) && complaint.contains(&file), "{said}: {complaint}");
        // `serve` reads it with the same eyes.
        let mut serve = orchestrateur();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--definition", &file]);
        let ended = run(serve.env("DATABASE_URL", database_in(folder.path())));
        assert!(self::complaint(&ended).contains(said), "{ended:?}");
    }
}

#[test]
fn schema_prints_the_schema_of_definitions() {
    let ended = orchestrateur_with(&["schema"]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    assert_eq!(ended.stdout, std::fs::read_to_string(saga("definition.schema.json")).unwrap());
    assert!(serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap().is_object());
}

#[test]
fn help_lists_every_setting_with_its_variable() {
    let top = orchestrateur_with(&["--help"]);
    assert_eq!(top.code, Some(0));
    for command in orchestrateur::cli::Cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(top.stdout.contains(&format!("\n  {name}")), "{name}: {}", top.stdout);
        let help = orchestrateur_with(&[name, "--help"]).stdout;
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        // What one request asks for is no setting of an installation.
        let asked: &[&str] = match name {
            "audit" => &["since", "until", "limit", "cursor", "all"],
            "reconcile" => &["since", "settle"],
            _ => &[],
        };
        let is_setting = |option: &&clap::Arg| !asked.contains(&option.get_long().unwrap_or_default());
        for setting in command.get_opts().filter(is_setting) {
            let (flag, variable) = (setting.get_long().unwrap(), setting.get_env());
            let variable = variable.unwrap_or_else(|| panic!("{name} --{flag} has no variable")).display();
            let described = help.split_once(&format!("--{flag} ")).map(|(_, rest)| rest);
            let described = described.unwrap_or_else(|| panic!("{name} --help has no --{flag}: {help}"));
            let named = described.split_once("[env: ").map(|(_, rest)| rest);
            assert!(named.is_some_and(|rest| rest.starts_with(&variable.to_string())), "{flag}: {described}");
        }
    }
    let revision = option_env!("ORCHESTRATEUR_REVISION").filter(|revision| !revision.is_empty());
    let revision = revision.map(|revision| format!(" ({revision})")).unwrap_or_default();
    assert_eq!(
        orchestrateur_with(&["--version"]).stdout,
        format!("orchestrateur {}{revision}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_command_line_that_cannot_be_read_is_explained() {
    for (arguments, said) in [
        (&["sevre"][..], "unrecognized subcommand 'sevre'"),
        (&["serve", "--listen", "8023"], "127.0.0.1:8023 for this machine alone"),
        (&["demo", "--listen", "localhost"], "127.0.0.1:8023 for this machine alone"),
        (&["health", "--listen", ":9000"], "127.0.0.1:9000 for this machine alone"),
        (&["serve", "--allowed-host", "http://a.example"], "write a host's name without a port"),
        (&["serve", "--connections-max", "0"], "--connections-max"),
        (&["serve", "--active-sagas-max=-1"], "--active-sagas-max"),
        (&["serve", "--prot", "1"], "unexpected argument '--prot'"),
        (&[], "Usage: orchestrateur <COMMAND>"),
    ] {
        let ended = orchestrateur_with(arguments);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said) && !ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

/// `serve` with this database, which must fail.
fn serve_on(database: &str) -> Ended {
    run(orchestrateur().args(["serve", "--listen", "127.0.0.1:0"]).env("DATABASE_URL", database))
}

#[test]
fn serve_says_that_its_port_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for command in ["serve", "demo"] {
        let mut command_line = orchestrateur();
        command_line.args([command, "--listen", &address.to_string()]);
        let ended = run(command_line.env("DATABASE_URL", database_in(folder.path())));
        let port = address.port();
        let said = format!(
            "listen on {address}: is port {port} taken? Choose another with --listen: Address already in use"
        );
        assert!(complaint(&ended).starts_with(&said), "{ended:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn serve_says_that_it_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let inside = file.join("orders/orchestrateur.db");
    let ended = serve_on(&format!("sqlite://{}", inside.display()));
    let said = complaint(&ended);
    assert!(said.contains(&format!("open the embedded store {}", inside.display())), "{said}");
    assert!(said.contains("make it, or correct the path"), "{said}");
    // A folder that is not there is a mistake in the path, and is not made.
    let missing = folder.path().join("no/such/orders.db");
    let ended = serve_on(&format!("sqlite://{}", missing.display()));
    let said = complaint(&ended);
    assert!(said.contains("no/such") && !folder.path().join("no").exists(), "{said}");
    let ended = serve_on("sqlite:///proc/orchestrateur.db");
    assert!(complaint(&ended).contains("/proc/orchestrateur.db"), "{ended:?}");
    let ended = serve_on(&format!("sqlite://{}", folder.path().display()));
    assert!(complaint(&ended).contains(&folder.path().display().to_string()), "{ended:?}");
}

#[test]
fn serve_says_what_is_wrong_with_its_database_and_keeps_the_password_to_itself() {
    // A port that is ours, and without a listener.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = silent.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let in_file = folder.path().join("url");
    for (url, said) in [
        ("mysql://root:s3cret@db/shop".to_owned(), "write postgres://user:password@host:5432/database"),
        ("s3cret".to_owned(), "write postgres://user:password@host:5432/database"),
        (String::new(), "write postgres://user:password@host:5432/database"),
        ("sqlite://".to_owned(), "write sqlite://orchestrateur.db"),
        (format!("postgres://shop:s3cret@{closed}/shop"), "cannot reach PostgreSQL at"),
        (format!("postgresql+asyncpg://shop:s3cret@{closed}/shop"), "cannot reach PostgreSQL at"),
        (format!("postgres://shop:x/s3cret@{closed}/shop"), "cannot reach PostgreSQL at"),
        (format!("postgres://shop:x@s3cret@{closed}/shop"), "must be written as %40"),
        ("postgres://shop:s3cret@db:port/shop".to_owned(), "cannot read the PostgreSQL address"),
        ("postgres://shop:s3cret@db/shop?sslmode=s3cret".to_owned(), "cannot read the PostgreSQL address"),
        ("postgres://shop@db/shop?password=x&s3cret=y".to_owned(), "cannot read the PostgreSQL address"),
        (
            "host=db user=shop password=s3cret service=x".to_owned(),
            "write the service's settings into the address",
        ),
        (
            format!("host={} port={} user=shop password=s3cret", closed.ip(), closed.port()),
            "cannot reach PostgreSQL at",
        ),
        ("sqlite://orders.db?mode=ro".to_owned(), "takes no parameters"),
    ] {
        std::fs::write(&in_file, format!("{url}\n")).unwrap();
        let mut from_file = orchestrateur();
        from_file.args(["serve", "--listen", "127.0.0.1:0"]).env("DATABASE_URL_FILE", &in_file);
        let mut as_flag = orchestrateur();
        as_flag.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &url]);
        for ended in [serve_on(&url), run(&mut from_file), run(&mut as_flag)] {
            let complaint = complaint(&ended);
            assert!(complaint.contains(said), "{url}: {complaint}");
            assert!(!format!("{ended:?}").contains("s3cret"), "{url}: {ended:?}");
        }
    }
    let missing = folder.path().join("missing");
    let mut from_file = orchestrateur();
    from_file.args(["serve", "--listen", "127.0.0.1:0"]).env("DATABASE_URL_FILE", &missing);
    let ended = run(&mut from_file);
    assert!(complaint(&ended).starts_with(&format!("read {}: ", missing.display())), "{ended:?}");
}

/// One role owns the database and makes its tables; the one that serves cannot, and need not.
#[tokio::test(flavor = "multi_thread")]
async fn migrate_makes_the_tables_that_a_service_without_rights_then_uses() {
    let admin = saga_testkit::postgres::shared().create_database();
    let database = admin.rsplit('/').next().unwrap();
    let as_role = |role: &str| admin.replace("postgres@", &format!("{role}_{database}@"));
    let execute = async |url: &str, sql: &str| {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    };
    let roles = format!(
        "CREATE ROLE owner_{database} LOGIN; CREATE ROLE service_{database} LOGIN; \
         ALTER DATABASE {database} OWNER TO owner_{database}"
    );
    execute(&admin, &roles).await;
    let ended = serve_on(&as_role("service"));
    let said = complaint(&ended);
    assert!(said.contains("run `orchestrateur migrate`"), "{said}");

    let migrate = || run(orchestrateur().arg("migrate").env("DATABASE_URL", as_role("owner")));
    let made = migrate();
    assert!(made.code == Some(0) && made.stdout.starts_with("made "), "{made:?}");
    let again = migrate();
    assert!(again.code == Some(0) && again.stdout.starts_with("nothing to do"), "{again:?}");
    assert_eq!((&*made.stderr, &*again.stderr), ("", ""));

    let documented = include_str!("../../../../docs/operations.md");
    let grants = documented.lines().map(str::trim).filter(|line| line.starts_with("GRANT "));
    let grants = grants.collect::<Vec<_>>().join("\n");
    let grants = grants.replace("DATABASE orchestrateur", &format!("DATABASE {database}"));
    let grants = grants.replace("orchestrateur_service", &format!("service_{database}"));
    execute(&as_role("owner"), &grants).await;
    let shop = Shop::open().await;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&shop, folder.path(), &["--database-url", &as_role("service")]).await;
    let order = server.send(&Call::checkout(4)).await;
    assert_eq!((order.status, &order.json()["etat_final"]), (200, &"CONFIRMEE".into()), "{order:?}");
    assert!(
        !server.said().contains("NOTICE") && !server.said().contains("already exists"),
        "{}",
        server.said()
    );
}

#[test]
fn migrate_makes_a_file_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let migrate = |url: &str| run(orchestrateur().args(["migrate", "--database-url", url]));
    let made = migrate(&database_in(folder.path()));
    assert_eq!((made.code, &*made.stdout), (Some(0), "the file is up to date\n"), "{made:?}");
    assert!(folder.path().join("orchestrateur.db").exists());
    let missing = migrate(&format!("sqlite://{}", folder.path().join("no/such/x.db").display()));
    assert!(complaint(&missing).contains("no/such"), "{missing:?}");
}

#[test]
fn backup_copies_a_file_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (database, copy) = (format!("sqlite://{}", at("orders.db")), at("copy.db"));
    let missing = orchestrateur_with(&["backup", "--database-url", &database, &copy]);
    assert!(complaint(&missing).contains("there is no such file"), "{missing:?}");
    orchestrateur_with(&["migrate", "--database-url", &database]);
    let made = orchestrateur_with(&["backup", "--database-url", &database, &copy]);
    assert!(made.stdout.starts_with(&format!("{copy} has 0 sagas, 0 of them unfinished")), "{made:?}");
    let again = orchestrateur_with(&["backup", "--database-url", &database, &copy]);
    assert!(complaint(&again).contains("give the copy another name"), "{again:?}");
    let postgres = orchestrateur_with(&[
        "backup",
        "--database-url",
        "postgres://ana:s3cret@127.0.0.1/x",
        &at("other.db"),
    ]);
    assert!(
        complaint(&postgres).contains("pg_dump") && !complaint(&postgres).contains("s3cret"),
        "{postgres:?}"
    );
    assert!(!folder.path().join("other.db").exists());
}

#[test]
fn serve_leaves_a_file_alone_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orchestrateur.db");
    let content = "this is no database, whatever its name may say".repeat(99);
    std::fs::write(&file, &content).unwrap();
    let ended = serve_on(&database_in(folder.path()));
    assert!(complaint(&ended).contains("is not an SQLite database; it was left as it is"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_refuses_a_file_that_another_process_has_or_a_newer_program_wrote() {
    let shop = Shop::open().await;
    let folder = tempfile::tempdir().unwrap();
    let mut first = Server::start(&shop, folder.path(), &[]).await;
    let ended = serve_on(&database_in(folder.path()));
    let said = complaint(&ended);
    assert!(said.contains("another process has this journal open"), "{said}");
    assert!(said.contains("stop it first, or give this one another file"), "{said}");
    assert_eq!(first.get("/readyz").await.status, 200);
    first.kill();

    let database = rusqlite::Connection::open(folder.path().join("orchestrateur.db")).unwrap();
    let newer = "INSERT INTO saga_migration (version, name, checksum) VALUES (999, 'later', 'x')";
    database.execute(newer, []).unwrap();
    drop(database);
    let ended = serve_on(&database_in(folder.path()));
    let said = complaint(&ended);
    assert!(said.contains("schema version 999") && said.contains("start the newer program"), "{said}");
}

#[test]
fn serve_says_that_its_log_filter_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = orchestrateur();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--log", "saga=loud"]);
    let ended = run(serve.env("DATABASE_URL", database_in(folder.path())));
    assert!(complaint(&ended).starts_with("the log filter `saga=loud` cannot be read"), "{ended:?}");
}

//! Failures that only a file can have.

use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use saga_journal::{AppendError, Histories, KeptDefinition, Lease, Library, OpenError, sqlite};

use crate::entries::{OWNER, hash, next, records, replica, saga, start, word};
use crate::fixture::{Fixture, InSqlite, LONG, Sql, join, keep};
use crate::inbox::command;

#[tokio::test]
async fn a_second_owner_of_a_file_is_refused_until_the_first_is_gone() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    let error = fixture.try_open().await.err().unwrap();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(
        error.to_string().contains("another process") && error.to_string().contains("journal.db.lock"),
        "{error}"
    );

    // By another name it is the same file.
    let link = fixture.path().with_file_name("link.db");
    std::os::unix::fs::symlink(fixture.path(), &link).unwrap();
    assert!(matches!(sqlite::open(&link), Err(OpenError::Locked { .. })));

    drop(store);
    fixture.open().await;
}

#[tokio::test]
async fn another_process_cannot_take_the_file_and_a_dead_one_does_not_keep_it() {
    let fixture = InSqlite::new();
    // flock(1) is a process of its own that holds the lock.
    let mut lock_path = fixture.path().into_os_string();
    lock_path.push(".lock");
    let mut child = std::process::Command::new("flock")
        .arg(&lock_path)
        .args(["sh", "-c", "echo held; read line"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
        .unwrap();
    assert_eq!(line, "held\n");
    assert!(matches!(fixture.try_open().await, Err(OpenError::Locked { .. })));
    // The shell ends with its input, and the lock with the shell.
    drop(child.stdin.take());
    child.wait().unwrap();
    fixture.open().await;
}

#[tokio::test]
async fn whoever_had_the_file_before_is_gone() {
    let fixture = InSqlite::new();
    keep(&*fixture.open().await, &[&start(1)]).await;
    let store = fixture.open_for_nobody().await;
    join(&*store, replica(1)).await;
    assert_eq!(store.renew(OWNER, LONG).await, Ok(Lease::Lost));
    assert_eq!(store.claim(replica(1), 10).await, Ok(vec![saga(1)]));
}

#[tokio::test]
async fn a_missing_folder_is_a_mistake_and_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("no/such/journal.db");
    let error = sqlite::open(&path).err().unwrap();
    assert!(matches!(error, OpenError::Directory { .. }));
    let text = error.to_string();
    assert!(text.contains("no/such") && text.contains("make it"), "{text}");
    assert!(!directory.path().join("no").exists());

    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(sqlite::open(file.join("journal.db")), Err(OpenError::Directory { .. })));
    let nested = directory.path().join("directory");
    std::fs::create_dir(&nested).unwrap();
    assert!(matches!(sqlite::open(nested), Err(OpenError::File { .. })));

    let path = directory.path().join("journal.db");
    let store = sqlite::open(&path).unwrap();
    join(&store, OWNER).await;
    keep(&store, &[&start(1)]).await;
    assert_eq!(store.path(), path.canonicalize().unwrap());
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused_and_left_alone() {
    let fixture = InSqlite::new();
    let text = "these are my holiday notes, not a database. ".repeat(100);
    std::fs::write(fixture.path(), &text).unwrap();
    let error = fixture.try_open().await.err().unwrap();
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(fixture.path()).unwrap(), text);
}

/// A change to the files of a running process, and the first words of the file that is named then.
type Mishap = (&'static str, fn(&Path), &'static str);

fn beside(path: &Path, ending: &str) -> PathBuf {
    path.with_file_name(format!("{}{ending}", path.file_name().unwrap().to_str().unwrap()))
}

#[tokio::test]
async fn files_that_are_moved_replaced_or_deleted_are_noticed_before_anything_is_acknowledged() {
    let mishaps: [Mishap; 6] = [
        ("moved", |path| std::fs::rename(path, beside(path, ".old")).unwrap(), "journal.db was moved"),
        ("deleted", |path| std::fs::remove_file(path).unwrap(), "journal.db was moved"),
        (
            "replaced",
            |path| {
                std::fs::copy(path, beside(path, ".copy")).unwrap();
                std::fs::rename(beside(path, ".copy"), path).unwrap();
            },
            "journal.db was moved",
        ),
        (
            "with its folder",
            |path| {
                let folder = path.parent().unwrap();
                std::fs::rename(folder, folder.with_file_name("elsewhere")).unwrap();
            },
            "journal.db was moved",
        ),
        (
            "wal deleted",
            |path| std::fs::remove_file(beside(path, "-wal")).unwrap(),
            "journal.db-wal was moved",
        ),
        (
            "wal replaced",
            |path| {
                std::fs::remove_file(beside(path, "-wal")).unwrap();
                std::fs::write(beside(path, "-wal"), "").unwrap();
            },
            "journal.db-wal was moved",
        ),
    ];
    for (name, mishap, words) in mishaps {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("journal.db");
        let store = sqlite::open(&path).unwrap();
        join(&store, OWNER).await;
        let first = start(1);
        keep(&store, &[&first]).await;
        mishap(&path);
        let second = next(&first, "STOCK_RESERVE");
        for _ in 0..2 {
            let error = store.append(std::slice::from_ref(&second)).await.unwrap_err();
            assert!(error.0.contains(words) && error.0.contains("start"), "{name}: {error}");
        }
        let kept = KeptDefinition { name: word("checkout"), source: word("source"), format: 1, orders: true };
        let defined = store.define(hash(), kept).await.unwrap_err();
        assert!(defined.0.contains(words), "{name}: {defined}");
        let probed = store.probe().await.unwrap_err();
        assert!(probed.0.contains(words), "{name}: {probed}");
        // A connection that is made now would read another file.
        if words.starts_with("journal.db was") {
            assert!(store.load(saga(1)).await.is_err(), "{name}");
        }
        drop(store);
        if name.starts_with("wal") {
            // The acknowledged entry was saved before the process ended.
            let _ = std::fs::remove_file(beside(&path, "-wal"));
            let store = sqlite::open(&path).unwrap();
            let history = store.load(saga(1)).await.unwrap().unwrap();
            assert_eq!(history.records[..1], first.records, "{name}");
        }
    }
}

#[tokio::test]
async fn a_probe_writes_to_the_disk_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.db");
    let store = sqlite::open(&path).unwrap();
    let written = || std::fs::metadata(beside(&path, "-wal")).unwrap().len();
    let version = || {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = (version(), written());
    store.probe().await.unwrap();
    assert_eq!(version(), before.0);
    assert!(written() > before.1, "{} bytes, as before", before.1);
}

#[tokio::test]
async fn an_entry_that_can_never_be_kept_costs_the_others_nothing() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    let first = start(9);
    keep(&*store, &[&first]).await;
    // The frame is refused, or the row after it.
    let refuse = |table: &str, event: &str, number: u128| {
        format!(
            "CREATE TRIGGER refuse_{table} BEFORE {event} ON {table} WHEN new.saga_id = {} \
             BEGIN SELECT RAISE(ABORT, 'never'); END",
            InSqlite::literal(saga(number))
        )
    };
    fixture.execute(&refuse("saga_event", "INSERT", 3)).await;
    fixture.execute(&refuse("saga", "UPDATE", 9)).await;
    let mut batch: Vec<_> = (0..6).map(start).collect();
    batch.push(next(&first, "STOCK_RESERVE"));
    let results = store.append(&batch).await.unwrap();
    for (entry, result) in batch.iter().zip(&results) {
        let is_refused = [saga(3), saga(9)].contains(&entry.saga);
        assert_eq!(matches!(result, Err(AppendError::Refused(_))), is_refused, "{result:?}");
        assert_eq!(result.is_ok(), !is_refused, "{result:?}");
    }
    assert!(store.load(saga(3)).await.unwrap().is_none());
    assert_eq!(store.load(saga(9)).await.unwrap().unwrap().records, first.records);
}

#[tokio::test]
async fn a_file_that_is_put_back_is_written_again() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    let first = start(1);
    keep(&*store, &[&first]).await;
    let away = beside(&fixture.path(), ".away");
    std::fs::rename(fixture.path(), &away).unwrap();
    let second = next(&first, "STOCK_RESERVE");
    assert!(store.append(std::slice::from_ref(&second)).await.is_err());
    std::fs::rename(&away, fixture.path()).unwrap();
    keep(&*store, &[&second]).await;
    assert_eq!(store.load(saga(1)).await.unwrap().unwrap().records, records(&[&first, &second]));
}

#[tokio::test]
async fn a_file_that_another_program_holds_fails_reads_of_nobody_and_writes_within_the_deadline() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    let person = rusqlite::Connection::open(fixture.path()).unwrap();
    person.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = tokio::time::Instant::now();
    let asking = join_all((0..20).map(|_| store.post(command(1, 1))));
    let (asked, renewed) = tokio::join!(asking, store.renew(OWNER, LONG));
    assert_eq!(renewed, Ok(Lease::Held));
    assert!(asked.iter().all(Result::is_err), "{asked:?}");
    assert!(store.load(saga(1)).await.unwrap().is_some());
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn people_read_while_it_runs_and_commits_are_flushed() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    let person = rusqlite::Connection::open(fixture.path()).unwrap();
    person.execute_batch("BEGIN; SELECT count(*) FROM saga").unwrap();
    keep(&*store, &[&start(1)]).await;
    person.execute_batch("COMMIT").unwrap();
    assert_eq!(fixture.query("SELECT count(*) FROM commandes").await, [["1"]]);
    assert_eq!(fixture.query("PRAGMA journal_mode").await, [["wal"]]);
    assert!(store.is_blocking());
}

#[tokio::test]
async fn claims_words_and_lists_use_their_indices() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    for (sql, index) in [
        (
            "SELECT saga_id FROM saga WHERE is_over = 0 AND wake_us IS NULL AND owner > x'' AND owner < x'ff' LIMIT 5",
            "INDEX saga_owner (owner>? AND owner<?)",
        ),
        (
            "SELECT saga_id FROM saga WHERE is_over = 0 AND wake_us IS NULL AND owner = x'' AND number > iif(x'' IS NULL, 0, (SELECT number FROM saga WHERE saga_id = x'')) ORDER BY number LIMIT 5",
            "saga_owner (owner=? AND rowid>?)",
        ),
        (
            "SELECT EXISTS (SELECT saga.saga_id FROM saga_command CROSS JOIN saga ON saga.saga_id = saga_command.saga_id \
             WHERE saga_command.refused IS NULL AND saga.wake_us IS NOT NULL UNION ALL SELECT saga_id FROM saga WHERE wake_us IS NOT NULL AND rested_us > 9 UNION ALL SELECT saga_id FROM saga WHERE wake_us <= 5)",
            "saga_asleep (wake_us<?)",
        ),
        ("SELECT saga_id FROM saga WHERE wake_us IS NOT NULL AND rested_us > 9", "saga_rested (rested_us>?)"),
        (
            "SELECT definition, rollback, count(*), min(due_us) FROM saga WHERE is_over = 0 GROUP BY +definition, rollback",
            "saga_under_way",
        ),
        (
            "SELECT state FROM saga WHERE (created_us, saga_id) < (5, x'') ORDER BY created_us DESC, saga_id DESC LIMIT 5",
            "saga_newest",
        ),
    ] {
        let plan = format!("{:?}", fixture.query(&format!("EXPLAIN QUERY PLAN {sql}")).await);
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE FOR ORDER BY"), "{sql}: {plan}");
    }
    assert!(store.load(saga(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn new_files_are_for_their_owner_alone_and_others_keep_their_mode() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    store.append(&[start(1)]).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = fixture.path();
    for file in [path.clone(), beside(&path, "-wal"), beside(&path, "-shm"), beside(&path, ".lock")] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    drop(store);
    // A group may have been let in on purpose.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let _store = fixture.open().await;
    assert_eq!(mode(&path), 0o640);
}

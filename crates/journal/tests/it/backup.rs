//! Copies of SQLite files that are in use.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use saga_journal::Histories;
use saga_journal::sqlite::{self, BackupError, back_up};

use crate::entries::{end, next, saga, start};
use crate::fixture::{Fixture, InSqlite, keep};

/// The files of a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_busy_file_has_whole_histories_and_all_that_was_acknowledged_before() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    let (acknowledged, is_done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    #[expect(clippy::disallowed_methods, reason = "orders go on while the file is copied")]
    let orders = tokio::spawn({
        let (store, acknowledged, is_done) = (store.clone(), acknowledged.clone(), is_done.clone());
        async move {
            let mut number = 0;
            while !is_done.load(Ordering::SeqCst) {
                number += 1;
                let first = start(number);
                let second = next(&first, "STOCK_RESERVE");
                keep(&*store, &[&first, &second, &end(&second)]).await;
                acknowledged.store(number as u64, Ordering::SeqCst);
            }
        }
    });
    let copies = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let wanted = acknowledged.load(Ordering::SeqCst) + 20;
        while acknowledged.load(Ordering::SeqCst) < wanted {
            tokio::task::yield_now().await;
        }
        let before = acknowledged.load(Ordering::SeqCst);
        let to = copies.path().join(format!("{round}.db"));
        let (from, copy) = (fixture.path(), to.clone());
        let content = tokio::task::spawn_blocking(move || back_up(&from, &copy)).await.unwrap().unwrap();
        assert!(content.sagas >= before && content.unfinished <= 1, "{content:?} after {before}");
        assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(to.metadata().unwrap().len(), content.bytes);

        sqlite::accept(&to, false).unwrap();
        let opened = sqlite::open(&to).unwrap();
        for number in 1..=content.sagas {
            let history = opened.load(saga(number.into())).await.unwrap().unwrap();
            let is_last = number == content.sagas;
            let whole = store.load(saga(number.into())).await.unwrap().unwrap().records;
            assert!(
                history.records == whole || is_last && whole.starts_with(&history.records),
                "saga {number}"
            );
        }
        assert_eq!(opened.load(saga(u128::from(content.sagas) + 1)).await, Ok(None));
        let backlog = opened.backlog().await.unwrap();
        let unfinished: u64 = backlog.values().map(|it| it.forward + it.rolling_back + it.blocked).sum();
        assert_eq!(unfinished, content.unfinished);
        drop(opened);
    }
    is_done.store(true, Ordering::SeqCst);
    orders.await.unwrap();
    assert!(files(copies.path()).iter().all(|name| !name.starts_with('.')), "{:?}", files(copies.path()));
}

#[tokio::test]
async fn what_a_killed_process_has_left_is_in_a_copy() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    // As a killed process leaves them: the saga is in the `-wal` alone.
    let left = tempfile::tempdir().unwrap();
    for name in ["journal.db", "journal.db-wal"] {
        std::fs::copy(fixture.path().with_file_name(name), left.path().join(name)).unwrap();
    }
    let content = back_up(&left.path().join("journal.db"), &left.path().join("copy.db")).unwrap();
    assert_eq!((content.sagas, content.unfinished), (1, 1));
    assert_eq!(files(left.path()), ["copy.db", "journal.db"]);
}

#[tokio::test]
async fn a_copy_replaces_nothing_and_is_of_journals_alone() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);

    std::fs::write(at("mine"), "mine").unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("link")).unwrap();
    for there in [at("mine"), at("link"), fixture.path(), folder.path().to_owned()] {
        let refused = back_up(&fixture.path(), &there).unwrap_err();
        assert!(matches!(refused, BackupError::Exists { .. }), "{}: {refused}", there.display());
    }
    assert_eq!(std::fs::read_to_string(at("mine")).unwrap(), "mine");

    let refused = back_up(&fixture.path(), &at("no/copy")).unwrap_err().to_string();
    assert!(refused.contains("the folder") && refused.contains("make it"), "{refused}");
    assert!(back_up(&fixture.path(), Path::new("/")).is_err());

    rusqlite::Connection::open(at("other")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    std::fs::write(at("empty"), "").unwrap();
    for (from, why) in [
        ("other", "no tables of a journal"),
        ("empty", "no tables of a journal"),
        ("missing", "no such file"),
        ("mine", "not an SQLite database"),
    ] {
        let refused = back_up(&at(from), &at("copy")).unwrap_err().to_string();
        assert!(refused.contains(why), "{from}: {refused}");
    }
    assert_eq!(files(folder.path()), ["empty", "link", "mine", "other"]);
}

/// Before an upgrade, the new program copies what the old one has left.
#[test]
fn a_file_of_the_first_release_is_copied_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (old, copy) = (folder.path().join("old.db"), folder.path().join("copy.db"));
    let file = rusqlite::Connection::open(&old).unwrap();
    file.execute_batch(include_str!("../../migrations/sqlite/0001_sagas.sql")).unwrap();
    file.execute_batch(
        "CREATE TABLE saga_migration (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;
         INSERT INTO saga_migration VALUES (1, 'sagas', 'x')",
    )
    .unwrap();
    let content = back_up(&old, &copy).unwrap();
    assert_eq!((content.sagas, content.unfinished), (0, 0));
    let versions = |file: &rusqlite::Connection| -> i64 {
        file.query_row("SELECT max(version) FROM saga_migration", [], |row| row.get(0)).unwrap()
    };
    assert_eq!((versions(&file), versions(&rusqlite::Connection::open(&copy).unwrap())), (1, 1));
}

#[tokio::test]
async fn a_damaged_file_gives_no_copy() {
    use std::os::unix::fs::FileExt;
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    for number in 1..=200 {
        keep(&*store, &[&start(number)]).await;
    }
    drop(store);
    let length = fixture.path().metadata().unwrap().len();
    let file = std::fs::File::options().write(true).open(fixture.path()).unwrap();
    file.write_all_at(&[0xA5; 4096], length / 2 / 4096 * 4096).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let refused = back_up(&fixture.path(), &folder.path().join("copy")).unwrap_err();
    assert!(matches!(refused, BackupError::Damaged(_)), "{refused}");
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

//! The figures of each minute agree with the histories, whatever is repeated, refused or in conflict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use saga_core::event::RollbackCause;
use saga_core::{Event, FlowOutcome, SagaId, Timestamp};
use saga_journal::{
    AppendError, Entry, FIGURES_ROWS_MAX, MinuteFigures, ROWS_MAX, ReplicaId, SagaDurations, Store,
};
use saga_testkit::dice::Dice;

use crate::entries::{OWNER, at, by, end, failure, next, replica, saga, start, word};
use crate::fixture::{Fixture, InPostgres, InSqlite, Sql, conformance, join, keep};

conformance! {
    starts_and_ends_are_counted_by_minute_definition_outcome_and_step
    the_figures_of_a_time_are_those_of_its_minutes
    the_owners_of_sagas_are_added_up
    an_entry_is_counted_once_and_only_if_it_is_kept
    figures_say_what_the_histories_say
    old_figures_are_forgotten_oldest_first_and_in_steps
    figures_are_found_again_after_reopening
}

/// The other owner.
const OTHER: ReplicaId = replica(200);
const MINUTE_US: i64 = 60_000_000;
/// The far end of time.
const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

/// Minute, definition, outcome, step.
type FigureKey = (i64, Arc<str>, FlowOutcome, Option<Arc<str>>);

/// The start of a saga of that definition.
fn started(number: u128, definition: &str, at_us: i64) -> Entry {
    let mut entry = start(number);
    entry.row.definition = word(definition);
    (entry.records[0].at, entry.row.created) = (at(at_us), at(at_us));
    entry
}

/// The end of a saga for that reason, `us` after its start: `None`, or `Some` and the step that failed.
fn ended(before: &Entry, cause: Option<(RollbackCause, Option<&str>)>, us: u64) -> Entry {
    let mut entry = end(before);
    entry.records[1].at = before.row.created.plus(Duration::from_micros(us));
    if let Some((cause, step)) = cause {
        entry.records[1].event = Event::RolledBack;
        entry.row.summary.cause = Some(cause);
        entry.row.summary.failure = Some(failure(step, "for this reason"));
    }
    entry
}

fn refused(step: &str) -> Option<(RollbackCause, Option<&str>)> {
    Some((RollbackCause::StepFailed, Some(step)))
}

async fn all(store: &dyn Store) -> Vec<MinuteFigures> {
    store.figures(Timestamp::from_micros(i64::MIN), NEVER).await.unwrap()
}

/// Figures as a line each: minute, definition, outcome, step, how many, and the longest median.
fn shown(figures: &[MinuteFigures]) -> Vec<String> {
    let midnight = at(0).as_micros();
    let line = |figures: &MinuteFigures| {
        let MinuteFigures { minute, definition, outcome, step, count, durations } = figures;
        let minute = (minute.as_micros() - midnight) / MINUTE_US;
        let step = step.as_ref().map(|step| format!(" {step}")).unwrap_or_default();
        let longest = durations.quantile(1.0).map(|longest| format!(" {longest:?}")).unwrap_or_default();
        format!("{minute} {definition} {outcome}{step} {count}{longest}")
    };
    figures.iter().map(line).collect()
}

async fn starts_and_ends_are_counted_by_minute_definition_outcome_and_step<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    assert_eq!(all(&*store).await, []);
    let checkout: Vec<Entry> = (1..=8).map(|number| started(number, "checkout", 0)).collect();
    let trip = started(9, "travel", MINUTE_US - 1);
    let steps = next(&checkout[0], "STOCK_RESERVE");
    let ends = [
        ended(&steps, None, 900),
        ended(&checkout[1], None, 1_500),
        ended(&checkout[2], refused("stock"), 4_000),
        ended(&checkout[3], refused("stock"), 40_000),
        ended(&checkout[4], refused("payment"), 7_000),
        ended(&checkout[5], Some((RollbackCause::Cancelled, None)), MINUTE_US as u64),
        ended(&checkout[6], Some((RollbackCause::DeadlinePassed, None)), 2 * MINUTE_US as u64),
        ended(&trip, None, 1),
    ];
    let mut entries: Vec<&Entry> = checkout.iter().chain([&trip, &steps]).collect();
    entries.extend(&ends);
    keep(&*store, &entries).await;
    assert_eq!(
        shown(&all(&*store).await),
        [
            "0 checkout started 8",
            "0 checkout completed 2 2ms",
            "0 checkout failed payment 1 10ms",
            "0 checkout failed stock 2 50ms",
            "0 travel started 1",
            "1 checkout cancelled 1 60s",
            "1 travel completed 1 1ms",
            "2 checkout deadline_passed 1 120s",
        ]
    );
}

async fn the_figures_of_a_time_are_those_of_its_minutes<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let entries: Vec<Entry> = (0..5)
        .map(|number| started(number, "checkout", MINUTE_US * i64::try_from(number).unwrap() + 7))
        .collect();
    keep(&*store, &entries.iter().collect::<Vec<_>>()).await;
    for (since, until, minutes) in [
        (at(0), at(5 * MINUTE_US), &[0, 1, 2, 3, 4][..]),
        (at(MINUTE_US), at(3 * MINUTE_US), &[1, 2]),
        (at(MINUTE_US + 1), at(3 * MINUTE_US + 1), &[2, 3]),
        (at(2 * MINUTE_US), at(2 * MINUTE_US), &[]),
        (at(3 * MINUTE_US), at(2 * MINUTE_US), &[]),
    ] {
        let expected: Vec<String> =
            minutes.iter().map(|minute| format!("{minute} checkout started 1")).collect();
        assert_eq!(shown(&store.figures(since, until).await.unwrap()), expected);
    }
}

async fn the_owners_of_sagas_are_added_up<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    join(&*store, OTHER).await;
    let entries: Vec<Entry> = (0..9)
        .map(|number| by(if number < 4 { OWNER } else { OTHER }, &started(number, "checkout", 5)))
        .collect();
    assert!(store.append(&entries).await.unwrap().iter().all(Result::is_ok));
    // A saga that has another owner ends in the same minute.
    let ends: Vec<Entry> =
        entries[..2].iter().chain(&entries[7..]).map(|entry| ended(entry, None, 8)).collect();
    assert!(store.append(&ends).await.unwrap().iter().all(Result::is_ok));
    assert_eq!(shown(&all(&*store).await), ["0 checkout started 9", "0 checkout completed 4 1ms"]);
}

async fn an_entry_is_counted_once_and_only_if_it_is_kept<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let starts: Vec<Entry> = (0..6).map(|number| started(number, "checkout", 0)).collect();
    keep(&*store, &[&starts[0], &starts[1]]).await;
    let one = ended(&starts[1], None, 3);
    keep(&*store, &[&one]).await;
    // The first two have come before, and one of them has ended since; the third has another owner that nobody knows; the fourth
    // would follow an event that is not there.
    let stranger = by(OTHER, &starts[2]);
    let stale = ended(&next(&starts[0], "STOCK_RESERVE"), None, 3);
    let other = ended(&starts[1], refused("stock"), 3);
    let conflict = || Err(AppendError::Conflict);
    let batch = [starts[1].clone(), stranger, starts[3].clone(), stale, starts[4].clone()];
    let expected = vec![Ok(()), conflict(), Ok(()), conflict(), Ok(())];
    for _ in 0..2 {
        assert_eq!(store.append(&batch).await, Ok(expected.clone()));
        assert_eq!(store.append(&[one.clone(), starts[0].clone()]).await, Ok(vec![Ok(()), Ok(())]));
        assert_eq!(store.append(std::slice::from_ref(&other)).await, Ok(vec![conflict()]));
        assert_eq!(shown(&all(&*store).await), ["0 checkout started 4", "0 checkout completed 1 1ms"]);
    }
}

/// Random sagas, in random batches with entries that come again and entries that conflict.
async fn figures_say_what_the_histories_say<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    join(&*store, OTHER).await;
    let dice = Dice::new(20_261_130);
    let definitions = ["checkout", "travel", "Übung", "zoo-1"];
    let causes = [
        None,
        None,
        refused("stock"),
        refused("payment"),
        Some((RollbackCause::Cancelled, None)),
        Some((RollbackCause::DeadlinePassed, None)),
    ];
    let mut last: BTreeMap<SagaId, Entry> = BTreeMap::new();
    let mut over: BTreeMap<SagaId, Entry> = BTreeMap::new();
    let mut past: Vec<Entry> = Vec::new();
    let mut number = 0;
    for _ in 0..60 {
        let mut batch: BTreeMap<SagaId, Entry> = BTreeMap::new();
        for _ in 0..dice.between(1, 30) {
            let entry = match dice.below(5) {
                0 | 1 => {
                    number += 1;
                    let owner = if dice.one_in(2) { OWNER } else { OTHER };
                    let at_us = dice.between(0, 5 * MINUTE_US as u64) as i64;
                    by(owner, &started(number, dice.one(&definitions), at_us))
                }
                2 if !past.is_empty() => past[dice.below(past.len())].clone(),
                3 if !past.is_empty() => {
                    let before = &past[dice.below(past.len())];
                    if before.row.over {
                        continue;
                    }
                    by(if dice.one_in(2) { OWNER } else { OTHER }, &ended(before, refused("never"), 1))
                }
                _ => {
                    let Some(before) = last.values().nth(dice.below(last.len().max(1))) else { continue };
                    if dice.one_in(3) {
                        next(before, "STOCK_RESERVE")
                    } else {
                        ended(before, dice.one(&causes), 10_u64.pow(dice.between(1, 13) as u32))
                    }
                }
            };
            batch.entry(entry.saga).or_insert(entry);
        }
        let batch: Vec<Entry> = batch.into_values().collect();
        let results = store.append(&batch).await.unwrap();
        for (entry, result) in batch.into_iter().zip(results) {
            let is_new = result.is_ok() && !over.contains_key(&entry.saga);
            let is_ahead = last.get(&entry.saga).is_none_or(|last| last.expected < entry.expected);
            if is_new && is_ahead {
                if entry.row.over {
                    last.remove(&entry.saga);
                    over.insert(entry.saga, entry.clone());
                } else {
                    last.insert(entry.saga, entry.clone());
                }
                past.push(entry);
            }
        }
    }
    assert!(over.len() > 50 && last.len() > 50, "{} are over, {} are not", over.len(), last.len());
    // Counted from the histories and rows, as nobody does who asks for figures.
    let mut expected: BTreeMap<FigureKey, (u64, SagaDurations)> = BTreeMap::new();
    for id in last.keys().chain(over.keys()) {
        let row = store.row(*id).await.unwrap().unwrap().row;
        for record in store.load(*id).await.unwrap().unwrap().records {
            let step = row.summary.failure.as_ref().and_then(|failure| failure.step.clone());
            let (outcome, step) = match (&record.event, row.summary.cause) {
                (Event::Started { .. }, _) => (FlowOutcome::Started, None),
                (Event::Completed, _) => (FlowOutcome::Completed, None),
                (Event::RolledBack, Some(RollbackCause::StepFailed)) => (FlowOutcome::Failed, step),
                (Event::RolledBack, Some(RollbackCause::Cancelled)) => (FlowOutcome::Cancelled, None),
                (Event::RolledBack, _) => (FlowOutcome::DeadlinePassed, None),
                _ => continue,
            };
            let minute = record.at.as_micros() / MINUTE_US * MINUTE_US;
            let (count, durations) =
                expected.entry((minute, row.definition.clone(), outcome, step)).or_default();
            *count += 1;
            if outcome != FlowOutcome::Started {
                durations.observe(record.at.since(row.created));
            }
        }
    }
    let found = all(&*store).await.into_iter().map(|found| {
        let key = (found.minute.as_micros(), found.definition, found.outcome, found.step);
        (key, (found.count, found.durations))
    });
    assert_eq!(found.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
}

async fn old_figures_are_forgotten_oldest_first_and_in_steps<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let entries: Vec<Entry> = (0..6)
        .map(|number| started(number, "checkout", MINUTE_US * i64::try_from(number / 2).unwrap()))
        .chain((6..9).map(|number| started(number, "travel", 0)))
        .collect();
    keep(&*store, &entries.iter().collect::<Vec<_>>()).await;
    let left = |lines: &'static [&'static str]| {
        let store = store.clone();
        async move { assert_eq!(shown(&all(&*store).await), lines) }
    };
    store.forget_figures(at(0), ROWS_MAX).await.unwrap();
    left(&["0 checkout started 2", "0 travel started 3", "1 checkout started 2", "2 checkout started 2"])
        .await;
    store.forget_figures(at(2 * MINUTE_US), 1).await.unwrap();
    left(&["0 travel started 3", "1 checkout started 2", "2 checkout started 2"]).await;
    store.forget_figures(at(2 * MINUTE_US), ROWS_MAX).await.unwrap();
    left(&["2 checkout started 2"]).await;
    // A minute that was forgotten can be counted in again.
    keep(&*store, &[&started(10, "travel", 0)]).await;
    left(&["0 travel started 1", "2 checkout started 2"]).await;
}

async fn figures_are_found_again_after_reopening<F: Fixture>() {
    let fixture = F::new();
    let first = started(1, "checkout", 0);
    keep(&*fixture.open().await, &[&first]).await;
    let store = fixture.open().await;
    keep(&*store, &[&first, &started(2, "checkout", 1)]).await;
    assert_eq!(shown(&all(&*store).await), ["0 checkout started 2"]);
}

/// Words of later releases are passed over, names may be any text, and a list is cut.
async fn rows_of_others_are_read_within_limits<F: Sql>(owner: &str) {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&started(1, "a\0b", 0)]).await;
    let ranges = vec!["0"; 24].join(", ");
    let minute = at(0).as_micros();
    let later = format!(
        "INSERT INTO saga_minute VALUES ({minute}, 'checkout', 'abandoned', '', {owner}, 3, {ranges});
         INSERT INTO saga_minute VALUES ({minute}, 'checkout', 'failed', 'stock', {owner}, -3, {ranges})"
    );
    fixture.execute(&later).await;
    assert_eq!(shown(&all(&*store).await), ["0 a\u{fffd}b started 1", "0 checkout failed stock 0"]);
    let many = format!(
        "WITH RECURSIVE line (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM line WHERE n <= {FIGURES_ROWS_MAX})
         INSERT INTO saga_minute SELECT {minute} + CAST(n AS BIGINT) * {MINUTE_US}, 'checkout', 'started', '', {owner}, 1, {ranges} FROM line"
    );
    fixture.execute(&many).await;
    let figures = all(&*store).await;
    // One of the rows is of a word that is not known.
    assert_eq!(figures.len(), FIGURES_ROWS_MAX - 1);
    assert_eq!(figures.first().map(|first| first.minute), Some(at(0)), "the oldest come first");
}

#[tokio::test]
async fn rows_of_others_are_read_within_limits_in_sqlite() {
    rows_of_others_are_read_within_limits::<InSqlite>("x'000000000000000000000000000000c8'").await;
}

#[tokio::test]
async fn rows_of_others_are_read_within_limits_in_postgres() {
    let owner = format!("'{OTHER}'::uuid");
    rows_of_others_are_read_within_limits::<InPostgres>(&owner).await;
}

/// The example for readers in the documents, an hour after the beginning.
#[tokio::test]
async fn the_query_in_the_documents_works() {
    let fixture = InPostgres::new();
    let store = fixture.open().await;
    let (one, two) = (started(1, "checkout", 0), started(2, "checkout", 1));
    keep(&*store, &[&one, &two, &ended(&one, None, 7_000), &ended(&two, refused("stock"), 300_000)]).await;
    let operations = include_str!("../../../../docs/operations.md");
    let (_, rest) = operations.split_once("### Figures of each minute").expect("the heading is there");
    let query: Vec<&str> = rest
        .lines()
        .skip_while(|line| !line.starts_with("    SELECT"))
        .take_while(|line| line.starts_with("    "))
        .map(str::trim)
        .collect();
    let rows = fixture.query(&query.join(" ").replace("now()", "TIMESTAMPTZ '2026-11-22 00:59:59+00'")).await;
    let found: Vec<String> = rows.iter().map(|row| row.join(" ")).collect();
    assert_eq!(found, ["checkout completed  1 1", "checkout failed stock 1 0", "checkout started  2 0"]);
}

#[tokio::test]
async fn a_process_does_not_wait_for_another_one_s_rows() {
    let fixture = InPostgres::new();
    let store = fixture.open().await;
    join(&*store, OTHER).await;
    keep(&*store, &[&started(1, "checkout", 0)]).await;
    let other = fixture.connect().await;
    other.batch_execute("BEGIN; SELECT FROM saga_minute FOR UPDATE").await.unwrap();
    keep(&*store, &[&by(OTHER, &started(2, "checkout", 0))]).await;
    assert_eq!(shown(&all(&*store).await), ["0 checkout started 2"]);
    // Nor does one that takes old figures away, and those that are held stay.
    store.forget_figures(NEVER, ROWS_MAX).await.unwrap();
    assert_eq!(shown(&all(&*store).await), ["0 checkout started 1"]);
}

#[tokio::test]
async fn a_refused_entry_is_not_counted_in_postgres() {
    let fixture = InPostgres::new();
    let never = format!("ALTER TABLE saga_event ADD CHECK (saga_id <> '{}')", saga(7));
    a_refused_entry_is_not_counted(fixture, &never).await;
}

#[tokio::test]
async fn a_refused_entry_is_not_counted_in_sqlite() {
    let never = format!(
        "CREATE TRIGGER never BEFORE INSERT ON saga WHEN new.saga_id = {} BEGIN SELECT RAISE(ABORT, 'never'); END",
        InSqlite::literal(saga(7))
    );
    a_refused_entry_is_not_counted(InSqlite::new(), &never).await;
}

async fn a_refused_entry_is_not_counted(fixture: impl Sql, never: &str) {
    let store = fixture.open().await;
    fixture.execute(never).await;
    let batch: Vec<Entry> = (0..20).map(|number| started(number, "checkout", 0)).collect();
    let results = store.append(&batch).await.unwrap();
    assert_eq!(results.iter().filter(|result| matches!(result, Err(AppendError::Refused(_)))).count(), 1);
    assert_eq!(shown(&all(&*store).await), ["0 checkout started 19"]);
}

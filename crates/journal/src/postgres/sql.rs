//! All SQL for PostgreSQL but the migrations, in one place, so that one test can hold it to what its distributed
//! relatives and poolers understand.
// Long: every statement, each with what its plan and its locks rely on.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::columns::{self, COLUMNS, Column, ColumnKind};
use crate::figures::range_columns;

/// A batch: `$1` expected positions, then the row's columns in their order, the frames; the labels of the sagas that
/// start: sagas, names, values, and when they start; the deeds: sagas, names, times, positions, words; and the events that are
/// counted: sagas, minutes, outcomes, steps, ranges of durations.
///
/// A saga that is where its entry expects it, and that the entry's owner owns, is moved (or made, if that owner is not
/// gone), and only then is its frame kept; what comes back are those sagas. Where another transaction has the row, this
/// one waits, and then looks at the new row: seq and owner are compared with what they are by then. One statement is
/// one transaction: there is no COMMIT whose answer could be misread.
///
/// A start may commit after its owner is gone, if it looked before: then it is one of the sagas that can be claimed.
///
/// The columns of a saga's start stay as they are: the indices on them are not touched.
pub(super) static APPEND: LazyLock<KeptSql> = LazyLock::new(|| KeptSql::new(append_statement));

/// A statement that the server keeps for a connection.
///
/// Its last parameter is [`version`](Self::version), which it compares with the same text in itself. It is kept by the server under a
/// name that the driver counts up, so behind a pooler, processes of two releases can give one name to two statements. The one
/// that is not meant then fails (22012), and has written nothing.
pub(super) struct KeptSql {
    pub(super) text: String,
    /// What the text is, in a few letters.
    pub(super) version: String,
}

impl KeptSql {
    /// `statement` makes the text for a version.
    pub(super) fn new(statement: impl Fn(&str) -> String) -> Self {
        let hash = Sha256::digest(statement(""));
        let version: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { text: statement(&version), version }
    }
}

/// Whether the last parameter, `$asked`, is the statement's version.
pub(super) fn is_meant(asked: usize, version: &str) -> String {
    format!("1 / (CASE WHEN ${asked}::text = '{version}' THEN 1 ELSE 0 END) = 1")
}

fn append_statement(version: &str) -> String {
    let number_of = |column: usize| column + 2;
    let arrays: Vec<String> = COLUMNS
        .iter()
        .enumerate()
        .map(|(at, column)| format!("${}::{}[]", number_of(at), type_name(column.kind)))
        .collect();
    let (arrays, names) = (arrays.join(", "), columns::names(COLUMNS.iter()));
    let moved: Vec<String> = columns::moved().map(|column| format!("{0} = entry.{0}", column.name)).collect();
    let moved = moved.join(", ");
    let events = number_of(COLUMNS.len());
    let [saga, name, value, created] = [1, 2, 3, 4].map(|label| events + label);
    let [done_to, by, at, seq, deed] = [5, 6, 7, 8, 9].map(|deed| events + deed);
    let [counted, minute, outcome, step, range] = [10, 11, 12, 13, 14].map(|figure| events + figure);
    let is_meant = is_meant(events + 15, version);
    let ranges = range_columns(|_, name| name.to_owned());
    let range_counts =
        range_columns(|number, _| format!("count(*) FILTER (WHERE counted.duration_range = {number})"));
    let range_sums = range_columns(|_, name| format!("{name} = saga_minute.{name} + excluded.{name}"));
    format!(
        "\
WITH entry AS (
    SELECT * FROM unnest($1::bigint[], {arrays}, ${events}::text[]) AS entry (expected, {names}, events)
), started AS (
    INSERT INTO saga ({names})
    SELECT {names} FROM entry
    WHERE expected = 0
        AND EXISTS (SELECT 1 FROM replica WHERE replica.replica_id = entry.owner AND NOT replica.gone)
    ON CONFLICT (saga_id) DO NOTHING
    RETURNING saga_id
), labelled AS (
    INSERT INTO saga_label (saga_id, name, value, created_us)
    SELECT label.saga_id, label.name, label.value, label.created_us
    FROM unnest(${saga}::uuid[], ${name}::text[], ${value}::text[], ${created}::bigint[])
        AS label (saga_id, name, value, created_us)
    JOIN started ON started.saga_id = label.saga_id
    ON CONFLICT DO NOTHING
), moved AS (
    UPDATE saga SET {moved}
    FROM entry
    WHERE saga.saga_id = entry.saga_id AND entry.expected > 0
        AND saga.seq = entry.expected AND saga.owner = entry.owner
    RETURNING saga.saga_id
), hit AS (
    SELECT saga_id FROM started UNION ALL SELECT saga_id FROM moved
), framed AS (
    INSERT INTO saga_event (saga_id, first_seq, events)
    SELECT entry.saga_id, entry.expected + 1, entry.events FROM entry JOIN hit ON hit.saga_id = entry.saga_id
), done AS (
    INSERT INTO saga_deed (saga_id, name, at_us, seq, deed)
    SELECT deed.saga_id, deed.name, deed.at_us, deed.seq, deed.deed
    FROM unnest(${done_to}::uuid[], ${by}::text[], ${at}::bigint[], ${seq}::bigint[], ${deed}::text[])
        AS deed (saga_id, name, at_us, seq, deed)
    JOIN hit ON hit.saga_id = deed.saga_id
    ON CONFLICT DO NOTHING
), figured AS (
    INSERT INTO saga_minute (minute_us, definition, outcome, step, owner, sagas, {ranges})
    SELECT counted.minute_us, entry.definition, counted.outcome, counted.step, entry.owner, count(*), {range_counts}
    FROM unnest(${counted}::uuid[], ${minute}::bigint[], ${outcome}::text[], ${step}::text[], ${range}::bigint[])
        AS counted (saga_id, minute_us, outcome, step, duration_range)
    JOIN hit ON hit.saga_id = counted.saga_id
    JOIN entry ON entry.saga_id = counted.saga_id
    GROUP BY counted.minute_us, entry.definition, counted.outcome, counted.step, entry.owner
    ORDER BY counted.minute_us, entry.definition, counted.outcome, counted.step, entry.owner
    ON CONFLICT (minute_us, definition, outcome, step, owner)
        DO UPDATE SET sagas = saga_minute.sagas + excluded.sagas, {range_sums}
)
SELECT saga_id FROM hit WHERE {is_meant}"
    )
}

/// A start that is alone in its batch: [`APPEND`] without arrays and joins, for less than half of the server's time. The parameters are the
/// row's columns in their order, the frame, the labels' names and values, the minute that the start is counted in, and its outcome.
pub(super) static LONE_START: LazyLock<KeptSql> =
    LazyLock::new(|| KeptSql::new(|version| lone_start(StartedBy::Nobody, version)));

/// The same for a start by somebody who has a name; before the version, `by`, `at_us`, `seq` and `deed` of `saga_deed`.
pub(super) static LONE_START_BY: LazyLock<KeptSql> =
    LazyLock::new(|| KeptSql::new(|version| lone_start(StartedBy::Name, version)));

/// Whether a start is a deed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StartedBy {
    Nobody,
    Name,
}

fn lone_start(by: StartedBy, version: &str) -> String {
    let names = columns::names(COLUMNS.iter());
    let typed = |(at, column): (usize, &Column)| format!("${}::{}", at + 1, type_name(column.kind));
    let values: Vec<String> = COLUMNS.iter().enumerate().map(typed).collect();
    let number_of = |name: &str| 1 + COLUMNS.iter().position(|column| column.name == name).expect("a column");
    let [owner, definition, created] = ["owner", "definition", "created_us"].map(number_of);
    let events = COLUMNS.len() + 1;
    let [label_names, label_values, minute, outcome] = [1, 2, 3, 4].map(|next| events + next);
    let [name, at, seq, deed] = [5, 6, 7, 8].map(|next| events + next);
    let (done, asked) = match by {
        StartedBy::Nobody => (String::new(), name),
        StartedBy::Name => (
            format!(
                "
), done AS (
    INSERT INTO saga_deed (saga_id, name, at_us, seq, deed)
    SELECT saga_id, ${name}::text, ${at}::bigint, ${seq}::bigint, ${deed}::text FROM started
    ON CONFLICT DO NOTHING"
            ),
            deed + 1,
        ),
    };
    let (values, is_meant) = (values.join(", "), is_meant(asked, version));
    let (ranges, none) = (range_columns(|_, name| name.to_owned()), range_columns(|_, _| "0".to_owned()));
    format!(
        "\
WITH started AS (
    INSERT INTO saga ({names})
    SELECT {values}
    WHERE EXISTS (SELECT 1 FROM replica WHERE replica.replica_id = ${owner}::uuid AND NOT replica.gone)
    ON CONFLICT (saga_id) DO NOTHING
    RETURNING saga_id
), labelled AS (
    INSERT INTO saga_label (saga_id, name, value, created_us)
    SELECT started.saga_id, label.name, label.value, ${created}::bigint
    FROM started CROSS JOIN unnest(${label_names}::text[], ${label_values}::text[]) AS label (name, value)
    ON CONFLICT DO NOTHING
), framed AS (
    INSERT INTO saga_event (saga_id, first_seq, events) SELECT saga_id, 1, ${events}::text FROM started{done}
), figured AS (
    INSERT INTO saga_minute (minute_us, definition, outcome, step, owner, sagas, {ranges})
    SELECT ${minute}::bigint, ${definition}::text, ${outcome}::text, '', ${owner}::uuid, 1, {none} FROM started
    ON CONFLICT (minute_us, definition, outcome, step, owner) DO UPDATE SET sagas = saga_minute.sagas + 1
)
SELECT saga_id FROM started WHERE {is_meant}"
    )
}

/// Later events of a saga that are alone in their batch, as [`LONE_START`]. The parameters are the expected position, `saga_id`, `owner`,
/// `definition`, the columns that later appends write, the frame, and what is counted: minute, outcome (NULL: nothing), step and range.
pub(super) static LONE_MOVE: LazyLock<KeptSql> = LazyLock::new(|| KeptSql::new(lone_move));

fn lone_move(version: &str) -> String {
    // After the position, `saga_id`, `owner` and `definition`.
    let first = 5;
    let typed = |(at, column): (usize, &Column)| {
        format!("{} = ${}::{}", column.name, first + at, type_name(column.kind))
    };
    let moved: Vec<String> = columns::moved().enumerate().map(typed).collect();
    let events = first + moved.len();
    let [minute, outcome, step, range] = [1, 2, 3, 4].map(|next| events + next);
    let (moved, is_meant) = (moved.join(", "), is_meant(range + 1, version));
    let ranges = range_columns(|_, name| name.to_owned());
    let range_counts =
        range_columns(|number, _| format!("CASE WHEN ${range}::bigint = {number} THEN 1 ELSE 0 END"));
    let range_sums = range_columns(|_, name| format!("{name} = saga_minute.{name} + excluded.{name}"));
    format!(
        "\
WITH moved AS (
    UPDATE saga SET {moved}
    WHERE saga_id = $2::uuid AND $1::bigint > 0 AND seq = $1::bigint AND owner = $3::uuid
    RETURNING saga_id
), framed AS (
    INSERT INTO saga_event (saga_id, first_seq, events) SELECT saga_id, $1::bigint + 1, ${events}::text FROM moved
), figured AS (
    INSERT INTO saga_minute (minute_us, definition, outcome, step, owner, sagas, {ranges})
    SELECT ${minute}::bigint, $4::text, ${outcome}::text, ${step}::text, $3::uuid, 1, {range_counts}
    FROM moved WHERE ${outcome}::text IS NOT NULL
    ON CONFLICT (minute_us, definition, outcome, step, owner)
        DO UPDATE SET sagas = saga_minute.sagas + 1, {range_sums}
)
SELECT saga_id FROM moved WHERE {is_meant}"
    )
}

/// PostgreSQL's name of a column's type.
const fn type_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Uuid => "uuid",
        ColumnKind::BigInt => "bigint",
        ColumnKind::Text => "text",
        ColumnKind::Bool => "boolean",
    }
}

/// Which of the entries that missed are there already, to the letter, in sagas that still have their owner: `$1`
/// sagas, `$2` owners, `$3` first positions, `$4` last positions, `$5` frames.
///
/// It writes their rows, as they are: so its commit waits for the standbys that the entries' own commit may not have
/// waited for.
pub(super) const ALREADY_THERE: &str = "\
UPDATE saga SET seq = saga.seq
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[])
    AS entry (saga_id, owner, first_seq, last_seq, events)
JOIN saga_event ON saga_event.saga_id = entry.saga_id AND saga_event.first_seq = entry.first_seq
    AND saga_event.events = entry.events
WHERE saga.saga_id = entry.saga_id AND saga.owner = entry.owner AND saga.seq >= entry.last_seq
RETURNING saga.saga_id";

/// The rows of the sagas `$1` beside each of their frames, all as of one moment; either may be missing. A saga's place among those
/// that are asked for counts from 1.
pub(super) const LOAD: &str = "\
SELECT wanted.place, saga.seq, saga.definition_hash, saga_event.first_seq, saga_event.events
FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (saga_id, place)
LEFT JOIN saga ON saga.saga_id = wanted.saga_id
LEFT JOIN saga_event ON saga_event.saga_id = wanted.saga_id
ORDER BY wanted.place, saga_event.first_seq";

/// One row.
pub(super) static ROW: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM saga WHERE saga_id = $1", columns::read_columns()));

/// Those of the sagas `$1` that are kept.
pub(super) const KNOWN: &str = "SELECT saga_id FROM saga WHERE saga_id = ANY ($1::uuid[])";

/// The saga `$1`, if it is kept. The plan of [`KNOWN`] depends on how many are asked for, so it would be made for each question.
pub(super) static LONE_KNOWN: LazyLock<KeptSql> = LazyLock::new(|| {
    KeptSql::new(|version| {
        format!("SELECT saga_id FROM saga WHERE saga_id = $1::uuid AND {}", is_meant(2, version))
    })
});

/// The horizon of the feed: frames with lower numbers have come, or never will.
///
/// The snapshot is of the statement's beginning: a transaction with a lower id than its end has its id by then. If it writes frames,
/// it has locked their table before it got the id (an append is one statement, which locks its tables first), and holds
/// the lock to its end. So it is found among the locks, or it has ended, and the next statement sees its frames.
/// Transactions that do not write frames are not waited for, however long they take.
///
/// `pg_locks` has the lower half of an id; the whole id is the one that is nearest to the snapshot's end.
pub(super) const FEED_HORIZON: &str = "\
SELECT least(ended.xid, min(
    ended.xid - 2147483648
        + mod(mod(writer.transactionid::text::bigint - ended.xid, 4294967296) + 6442450944, 4294967296)
))
FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid) AS ended
LEFT JOIN pg_locks AS frames ON frames.locktype = 'relation' AND frames.relation = 'saga_event'::regclass
    AND frames.mode = 'RowExclusiveLock'
    AND frames.database = (SELECT oid FROM pg_database WHERE datname = current_database())
LEFT JOIN pg_locks AS writer ON writer.locktype = 'transactionid' AND writer.mode = 'ExclusiveLock'
    AND writer.virtualtransaction = frames.virtualtransaction
GROUP BY ended.xid";

/// The feed from the place `$1`, `$2` on, until before the horizon `$3`: at most `$4` frames, or as many as have `$5` bytes
/// together, and one at least.
pub(super) const FEED: &str = "\
SELECT frame.commit_id, frame.saga_id, frame.first_seq, frame.events, coalesce(saga.definition, ''),
    coalesce(saga.definition_hash, ''), coalesce(saga.labels, '{}')
FROM (
    SELECT commit_id, saga_id, first_seq, events,
        sum(octet_length(events)) OVER (ORDER BY commit_id, saga_id) AS bytes_so_far
    FROM (
        SELECT commit_id, saga_id, first_seq, events FROM saga_event
        WHERE commit_id >= $1 AND (commit_id > $1 OR saga_id >= $2) AND commit_id < $3
        ORDER BY commit_id, saga_id LIMIT $4
    ) AS page
) AS frame
LEFT JOIN saga ON saga.saga_id = frame.saga_id
WHERE frame.bytes_so_far <= $5 OR frame.bytes_so_far = octet_length(frame.events)
ORDER BY frame.commit_id, frame.saga_id";

/// The deeds of the name `$1` from `$2` on, newest first, from below the place `$3`, `$4`, `$5`, at most `$6`. Served by the key
/// of saga_deed.
pub(super) const DEEDS: &str = "\
SELECT deed.at_us, deed.saga_id, deed.seq, deed.deed, saga.definition
FROM saga_deed AS deed LEFT JOIN saga ON saga.saga_id = deed.saga_id
WHERE deed.name = $1 AND deed.at_us >= $2 AND (deed.at_us, deed.saga_id, deed.seq) < ($3, $4, $5)
ORDER BY deed.at_us DESC, deed.saga_id DESC, deed.seq DESC LIMIT $6";

/// The figures of the minutes from `$1` until before `$2`, at most `$3`, without their owners. Served by the key of saga_minute.
pub(super) static FIGURES: LazyLock<String> = LazyLock::new(|| {
    let sums = range_columns(|_, name| format!("sum({name})::bigint"));
    format!(
        "\
SELECT minute_us, definition, outcome, step, sum(sagas)::bigint, {sums}
FROM saga_minute WHERE minute_us >= $1 AND minute_us < $2
GROUP BY minute_us, definition, outcome, step ORDER BY minute_us, definition, outcome, step LIMIT $3"
    )
});

/// Takes away the oldest figures of minutes before `$1`, at most `$2` rows. Rows that another process takes away are skipped.
pub(super) const FORGET_FIGURES: &str = "\
DELETE FROM saga_minute WHERE (minute_us, definition, outcome, step, owner) IN (
    SELECT minute_us, definition, outcome, step, owner FROM saga_minute WHERE minute_us < $1
    ORDER BY minute_us, definition, outcome, step, owner LIMIT $2 FOR UPDATE SKIP LOCKED
)";

/// Makes a replica known. `$1` it, `$2` its name, `$3` its lease in microseconds, `$4` its release, `$5` the newest schema version that
/// it knows.
///
/// Joining again is renewing. The clock is the database's, here and below; no other clock is asked.
pub(super) const JOIN: &str = "\
INSERT INTO replica (replica_id, name, joined_at, expires_at, gone, release, knows)
VALUES ($1, $2, now(), now() + $3 * INTERVAL '1 microsecond', FALSE, $4, $5)
ON CONFLICT (replica_id) DO UPDATE SET expires_at = excluded.expires_at WHERE NOT replica.gone";

/// Every replica that has the name `$2` and is not `$1` is gone.
pub(super) const REPLACE: &str =
    "UPDATE replica SET gone = TRUE, expires_at = now() WHERE name = $2 AND replica_id <> $1 AND NOT gone";

/// The database's time, in microseconds since the epoch.
pub(super) const CLOCK: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";

/// `$1` whose lease, `$2` how long, in microseconds. A replica that is gone stays gone, even if that was only being
/// written when this statement began: the statement waits for the row, and looks again.
pub(super) const RENEW: &str = "\
UPDATE replica SET expires_at = now() + $2 * INTERVAL '1 microsecond' WHERE replica_id = $1 AND NOT gone
RETURNING replica_id";

/// `$1` is gone, from now on and for good.
pub(super) const LEAVE: &str =
    "UPDATE replica SET gone = TRUE, expires_at = now() WHERE replica_id = $1 AND NOT gone";

/// Takes away the rows of replicas that have been gone for `$1` microseconds, but for `NOBODY`'s, and for those whose
/// name operators may still want to read.
pub(super) const FORGET: &str = "\
DELETE FROM replica WHERE replica_id IN (
    SELECT replica_id FROM replica
    WHERE gone AND expires_at < now() - $1 * INTERVAL '1 microsecond'
        AND replica_id <> '00000000-0000-0000-0000-000000000000'
        AND NOT EXISTS (SELECT 1 FROM saga WHERE saga.owner = replica.replica_id AND NOT saga.is_over AND saga.wake_us IS NULL)
    FOR UPDATE SKIP LOCKED
)";

/// Makes final that leases have run out. A lease that is being renewed just now is left alone.
pub(super) const EXPIRE: &str = "\
UPDATE replica SET gone = TRUE WHERE replica_id IN (
    SELECT replica_id FROM replica WHERE NOT gone AND expires_at < now() FOR UPDATE SKIP LOCKED
)";

/// The owners of sagas that are not over, without the live replicas: gone, or forgotten, or `NOBODY`.
///
/// Walks saga_owner through the gaps between the live replicas' ids, from one owner to the next: what live replicas
/// own is not read, nor the second saga of any owner. (No replica has the largest UUID: versions have bits that are 0.)
///
/// A replica that is gone when this statement looks is gone for good, so the answer does not grow wrong; and a saga
/// that has one of these owners has no other.
pub(super) const ORPHANING: &str = "\
WITH RECURSIVE live AS (
    SELECT replica_id FROM replica WHERE NOT gone
), gap AS (
    SELECT replica_id AS after, lead(replica_id, 1, 'ffffffff-ffff-ffff-ffff-ffffffffffff') OVER (ORDER BY replica_id) AS before
    FROM (SELECT '00000000-0000-0000-0000-000000000000'::uuid AS replica_id UNION ALL SELECT replica_id FROM live) AS post
), orphaning AS (
    SELECT gap.before, nearest.owner FROM gap CROSS JOIN LATERAL (
        SELECT owner FROM saga WHERE NOT is_over AND wake_us IS NULL AND owner > gap.after AND owner < gap.before
        ORDER BY owner LIMIT 1
    ) AS nearest
    UNION ALL
    SELECT orphaning.before, nearest.owner FROM orphaning CROSS JOIN LATERAL (
        SELECT owner FROM saga WHERE NOT is_over AND wake_us IS NULL AND owner > orphaning.owner AND owner < orphaning.before
        ORDER BY owner LIMIT 1
    ) AS nearest
)
SELECT '00000000-0000-0000-0000-000000000000'::uuid UNION ALL SELECT owner FROM orphaning";

/// Gives `$1`, if it is not gone, at most `$2` of the sagas that are not over and whose owner is one of `$3`.
///
/// A row that another transaction has locked is skipped, and comes with the next claim; of a row that it had locked,
/// the new owner is compared. In no order: sorting would read all of them for each page.
pub(super) const CLAIM: &str = "\
WITH orphan AS (
    SELECT saga_id FROM saga
    WHERE owner = ANY ($3::uuid[]) AND NOT is_over AND wake_us IS NULL
        AND EXISTS (SELECT 1 FROM replica WHERE replica_id = $1 AND NOT gone)
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE saga SET owner = $1 FROM orphan WHERE saga.saga_id = orphan.saga_id
RETURNING saga.saga_id";

/// Puts the sagas `$2` of `$1` to sleep, those whose last events are at `$3`, until `$4`, from `$5` on.
pub(super) const REST: &str = "\
UPDATE saga SET owner = '00000000-0000-0000-0000-000000000000', wake_us = resting.wake_us,
    rested_us = resting.rested_us
FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[]) AS resting (saga_id, seq, wake_us, rested_us)
WHERE saga.saga_id = resting.saga_id AND saga.owner = $1 AND saga.seq = resting.seq AND NOT saga.is_over";

/// Gives `$1`, if it is not gone, at most `$3` of the sagas that are asleep and are to wake by `$2`, that fell asleep after
/// `$4`, or that a command waits for. Served by saga_asleep and saga_rested; the commands are few. Rows that another transaction has locked are skipped, as by a claim.
pub(super) const WAKE: &str = "\
WITH due AS (
    SELECT saga_id FROM saga WHERE wake_us <= $2 ORDER BY wake_us LIMIT $3 FOR UPDATE SKIP LOCKED
), ahead AS (
    SELECT saga_id FROM saga WHERE wake_us IS NOT NULL AND rested_us > $4 ORDER BY rested_us LIMIT $3 FOR UPDATE SKIP LOCKED
), called AS (
    SELECT asleep.saga_id FROM (SELECT DISTINCT saga_id FROM saga_command WHERE refused IS NULL) AS waiting
    CROSS JOIN LATERAL (
        SELECT saga_id FROM saga WHERE saga.saga_id = waiting.saga_id AND wake_us IS NOT NULL
        LIMIT 1 FOR UPDATE SKIP LOCKED
    ) AS asleep
), woken AS (
    SELECT saga_id FROM called UNION ALL SELECT saga_id FROM ahead UNION ALL SELECT saga_id FROM due LIMIT $3
)
UPDATE saga SET owner = $1, wake_us = NULL FROM woken
WHERE saga.saga_id = woken.saga_id AND saga.wake_us IS NOT NULL
    AND EXISTS (SELECT 1 FROM replica WHERE replica_id = $1 AND NOT gone)
RETURNING saga.saga_id, saga.seq";

/// The sagas that `$1` owns and that are to go on by themselves, oldest first, after `$2` if there is one, at most `$3`. Served by
/// saga_owner, and by no index whose order is that of all sagas: the owner is compared as a range, and sorted by.
pub(super) const OWNED: &str = "\
SELECT saga_id FROM saga
WHERE owner <= $1 AND NOT is_over AND wake_us IS NULL AND (due_us IS NOT NULL OR NOT (rollback = 'blocked' OR parked IS NOT NULL))
    AND (owner, created_us, saga_id) > (
        $1,
        CASE WHEN $2::uuid IS NULL THEN -9223372036854775808 ELSE (SELECT created_us FROM saga WHERE saga_id = $2) END,
        coalesce($2, '00000000-0000-0000-0000-000000000000')
    )
ORDER BY owner, created_us, saga_id LIMIT $3";

/// Keeps the command `$2` for the saga `$1`, unless that is over or `$5` wait for it: `$3` what it says, `$4` when it was
/// given. Tells whether the saga is under way, whether the command was there already, and whether there was room.
pub(super) const POST_COMMAND: &str = "\
WITH target AS (
    SELECT saga_id FROM saga WHERE saga_id = $1 AND NOT is_over
), waiting AS (
    SELECT count(*) < $5 AS has_room, coalesce(bool_or(command_id = $2), FALSE) AS is_posted
    FROM saga_command WHERE saga_id = $1
), posted AS (
    INSERT INTO saga_command (saga_id, command_id, body, asked_us)
    SELECT target.saga_id, $2, $3, $4 FROM target CROSS JOIN waiting WHERE waiting.has_room
    ON CONFLICT (saga_id, command_id) DO NOTHING
)
SELECT EXISTS (SELECT 1 FROM target), is_posted, has_room FROM waiting";

/// The commands that wait for `$1`, at most `$2`: those for its own sagas, and those for sagas that are over. The table is
/// small: it should be empty.
pub(super) const COMMANDS: &str = "\
SELECT saga_command.saga_id, command_id, body, asked_us
FROM saga_command JOIN saga ON saga.saga_id = saga_command.saga_id
WHERE refused IS NULL AND (owner = $1 OR is_over) ORDER BY asked_us, command_id LIMIT $2";

/// Why the command `$2` for the saga `$1` was refused; NULL: it waits; no row: it was applied.
pub(super) const COMMAND_STATUS: &str =
    "SELECT refused FROM saga_command WHERE saga_id = $1 AND command_id = $2";

/// Keeps why the command `$2` for the saga `$1` is refused.
pub(super) const REFUSE_COMMAND: &str =
    "UPDATE saga_command SET refused = $3 WHERE saga_id = $1 AND command_id = $2";

/// Takes the command `$2` for the saga `$1` away.
pub(super) const REMOVE_COMMAND: &str = "DELETE FROM saga_command WHERE saga_id = $1 AND command_id = $2";

/// Takes away the refused commands that were given before `$1`.
pub(super) const FORGET_REFUSED: &str =
    "DELETE FROM saga_command WHERE refused IS NOT NULL AND asked_us < $1";

/// Keeps the session `$1` of the name `$2` and the key `$3`, which begins at `$4`, was used at `$5` and ends at `$6`; of the name's
/// others, the newest `$7` stay. Two that come at once may leave one more, which the next one takes away.
pub(super) const OPEN_SESSION: &str = "\
WITH surplus AS (
    DELETE FROM console_session WHERE session_id IN (
        SELECT session_id FROM console_session WHERE name = $2 AND session_id <> $1
        ORDER BY created_us DESC, session_id DESC OFFSET $7
    )
)
INSERT INTO console_session (session_id, name, key_digest, created_us, used_us, ends_us)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (session_id) DO NOTHING";

/// The session `$1`.
pub(super) const SESSION: &str =
    "SELECT name, key_digest, created_us, used_us, ends_us FROM console_session WHERE session_id = $1";

/// The session `$1` was used at `$2`.
pub(super) const TOUCH_SESSION: &str =
    "UPDATE console_session SET used_us = $2 WHERE session_id = $1 AND used_us < $2";

/// Takes the session `$1` away.
pub(super) const CLOSE_SESSION: &str = "DELETE FROM console_session WHERE session_id = $1";

/// Takes away the sessions of the name `$1`.
pub(super) const CLOSE_SESSIONS_OF: &str = "DELETE FROM console_session WHERE name = $1";

/// Takes away at most `$3` of the sessions that have ended by `$1`, or that were last used at `$2` or before. The table is small.
pub(super) const FORGET_SESSIONS: &str = "\
DELETE FROM console_session WHERE session_id IN (
    SELECT session_id FROM console_session WHERE ends_us <= $1 OR used_us <= $2 LIMIT $3
)";

/// Keeps the bulk action `$1` (key `$2`, kind `$3`, caller `$4`, operator `$5`, reason `$6`, what was chosen `$7`, begun `$8`), unless there
/// is one of its key, with the sagas `$9`, of which the operator knew all until `$10`, or until the events `$11`. Tells whether
/// it did.
pub(super) const BEGIN_BULK: &str = "\
WITH action AS (
    INSERT INTO bulk_action (action_id, idempotency_key, kind, caller, asked_by, reason, described, begun_us, items)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, cardinality($9::uuid[]))
    ON CONFLICT DO NOTHING
    RETURNING action_id
), item AS (
    INSERT INTO bulk_item (action_id, saga_id, place, seen_us, seen_seq, state)
    SELECT action.action_id, item.saga_id, item.number - 1, item.seen_us, item.seen_seq, 'waiting'
    FROM action CROSS JOIN unnest($9::uuid[], $10::bigint[], $11::bigint[])
        WITH ORDINALITY AS item (saga_id, seen_us, seen_seq, number)
)
SELECT action_id FROM action";

/// The bulk action of the key `$1`.
pub(super) const BULK_OF_KEY: &str = "SELECT action_id FROM bulk_action WHERE idempotency_key = $1";

/// Whether a bulk action has not ended. Served by bulk_action_open.
pub(super) const IS_ANY_BULK_OPEN: &str = "SELECT EXISTS (SELECT 1 FROM bulk_action WHERE ended_us IS NULL)";

/// Gives `$1`, if it is not gone, at most `$2` items of bulk actions: its own and those of replicas that are gone, but for the
/// sagas `$4` of the actions `$3`, and then items that wait. Served by bulk_item_claimed, bulk_action_open and bulk_item_open. Rows
/// that another transaction has locked are skipped, and come with the next claim.
pub(super) const CLAIM_ITEMS: &str = "\
WITH in_hand AS (
    SELECT action_id, saga_id FROM unnest($3::uuid[], $4::uuid[]) AS in_hand (action_id, saga_id)
), left_behind AS (
    SELECT item.action_id, item.saga_id FROM bulk_item AS item
    WHERE item.claimed_by IS NOT NULL
        AND (item.claimed_by = $1
            OR NOT EXISTS (SELECT 1 FROM replica WHERE replica.replica_id = item.claimed_by AND NOT replica.gone))
        AND NOT EXISTS (
            SELECT 1 FROM in_hand WHERE in_hand.action_id = item.action_id AND in_hand.saga_id = item.saga_id
        )
    LIMIT $2 FOR UPDATE OF item SKIP LOCKED
), waiting AS (
    SELECT open.begun_us, item.action_id, item.place, item.saga_id
    FROM (
        SELECT action_id, begun_us FROM bulk_action WHERE ended_us IS NULL ORDER BY begun_us, action_id LIMIT $5
    ) AS open
    CROSS JOIN LATERAL (
        SELECT action_id, place, saga_id FROM bulk_item
        WHERE bulk_item.action_id = open.action_id AND bulk_item.ended_us IS NULL AND bulk_item.claimed_by IS NULL
        ORDER BY place LIMIT $2 FOR UPDATE SKIP LOCKED
    ) AS item
), taken AS (
    SELECT action_id, saga_id FROM (
        SELECT 0 AS turn, 0::bigint AS begun_us, action_id, 0::bigint AS place, saga_id FROM left_behind
        UNION ALL SELECT 1, begun_us, action_id, place, saga_id FROM waiting
    ) AS post
    ORDER BY turn, begun_us, action_id, place LIMIT $2
)
UPDATE bulk_item AS item SET state = 'sent', claimed_by = $1
FROM taken JOIN bulk_action AS action ON action.action_id = taken.action_id AND action.kind = 'resume'
WHERE item.action_id = taken.action_id AND item.saga_id = taken.saga_id
    AND EXISTS (SELECT 1 FROM replica WHERE replica_id = $1 AND NOT gone)
RETURNING item.action_id, item.saga_id, item.seen_us, item.seen_seq, action.kind, action.caller, action.asked_by,
    action.reason";

/// Notes of bulk actions that have no item left to carry out that they ended at `$1`, if they had not before.
pub(super) const END_BULK: &str = "\
UPDATE bulk_action SET ended_us = $1
WHERE ended_us IS NULL AND NOT EXISTS (
    SELECT 1 FROM bulk_item WHERE bulk_item.action_id = bulk_action.action_id AND bulk_item.ended_us IS NULL
)";

/// Keeps the result of the item `$1`, `$2`, if a replica has it: the state `$3`, why `$4`, when `$5`.
pub(super) const RECORD_ITEM: &str = "\
UPDATE bulk_item SET state = $3, why = $4, ended_us = $5, claimed_by = NULL
WHERE action_id = $1 AND saga_id = $2 AND claimed_by IS NOT NULL";

/// Takes back the items of `$1` that wait, at `$2`; tells how many.
pub(super) const TAKE_BACK: &str = "\
WITH taken AS (
    UPDATE bulk_item SET state = 'taken_back', ended_us = $2
    WHERE action_id = $1 AND ended_us IS NULL AND claimed_by IS NULL
    RETURNING saga_id
)
SELECT count(*) FROM taken";

/// The bulk action `$1`.
pub(super) const BULK_ACTION: &str = "\
SELECT action_id, idempotency_key, kind, caller, asked_by, reason, described, items, begun_us, ended_us
FROM bulk_action WHERE action_id = $1";

/// How many items of `$1` are in each state. An action has 10,000 at most.
pub(super) const BULK_COUNTS: &str =
    "SELECT state, count(*) FROM bulk_item WHERE action_id = $1 GROUP BY state";

/// The bulk actions below the place `$1`, `$2`, newest first, at most `$3`. Served by bulk_action_begun.
pub(super) const BULK_ACTIONS: &str = "\
SELECT action_id, idempotency_key, kind, caller, asked_by, reason, described, items, begun_us, ended_us
FROM bulk_action WHERE (begun_us, action_id) < ($1, $2) ORDER BY begun_us DESC, action_id DESC LIMIT $3";

/// The items of `$1` after the place `$2` that are in the state `$3`, if that is not NULL, at most `$4`. Served by bulk_item_place.
pub(super) const BULK_ITEMS: &str = "\
SELECT saga_id, place, seen_us, seen_seq, state, why, ended_us FROM bulk_item
WHERE action_id = $1 AND place > $2 AND ($3::text IS NULL OR state = $3) ORDER BY place LIMIT $4";

/// Takes away at most `$2` items of the oldest action that was begun and had ended before `$1`. Served by bulk_action_begun.
pub(super) const FORGET_ITEMS: &str = "\
DELETE FROM bulk_item USING (
    SELECT item.action_id, item.saga_id FROM (
        SELECT action_id FROM bulk_action WHERE begun_us < $1 AND ended_us < $1 ORDER BY begun_us, action_id LIMIT 1
    ) AS oldest
    JOIN bulk_item AS item ON item.action_id = oldest.action_id
    LIMIT $2
) AS old
WHERE bulk_item.action_id = old.action_id AND bulk_item.saga_id = old.saga_id";

/// Takes away the oldest action that was begun and had ended before `$1`, if it has no items.
pub(super) const FORGET_BULK: &str = "\
DELETE FROM bulk_action
WHERE action_id IN (
    SELECT action_id FROM bulk_action WHERE begun_us < $1 AND ended_us < $1 ORDER BY begun_us, action_id LIMIT 1
) AND NOT EXISTS (SELECT 1 FROM bulk_item WHERE bulk_item.action_id = bulk_action.action_id)";

/// Reads the rows of `saga_owner`. A saga without a due time counts from its last event.
pub(super) const BACKLOG: &str = "\
SELECT definition, CASE WHEN parked IS NULL THEN rollback ELSE 'blocked' END AS shown, count(*), count(wake_us),
    min(coalesce(due_us, updated_us)), min(coalesce(blocked_us, updated_us))
FROM saga WHERE NOT is_over GROUP BY definition, shown";

/// The oldest sagas that are not over, at most `$1`: in the order of `saga_under_way`. The summary of a saga that waits for an
/// operator is not read.
pub(super) const UNDER_WAY: &str = "\
SELECT definition, definition_hash, created_us,
    CASE WHEN rollback = 'blocked' OR parked IS NOT NULL THEN NULL ELSE summary END
FROM saga WHERE NOT is_over ORDER BY created_us, saga_id LIMIT $1";

/// The replicas by their names, at most `$1`, with the time that is left of each lease in microseconds, and how many sagas each
/// owns: at most `$2`, served by saga_owner.
pub(super) const REPLICAS: &str = "\
SELECT replica.replica_id, replica.name, replica.gone,
    CAST(extract(epoch FROM replica.expires_at - now()) * 1000000 AS BIGINT), owned.sagas, replica.release
FROM replica CROSS JOIN LATERAL (
    SELECT count(*) AS sagas FROM (
        SELECT 1 FROM saga WHERE owner = replica.replica_id AND NOT is_over AND wake_us IS NULL LIMIT $2
    ) AS counted
) AS owned
WHERE replica.replica_id <> '00000000-0000-0000-0000-000000000000' AND (NOT replica.gone OR owned.sagas > 0)
ORDER BY replica.gone, replica.name, replica.replica_id LIMIT $1";

/// Keeping a definition again is no mistake; its sagas become orders, if they are to be.
pub(super) const DEFINE: &str = "\
INSERT INTO saga_definition (hash, name, source, format, orders) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (hash) DO UPDATE SET orders = TRUE WHERE excluded.orders AND NOT saga_definition.orders";

/// By its hash.
pub(super) const DEFINITION: &str =
    "SELECT name, source, format, orders FROM saga_definition WHERE hash = $1";

/// The same name again for the replica that came last: its commit is flushed, and waits for the standbys, like any other.
pub(super) const PROBE: &str = "UPDATE replica SET name = name \
     WHERE replica_id = (SELECT replica_id FROM replica ORDER BY replica_id DESC LIMIT 1)";

/// Keeps why the saga `$1`, which `$2` owns, cannot be read: `$3`, whose cause is `$4`; `$5` is at stake.
pub(super) const PARK: &str = "\
UPDATE saga SET parked = $3, cause = $4, at_stake = $5, blocked_us = coalesce(blocked_us, updated_us)
WHERE saga_id = $1 AND owner = $2";

/// The sagas of the definition `$1` that started before `$2`, from behind the place `$3`, `$4`, the oldest first, at most `$5`. Served by
/// saga_by_definition.
pub(super) const AGED: &str = "\
SELECT saga_id, created_us, updated_us, is_over AND parked IS NULL, failed_step IS NOT NULL, labels
FROM saga WHERE definition = $1 AND created_us < $2 AND (created_us, saga_id) > ($3, $4)
ORDER BY created_us, saga_id LIMIT $5";

/// Takes the sagas `$1` away, if nobody has to look at them any more, with their labels (`$2` names, `$3` values, `$4` times, `$5` sagas), their
/// deeds (`$6` names, `$7` times, `$8` sagas, `$9` positions), events and commands. Tells how many.
pub(super) const FORGET_SAGAS: &str = "\
WITH gone AS (
    DELETE FROM saga WHERE saga_id = ANY($1::uuid[]) AND is_over AND parked IS NULL RETURNING saga_id
), frames AS (
    DELETE FROM saga_event USING gone WHERE saga_event.saga_id = gone.saga_id
), labels AS (
    DELETE FROM saga_label
    USING unnest($2::text[], $3::text[], $4::bigint[], $5::uuid[]) AS label (name, value, created_us, saga_id), gone
    WHERE saga_label.name = label.name AND saga_label.value = label.value
        AND saga_label.created_us = label.created_us AND saga_label.saga_id = label.saga_id
        AND gone.saga_id = label.saga_id
), deeds AS (
    DELETE FROM saga_deed
    USING unnest($6::text[], $7::bigint[], $8::uuid[], $9::bigint[]) AS deed (name, at_us, saga_id, seq), gone
    WHERE saga_deed.name = deed.name AND saga_deed.at_us = deed.at_us AND saga_deed.saga_id = deed.saga_id
        AND saga_deed.seq = deed.seq AND gone.saga_id = deed.saga_id
), commands AS (
    DELETE FROM saga_command USING gone WHERE saga_command.saga_id = gone.saga_id
)
SELECT count(*) FROM gone";

/// Makes `$1` the replica that takes sagas away, unless another one is that is not gone. One row: it is.
pub(super) const HOLD_RETENTION: &str = "\
INSERT INTO saga_retention (number, holder)
SELECT 1, replica_id FROM replica WHERE replica_id = $1 AND NOT gone
ON CONFLICT (number) DO UPDATE SET holder = excluded.holder
WHERE saga_retention.holder = excluded.holder
    OR NOT EXISTS (SELECT 1 FROM replica WHERE replica_id = saga_retention.holder AND NOT gone)
RETURNING holder";

/// The names of all definitions.
pub(super) const DEFINITION_NAMES: &str = "SELECT DISTINCT name FROM saga_definition ORDER BY name";

/// The tables from which this role cannot take sagas away.
pub(super) const FORGETTING_RIGHTS_MISSING: &str = "\
SELECT needed.name FROM (VALUES ('saga'), ('saga_event'), ('saga_label'), ('saga_deed')) AS needed (name)
WHERE NOT has_table_privilege(needed.name, 'DELETE')
ORDER BY needed.name";

/// Where migrations are kept.
pub(super) const MIGRATION_TABLE: &str = "\
CREATE TABLE IF NOT EXISTS saga_migration (
    version      BIGINT      NOT NULL PRIMARY KEY,
    name         TEXT        NOT NULL,
    checksum     TEXT        NOT NULL,
    appliquee_le TIMESTAMPTZ NOT NULL DEFAULT now()
)";

/// The steps that were applied.
pub(super) const MIGRATIONS_APPLIED: &str = "SELECT version, checksum FROM saga_migration ORDER BY version";

/// The lowest version that a program has to know because of the steps behind `$1`.
pub(super) const MIGRATIONS_NEED: &str =
    "SELECT max(coalesce(needs, version)) FROM saga_migration WHERE version > $1";

/// Begins a step that needs a program that knows it: its version, name and checksum come behind.
pub(super) const MIGRATION_APPLY: &str = "INSERT INTO saga_migration (version, name, checksum) VALUES";

/// Begins any other step: the version that it needs comes behind these.
pub(super) const MIGRATION_APPLY_DEMANDING: &str =
    "INSERT INTO saga_migration (version, name, checksum, needs) VALUES";

/// How long each statement of a step waits for a lock: a time in quotes comes behind. Others wait behind it.
pub(super) const MIGRATION_LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout =";

/// The processes that run and do not know schema version `$1`, at most a few.
pub(super) const REPLICAS_BEHIND: &str = "\
SELECT name, coalesce(release, 'unknown') FROM replica
WHERE NOT gone AND expires_at > now() AND coalesce(knows, 0) < $1 ORDER BY name LIMIT 5";

/// Gives the tables statistics: those of its sagas, or, in an empty journal, those of a usual one.
pub(super) const STATISTICS: &str = include_str!("../../migrations/postgres/0018_first_statistics.sql");

/// Whether this server, or this role, takes no writes: `on` or `off`.
pub(super) const IS_READ_ONLY: &str = "SHOW transaction_read_only";

/// The same, and where the connection leads: the system identifier, and a file of the write-ahead log, whose name begins with the
/// timeline. A standby has no such file. Relatives of PostgreSQL do not have these functions.
pub(super) const WHERE_IT_LEADS: &str = "\
SELECT current_setting('transaction_read_only'), control.system_identifier,
    CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_walfile_name(pg_current_wal_lsn()) END
FROM pg_control_system() AS control";

/// The database in which the journal was kept until now, and the journal's incarnation. A system identifier of 0 is none: its server did not
/// tell.
pub(super) const DATABASE_KEPT: &str =
    "SELECT system_identifier, timeline, incarnation FROM saga_database WHERE number = 1";

/// The row of a database that does not tell.
pub(super) const DATABASE_UNTOLD: &str = "\
INSERT INTO saga_database (number, system_identifier, timeline, noted_us)
VALUES (1, 0, 0, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)) ON CONFLICT (number) DO NOTHING";

/// The journal's incarnation. Waits for one that is being raised: a replica that has joined and then reads the former one is in the
/// table by then, so that [`END_LEASES`] in the same transaction finds it.
pub(super) const INCARNATION: &str = "SELECT incarnation FROM saga_database WHERE number = 1 FOR SHARE";

/// The replicas whose leases hold, at most `$1`, the last one to end first: names, and how long in microseconds.
pub(super) const LEASES_HELD: &str = "\
SELECT name, CAST(extract(epoch FROM expires_at - now()) * 1000000 AS BIGINT) FROM replica
WHERE NOT gone AND expires_at > now() ORDER BY expires_at DESC LIMIT $1";

/// Ends all leases, and takes the sagas from their owners: a replica that goes on all the same can append nothing, joins anew, and reads the
/// incarnation then. Served by saga_owner.
pub(super) const END_LEASES: &str = "UPDATE replica SET gone = TRUE WHERE NOT gone;
UPDATE saga SET owner = '00000000-0000-0000-0000-000000000000' WHERE NOT is_over AND wake_us IS NULL";

/// Notes a higher timeline of the same system, or the first database of all: `$1` system identifier, `$2` timeline.
pub(super) const DATABASE_NOTE: &str = "\
INSERT INTO saga_database (number, system_identifier, timeline, noted_us)
VALUES (1, $1, $2, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT))
ON CONFLICT (number) DO UPDATE SET system_identifier = excluded.system_identifier, timeline = excluded.timeline,
    noted_us = excluded.noted_us
WHERE saga_database.system_identifier = 0
    OR saga_database.system_identifier = excluded.system_identifier AND saga_database.timeline < excluded.timeline";

/// Takes this database for the one in which the journal is kept, as an operator wishes; `raise` is added to the incarnation. One transaction, in
/// this order: see [`INCARNATION`]. Programs that do not know the migration `knows` refuse the journal from then on.
pub(super) fn database_accept(system: i64, timeline: i64, raise: i64, knows: i64) -> String {
    let keep_away = older_releases_away(knows);
    format!(
        "\
BEGIN;
INSERT INTO saga_database (number, system_identifier, timeline, noted_us, incarnation)
VALUES (1, {system}, {timeline}, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT), 1 + {raise})
ON CONFLICT (number) DO UPDATE SET system_identifier = excluded.system_identifier, timeline = excluded.timeline,
    noted_us = excluded.noted_us, incarnation = saga_database.incarnation + {raise};
{END_LEASES};
{keep_away};
COMMIT"
    )
}

/// Has programs that do not know the migration `knows` refuse the journal.
pub(super) fn older_releases_away(knows: i64) -> String {
    format!("UPDATE saga_migration SET needs = version WHERE version = {knows} AND needs < version")
}

/// A row, if a second incarnation has begun and programs that do not know the migration `$1` could still be started: whether this role may
/// change that.
pub(super) const OLDER_RELEASES_LET_IN: &str = "\
SELECT has_column_privilege('saga_migration', 'needs', 'UPDATE') FROM saga_migration
WHERE version = $1 AND needs < version AND EXISTS (SELECT 1 FROM saga_database WHERE incarnation > 1)";

/// Whether this role may keep older programs away.
pub(super) const MAY_KEEP_AWAY: &str = "SELECT has_column_privilege('saga_migration', 'needs', 'UPDATE')";

/// The settings that durability and texts hang on; NULL where the server has no such setting.
pub(super) const SETTINGS: &str = "\
SELECT current_setting('synchronous_commit', true), current_setting('synchronous_standby_names', true), \
current_setting('fsync', true), current_setting('full_page_writes', true), \
current_setting('server_encoding', true), current_setting('client_min_messages', true)";

/// The rights that a process that serves needs, and does not have. `docs/operations.md` has the same as GRANTs.
pub(super) const RIGHTS_MISSING: &str = "\
SELECT needed.name, needed.privilege FROM (VALUES
    ('saga', 'SELECT'), ('saga', 'INSERT'), ('saga', 'UPDATE'),
    ('saga_event', 'SELECT'), ('saga_event', 'INSERT'),
    ('saga_definition', 'SELECT'), ('saga_definition', 'INSERT'),
    ('saga_label', 'SELECT'), ('saga_label', 'INSERT'),
    ('saga_deed', 'SELECT'), ('saga_deed', 'INSERT'),
    ('saga_minute', 'SELECT'), ('saga_minute', 'INSERT'), ('saga_minute', 'UPDATE'), ('saga_minute', 'DELETE'),
    ('saga_command', 'SELECT'), ('saga_command', 'INSERT'), ('saga_command', 'UPDATE'), ('saga_command', 'DELETE'),
    ('console_session', 'SELECT'), ('console_session', 'INSERT'), ('console_session', 'UPDATE'), ('console_session', 'DELETE'),
    ('bulk_action', 'SELECT'), ('bulk_action', 'INSERT'), ('bulk_action', 'UPDATE'), ('bulk_action', 'DELETE'),
    ('bulk_item', 'SELECT'), ('bulk_item', 'INSERT'), ('bulk_item', 'UPDATE'), ('bulk_item', 'DELETE'),
    ('saga_database', 'SELECT'), ('saga_database', 'INSERT'), ('saga_database', 'UPDATE'),
    ('saga_retention', 'SELECT'), ('saga_retention', 'INSERT'), ('saga_retention', 'UPDATE'),
    ('replica', 'SELECT'), ('replica', 'INSERT'), ('replica', 'UPDATE'), ('replica', 'DELETE')
) AS needed (name, privilege)
WHERE NOT has_table_privilege(needed.name, needed.privilege)
UNION ALL SELECT 'saga_definition', 'UPDATE (orders)'
WHERE NOT has_column_privilege('saga_definition', 'orders', 'UPDATE')";

#[cfg(test)]
mod tests {
    use crate::migration;

    /// Features that PostgreSQL has and its distributed relatives or poolers do not, or not in the same way.
    const FORBIDDEN: &[&str] = &[
        "ADVISORY",
        "LISTEN",
        "UNLISTEN",
        "NOTIFY",
        "SERIAL",
        "BIGSERIAL",
        "SMALLSERIAL",
        "IDENTITY",
        "SEQUENCE",
        "NEXTVAL",
        "TRIGGER",
        "DEFERRABLE",
        "EXCLUDE",
        "CTID",
        "XMIN",
        "TEMP",
        "TEMPORARY",
        "SET_CONFIG",
        "INTEGER",
        "INT",
        "INT4",
        "SMALLINT",
        "PREPARE",
        "DECLARE",
    ];

    /// Tables that are not about one saga: small, and the same for all, or each process's own.
    const REFERENCE_TABLES: &[&str] = &[
        "BULK_ACTION",
        "CONSOLE_SESSION",
        "REPLICA",
        "SAGA_DATABASE",
        "SAGA_DEFINITION",
        "SAGA_MIGRATION",
        "SAGA_MINUTE",
        "SAGA_RETENTION",
    ];

    /// The first error in `sql`, if there is one.
    fn objection(sql: &str) -> Option<String> {
        let code: String = sql
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
            .to_uppercase();
        let words: Vec<&str> =
            code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
        if let Some(word) = words
            .iter()
            .find(|word| FORBIDDEN.contains(word) || word.starts_with("PG_") && word.contains("ADVISORY"))
        {
            return Some(format!("{word} is not portable"));
        }
        for statement in code.split(';').map(str::trim) {
            if statement.starts_with("SET ") && !statement.starts_with("SET LOCAL ") {
                return Some("session settings do not survive a pooler".to_owned());
            }
            let table =
                statement.strip_prefix("CREATE TABLE ").map(|rest| rest.trim_start_matches("IF NOT EXISTS "));
            let name = table.and_then(|rest| rest.split([' ', '(']).next());
            let Some(name) = name.filter(|name| !REFERENCE_TABLES.contains(name)) else { continue };
            let key = statement.split("PRIMARY KEY (").nth(1).and_then(|rest| rest.split(')').next());
            if !key.is_some_and(|key| key.split(", ").any(|column| column == "SAGA_ID")) {
                return Some(format!("the key of {name} does not say which saga it is about"));
            }
        }
        (words.windows(2).any(|pair| pair == ["FOREIGN", "KEY"]) || words.contains(&"REFERENCES"))
            .then(|| "foreign keys cross shards".to_owned())
    }

    #[test]
    fn the_sql_stays_portable() {
        // The whole file, up to here: no constant can be forgotten.
        let (constants, _) = include_str!("sql.rs").split_once("#[cfg(test)]").unwrap();
        let statements: Vec<&str> = constants.split('"').skip(1).step_by(2).collect();
        assert!(statements.len() > 10);
        let migrations = migration::POSTGRES.iter().map(|migration| migration.sql);
        let kept = [
            &super::APPEND,
            &super::LONE_START,
            &super::LONE_START_BY,
            &super::LONE_MOVE,
            &super::LONE_KNOWN,
        ];
        let kept = kept.iter().map(|kept| kept.text.as_str());
        let made = [super::ROW.as_str(), super::FIGURES.as_str()];
        for sql in statements.into_iter().chain(made).chain(kept).chain(migrations) {
            assert_eq!(objection(sql), None, "{sql}");
        }
    }

    #[test]
    fn what_is_not_portable_is_objected_to() {
        for sql in [
            "SELECT pg_try_advisory_lock(1)",
            "SELECT pg_advisory_xact_lock(1)",
            "LISTEN sagas",
            "CREATE TABLE t (saga_id UUID, n SERIAL, PRIMARY KEY (saga_id))",
            "CREATE TABLE t (saga_id UUID, n INTEGER, PRIMARY KEY (saga_id))",
            "CREATE TABLE t (n BIGINT, saga_id UUID, PRIMARY KEY (n))",
            "CREATE TABLE t (n BIGINT PRIMARY KEY)",
            "CREATE TABLE t (saga_id UUID REFERENCES saga, PRIMARY KEY (saga_id))",
            "SELECT 1; SET synchronous_commit = on",
            "CREATE TEMP TABLE t (saga_id UUID, PRIMARY KEY (saga_id))",
            "SELECT ctid FROM saga",
        ] {
            assert!(objection(sql).is_some(), "{sql}");
        }
    }

    #[test]
    fn no_sql_hides_in_the_other_files() {
        let files = [
            include_str!("append.rs"),
            include_str!("causes.rs"),
            include_str!("connect.rs"),
            include_str!("database.rs"),
            include_str!("bulk.rs"),
            include_str!("deeds.rs"),
            include_str!("feed.rs"),
            include_str!("figures.rs"),
            include_str!("inbox.rs"),
            include_str!("lineage.rs"),
            include_str!("link.rs"),
            include_str!("lone.rs"),
            include_str!("mod.rs"),
            include_str!("ownership.rs"),
            include_str!("retention.rs"),
            include_str!("pool.rs"),
            include_str!("prepared.rs"),
            include_str!("schema.rs"),
            include_str!("sessions.rs"),
        ];
        let program =
            |file: &&'static str| file.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for text in files.iter().map(program).flat_map(|file| file.split('"').skip(1).step_by(2)) {
            for verb in ["SELECT ", "INSERT INTO saga ", "UPDATE ", "DELETE ", "CREATE ", "ALTER ", "SET "] {
                assert!(!text.trim_start().starts_with(verb), "move to sql.rs: {text}");
            }
        }
    }
}

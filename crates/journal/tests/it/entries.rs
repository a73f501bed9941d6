//! Orders to keep: small, fixed, and told apart by a number.

use std::sync::Arc;

use saga_core::definition::{DefinitionHash, Label, Labels};
use saga_core::saga::{Failure, Rollback};
use saga_core::{
    AttemptNumber, Claim, Direction, Epoch, Event, Json, Outcome, Record, SagaId, Seq, Timestamp,
};
use saga_journal::{Entry, ReplicaId, Row, Summary};
use uuid::Uuid;

/// 2026-11-22T00:00:00Z.
pub(crate) const MIDNIGHT_US: i64 = 1_795_305_600_000_000;

pub(crate) fn saga(number: u128) -> SagaId {
    SagaId::new(Uuid::from_u128(number))
}

/// The owner of these entries, which has joined wherever a fixture is opened.
pub(crate) const OWNER: ReplicaId = replica(100);

pub(crate) const fn replica(number: u128) -> ReplicaId {
    ReplicaId::new(Uuid::from_u128(number))
}

/// `entry` as if `owner` appended it.
pub(crate) fn by(owner: ReplicaId, entry: &Entry) -> Entry {
    Entry { owner, ..entry.clone() }
}

pub(crate) fn at(offset_us: i64) -> Timestamp {
    Timestamp::from_micros(MIDNIGHT_US + offset_us)
}

pub(crate) fn hash() -> DefinitionHash {
    DefinitionHash::new(&"ab".repeat(32))
}

pub(crate) fn labels(of: &[(&str, i64)]) -> Labels {
    of.iter().map(|(name, value)| ((*name).into(), Label::Integer(*value))).collect()
}

/// A failure at a step, or of the saga as a whole.
pub(crate) fn failure(step: Option<&str>, reason: &str) -> Failure {
    Failure { step: step.map(Into::into), reason: reason.into() }
}

/// The start of order `number`.
pub(crate) fn start(number: u128) -> Entry {
    start_with(number, r#"{"client_id": 4, "magasin_id": 1}"#)
}

pub(crate) fn start_with(number: u128, input: &str) -> Entry {
    let input = Json::parse(input.as_bytes()).unwrap();
    let event = Event::Started {
        definition: hash(),
        input,
        labels: Labels::default(),
        callbacks: None,
        deadline: at(60_000_000),
        claim: Claim::drawn(1 << 20),
        epoch: Epoch::FIRST,
        trace: None,
    };
    Entry {
        saga: saga(number),
        owner: OWNER,
        expected: Seq::NONE,
        records: vec![Record { at: at(0), state: Some("INITIEE".into()), command: None, by: None, event }],
        row: Row {
            definition: "checkout".into(),
            definition_hash: hash(),
            labels: labels(&[("client_id", 4), ("magasin_id", 1)]),
            state: "INITIEE".into(),
            rollback: Rollback::None,
            epoch: Epoch::FIRST,
            blocked_since: None,
            cause: None,
            over: false,
            created: at(0),
            updated: at(0),
            due: Some(at(30_000_000)),
            summary: Summary::default(),
        },
    }
}

/// The entry after `before`: a call and its answer, which leads to `etat`.
pub(crate) fn next(before: &Entry, etat: &str) -> Entry {
    next_with(before, etat, r#"{"ok": true}"#)
}

pub(crate) fn next_with(before: &Entry, etat: &str, output: &str) -> Entry {
    let (step, direction, attempt) = (1, Direction::Action, AttemptNumber::FIRST);
    let last = before.records.last().unwrap().at.as_micros() - MIDNIGHT_US;
    let ended = Event::AttemptEnded {
        step,
        direction,
        attempt,
        outcome: Outcome::Ok,
        status: Some(200),
        reason: None,
        output: Some(Json::parse(output.as_bytes()).unwrap()),
        retry_at: None,
    };
    let updated = at(last + 2);
    Entry {
        saga: before.saga,
        owner: before.owner,
        expected: before.expected.plus(before.records.len()),
        records: vec![
            Record {
                at: at(last + 1),
                state: None,
                command: None,
                by: None,
                event: Event::AttemptStarted { step, direction, attempt },
            },
            Record { at: updated, state: Some(etat.into()), command: None, by: None, event: ended },
        ],
        row: Row { state: etat.into(), updated, due: Some(at(last + 9)), ..before.row.clone() },
    }
}

/// The end of an order, after `before`.
pub(crate) fn end(before: &Entry) -> Entry {
    let mut entry = next(before, "CONFIRMEE");
    entry.records[1].event = Event::Completed;
    entry.row.over = true;
    entry.row.due = None;
    entry
}

/// All records of entries that follow each other.
pub(crate) fn records(entries: &[&Entry]) -> Vec<Record> {
    entries.iter().flat_map(|entry| entry.records.iter().cloned()).collect()
}

pub(crate) fn word(text: &str) -> Arc<str> {
    text.into()
}

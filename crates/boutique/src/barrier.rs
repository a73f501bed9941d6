//! The barrier: the rules that make a service safe to call twice, too late, or in the wrong order.
//!
//! Every call that changes data passes through [`pass`], in the same SQLite transaction as the change itself. The
//! record of the call and its effect are therefore on disk together or not at all. A record in another store, or in a
//! second commit, would not be a barrier.
//!
//! A call carries a key, `saga:step:action` or `saga:step:compensation`. The first rule that applies decides (see
//! [`judge`]):
//!
//! | rule | when | result |
//! |---|---|---|
//! | stale | the call's epoch is below the highest epoch that this service has seen for the saga | 409, nothing changes: another owner has replaced the sender |
//! | reused | the key is known, with another request | 422: a defect of the caller |
//! | hanging | an action whose compensation was already processed, whichever came first, unless the action itself was refused | 409, nothing changes: its effect is undone or never was, and no later compensation would undo another |
//! | replay | the key is known | the stored answer, unchanged; no effect. Refusals are stored too, so a refused call stays refused |
//! | null | a compensation whose action never arrived, or was refused | succeeds, does nothing, and is recorded (rule `hanging` needs the record) |
//!
//! An action that had its effect gets its stored answer only while that effect is there. A caller whose own memory was set
//! back to before the undoing (a database restored from a copy) would otherwise be told that all is done.
//!
//! Otherwise the operation runs, and its answer is stored under the key. An answer that a fault rule made up is never
//! stored, so a 5xx is never replayed. A call without a key is not recorded: each has its effect, as with ordinary
//! services. Keys are kept for ever, because only the caller knows how late a call may still arrive.

use rusqlite::{Connection, OptionalExtension};

use crate::{
    call::{CallDirection, CallRequest, JsonAnswer},
    ledger::{self, CallRecord},
    operation::{Operation, OperationOutcome},
};

/// The barrier's tables, in every service's file.
pub(crate) const SCHEMA: &str = "
    -- One row for each key: the request it stood for, and the answer it got. The primary key serves the
    -- look-up of the key itself and of its sibling in the other direction.
    CREATE TABLE barriere (
        cle TEXT PRIMARY KEY,
        resultat TEXT NOT NULL CHECK (resultat IN ('effect', 'refused', 'null')),
        requete TEXT NOT NULL,
        status INTEGER NOT NULL,
        corps TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- The highest epoch seen for each saga.
    CREATE TABLE barriere_epoque (
        saga_id TEXT PRIMARY KEY,
        epoque INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// A key that this service has recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remembered {
    refused: bool,
    fingerprint: String,
    answer: JsonAnswer,
}

/// The barrier's record of a call, from before the call runs.
#[derive(Debug, Default)]
struct KnownCall {
    epoch: Option<i64>,
    own: Option<Remembered>,
    sibling: Option<Remembered>,
}

#[derive(Debug, PartialEq, Eq)]
enum BarrierDecision {
    Proceed,
    Stale { seen: i64 },
    Reused,
    Replay(JsonAnswer),
    Hanging,
    Null,
}

/// The rules, as a pure function. `direction` is `None` for a call whose key names no step; then only the rules about
/// the key and the epoch apply.
fn judge(
    epoch: Option<i64>,
    direction: Option<CallDirection>,
    fingerprint: &str,
    known: KnownCall,
) -> BarrierDecision {
    if let (Some(epoch), Some(seen)) = (epoch, known.epoch)
        && epoch < seen
    {
        return BarrierDecision::Stale { seen };
    }
    let is_compensated = direction == Some(CallDirection::Action) && known.sibling.is_some();
    match (known.own, direction) {
        (Some(own), _) if own.fingerprint != fingerprint => BarrierDecision::Reused,
        (Some(own), _) if is_compensated && !own.refused => BarrierDecision::Hanging,
        (Some(own), _) => BarrierDecision::Replay(own.answer),
        (None, _) if is_compensated => BarrierDecision::Hanging,
        (None, Some(CallDirection::Compensation)) if known.sibling.is_none_or(|action| action.refused) => {
            BarrierDecision::Null
        }
        (None, _) => BarrierDecision::Proceed,
    }
}

/// The 409 of an action whose compensation is there.
pub(crate) fn hanging_answer() -> JsonAnswer {
    JsonAnswer::barrier(409, "action_tardive", "Action refusée : sa compensation a déjà été traitée")
}

/// Carries out `operation` if the rules allow it, and records its result. `db` must be inside a savepoint named
/// `requete`, which the caller releases. After an error the caller must roll it back.
pub(crate) fn pass(
    db: &Connection,
    request: &CallRequest,
    operation: &dyn Operation,
) -> rusqlite::Result<JsonAnswer> {
    let caller = &request.caller;
    let details = operation.details();
    let saga_id = caller.saga_id().or(details.saga_id.as_deref()).map(str::to_owned);
    let direction = caller.key.as_ref().and_then(|key| key.direction());
    let fingerprint = request.fingerprint();
    let known = KnownCall {
        epoch: match (&saga_id, caller.epoch) {
            (Some(saga_id), Some(_)) => highest_epoch(db, saga_id)?,
            _ => None,
        },
        own: caller.key.as_ref().map(|key| remembered(db, key.as_str())).transpose()?.flatten(),
        sibling: match caller.key.as_ref().and_then(|key| key.sibling()) {
            Some(sibling) => remembered(db, &sibling)?,
            None => None,
        },
    };
    let note = |result, details| ledger::note(db, operation, caller, direction, result, details);

    let verdict = judge(caller.epoch, direction, &fingerprint, known);
    if let (false, Some(saga_id), Some(epoch)) =
        (matches!(verdict, BarrierDecision::Stale { .. }), &saga_id, caller.epoch)
    {
        raise_epoch(db, saga_id, epoch)?;
    }
    let outcome = match (verdict, operation.null_answer()) {
        (BarrierDecision::Stale { seen }, _) => {
            note(CallRecord::Stale, &details)?;
            let detail = format!("Époque périmée : Saga-Epoch {seen} a déjà été vue pour cette saga");
            return Ok(JsonAnswer::barrier(409, "epoque_perimee", &detail));
        }
        (BarrierDecision::Reused, _) => {
            note(CallRecord::KeyReused, &details)?;
            let detail = "Idempotency-Key déjà utilisée pour une autre requête";
            return Ok(JsonAnswer::barrier(422, "cle_reutilisee", detail));
        }
        (BarrierDecision::Replay(_), _) if operation.is_undone(db, caller)? => {
            OperationOutcome::Hanging(hanging_answer())
        }
        (BarrierDecision::Replay(answer), _) => {
            note(CallRecord::Replay, &details)?;
            return Ok(answer.with_header("idempotent-replayed", "true"));
        }
        (BarrierDecision::Hanging, _) => OperationOutcome::Hanging(hanging_answer()),
        (BarrierDecision::Null, Some(answer)) => OperationOutcome::Nothing(answer),
        (BarrierDecision::Null, None) | (BarrierDecision::Proceed, _) => {
            db.prepare_cached("SAVEPOINT operation")?.execute([])?;
            let outcome = operation.run(db, caller)?;
            if let OperationOutcome::Refused(_) | OperationOutcome::Hanging(_) = outcome {
                db.prepare_cached("ROLLBACK TO operation")?.execute([])?;
            }
            db.prepare_cached("RELEASE operation")?.execute([])?;
            outcome
        }
    };
    let (result, answer, lines) = match outcome {
        OperationOutcome::Done(answer, lines) => (CallRecord::Effect, answer, lines),
        OperationOutcome::Refused(answer) => (CallRecord::Refused, answer, vec![details]),
        OperationOutcome::Nothing(answer) => (CallRecord::Null, answer, vec![details]),
        // Not stored: the row of the compensation, or the sale's cancellation, gives the same answer next time.
        OperationOutcome::Hanging(answer) => {
            note(CallRecord::Hanging, &details)?;
            return Ok(answer);
        }
    };
    for line in &lines {
        note(result, line)?;
    }
    if let Some(key) = &caller.key {
        remember(db, key.as_str(), result, &fingerprint, &answer)?;
    }
    Ok(answer)
}

fn highest_epoch(db: &Connection, saga_id: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT epoque FROM barriere_epoque WHERE saga_id = ?1")?
        .query_row([saga_id], |row| row.get(0))
        .optional()
}

fn raise_epoch(db: &Connection, saga_id: &str, epoch: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO barriere_epoque (saga_id, epoque) VALUES (?1, ?2)
         ON CONFLICT (saga_id) DO UPDATE SET epoque = excluded.epoque WHERE excluded.epoque > epoque",
    )?
    .execute((saga_id, epoch))?;
    Ok(())
}

fn remembered(db: &Connection, key: &str) -> rusqlite::Result<Option<Remembered>> {
    db.prepare_cached("SELECT resultat, requete, status, corps FROM barriere WHERE cle = ?1")?
        .query_row([key], |row| {
            Ok(Remembered {
                refused: row.get_ref(0)?.as_str()? == <&str>::from(CallRecord::Refused),
                fingerprint: row.get(1)?,
                answer: JsonAnswer { status: row.get(2)?, body: row.get(3)?, headers: Vec::new() },
            })
        })
        .optional()
}

fn remember(
    db: &Connection,
    key: &str,
    result: CallRecord,
    fingerprint: &str,
    answer: &JsonAnswer,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO barriere (cle, resultat, requete, status, corps) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((key, <&str>::from(result), fingerprint, answer.status, &answer.body))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTION: Option<CallDirection> = Some(CallDirection::Action);
    const COMPENSATION: Option<CallDirection> = Some(CallDirection::Compensation);

    fn row(fingerprint: &str, refused: bool) -> Option<Remembered> {
        Some(Remembered {
            refused,
            fingerprint: fingerprint.to_owned(),
            answer: JsonAnswer::detail(200, "stored"),
        })
    }

    #[test]
    fn a_first_action_proceeds_and_its_compensation_after_it_too() {
        assert_eq!(judge(Some(1), ACTION, "a", KnownCall::default()), BarrierDecision::Proceed);
        let known = KnownCall { sibling: row("a", false), epoch: Some(1), ..KnownCall::default() };
        assert_eq!(judge(Some(1), COMPENSATION, "c", known), BarrierDecision::Proceed);
    }

    #[test]
    fn a_compensation_of_a_missing_or_refused_action_is_null() {
        assert_eq!(judge(None, COMPENSATION, "c", KnownCall::default()), BarrierDecision::Null);
        let known = KnownCall { sibling: row("a", true), ..KnownCall::default() };
        assert_eq!(judge(None, COMPENSATION, "c", known), BarrierDecision::Null);
    }

    #[test]
    fn an_action_after_its_compensation_hangs_even_if_that_one_was_refused() {
        for refused in [false, true] {
            let known = KnownCall { sibling: row("c", refused), ..KnownCall::default() };
            assert_eq!(judge(None, ACTION, "a", known), BarrierDecision::Hanging);
        }
    }

    #[test]
    fn an_action_that_had_its_effect_hangs_once_its_compensation_is_there() {
        for refused in [false, true] {
            let known =
                KnownCall { own: row("a", false), sibling: row("c", refused), ..KnownCall::default() };
            assert_eq!(judge(None, ACTION, "a", known), BarrierDecision::Hanging);
        }
    }

    #[test]
    fn a_refused_action_keeps_its_refusal_and_a_compensation_its_answer() {
        let stored = || BarrierDecision::Replay(JsonAnswer::detail(200, "stored"));
        let known = KnownCall { own: row("a", true), sibling: row("c", false), ..KnownCall::default() };
        assert_eq!(judge(None, ACTION, "a", known), stored());
        let known = KnownCall { own: row("c", false), sibling: row("a", false), ..KnownCall::default() };
        assert_eq!(judge(None, COMPENSATION, "c", known), stored());
        let known = KnownCall { own: row("a", false), ..KnownCall::default() };
        assert_eq!(judge(None, ACTION, "a", known), stored());
        // A key that names no step has no sibling that counts.
        let known = KnownCall { own: row("a", false), sibling: row("c", false), ..KnownCall::default() };
        assert_eq!(judge(None, None, "a", known), stored());
    }

    #[test]
    fn a_stale_epoch_wins_over_a_reused_key_and_that_over_hanging() {
        let known = || KnownCall { epoch: Some(3), own: row("a", false), sibling: row("c", false) };
        for fingerprint in ["a", "other"] {
            assert_eq!(judge(Some(2), ACTION, fingerprint, known()), BarrierDecision::Stale { seen: 3 });
        }
        assert_eq!(judge(Some(3), ACTION, "other", known()), BarrierDecision::Reused);
        assert_eq!(judge(Some(3), ACTION, "a", known()), BarrierDecision::Hanging);
    }
}

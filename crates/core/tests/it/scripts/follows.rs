//! The events and calls that are foretold of a command.

use std::sync::Arc;

use saga_core::event::Finding;
use saga_core::saga::{Following, FollowingEnd, Rejected, WaitingFor};
use saga_core::{Command, CommandId, CommandKind, Definition, Json};

use crate::support::{Run, at, checkout, saga_id};

/// The checkout's saga after a script, and what is foretold of a command then; the saga itself must stay as it is.
fn foretold(definition: &Arc<Definition>, script: &str, kind: CommandKind) -> Result<Following, Rejected> {
    let mut run = Run::start(definition);
    run.steps(script);
    let moment = at(run.now_ms * 1_000, 0);
    let before = (run.saga.seq(), run.saga.effects());
    let command = Command { id: CommandId::new(uuid::Uuid::from_u128(7)), asked: moment.now, by: None, kind };
    let following = run.saga.what_follows(&command, moment);
    assert_eq!((run.saga.seq(), run.saga.effects()), before, "foretelling changes nothing");
    following
}

/// The calls: method and path, with `…` before those that were under way, and the milliseconds after which they come later.
fn calls(following: &Following, now_ms: i64) -> Vec<String> {
    let shown = |call: &saga_core::saga::FollowingCall| {
        let request = call.request.as_ref().map(|request| format!("{} {}", request.method, request.path));
        let begun = if call.is_under_way { "…" } else { "" };
        let later = call.at.map_or_else(String::new, |at| format!(" +{}", at.as_micros() / 1_000 - now_ms));
        format!("{begun}{}{later}", request.unwrap_or_else(|_| "?".to_owned()))
    };
    following.calls.iter().map(shown).collect()
}

fn cancel() -> CommandKind {
    CommandKind::Cancel
}

fn resume() -> CommandKind {
    CommandKind::Resume { by: "Ana".into(), reason: None }
}

#[test]
fn a_cancel_is_foretold_to_its_end() {
    let following = foretold(&checkout("barrier"), "ok; ok; ok; refused", cancel());
    assert!(matches!(following, Err(Rejected::Failing)), "{following:?}");
    let sale = format!("DELETE /api/ventes/commande/{}", saga_id());
    let undone = [&*sale, "POST /api/clients/7/rembourser", "POST /api/stock/liberer"];
    // At a barrier, the sale is undone whether or not it is known to have run.
    let following = foretold(&checkout("barrier"), "ok; ok; ok", cancel()).unwrap();
    assert_eq!(calls(&following, 0), undone);
    assert_eq!(following.end, FollowingEnd::Over("ANNULEE".into()));
    assert_eq!(following.records.len(), 2, "the decision, and the first attempt");
    // Without one, its answer is waited for.
    let following = foretold(&checkout("idempotent"), "ok; ok; ok", cancel()).unwrap();
    assert_eq!(calls(&following, 0), [&["…POST /api/ventes"], &undone[..]].concat());
    assert_eq!(following.end, FollowingEnd::Over("ANNULEE".into()));
    assert_eq!(following.records.len(), 1);
}

#[test]
fn what_is_over_has_nothing_to_follow() {
    let done = foretold(&checkout("barrier"), "ok; ok; ok; ok", cancel());
    assert!(matches!(done, Err(Rejected::Completed)), "{done:?}");
    let done = foretold(&checkout("barrier"), "ok; ok; ok; ok", resume());
    assert!(matches!(done, Err(Rejected::Over)), "{done:?}");
}

#[test]
fn trying_again_is_foretold_as_the_call_that_comes_and_those_after_it() {
    // The compensation of the payment keeps failing.
    let script = "ok; ok; ok; refused; refused; wait; refused";
    let following = foretold(&checkout("barrier"), script, resume()).unwrap();
    assert_eq!(calls(&following, 0), ["POST /api/clients/7/rembourser", "POST /api/stock/liberer"]);
    assert_eq!(following.end, FollowingEnd::Over("ECHEC_ENREGISTREMENT".into()));
    assert_eq!(following.records.len(), 2, "the command's event, and the attempt");
    // Going forward, the answer decides what comes next.
    let following = foretold(&checkout("barrier"), "ok; not_sent", resume()).unwrap();
    assert_eq!(
        (calls(&following, 0), following.end),
        (vec!["POST /api/stock/reserver".into()], FollowingEnd::GoesOn)
    );
}

#[test]
fn a_finding_is_foretold_with_what_is_left_to_undo() {
    // Without a promise, a payment whose outcome is unknown needs a person.
    let resolve = |finding| CommandKind::Resolve {
        step: 2,
        finding,
        output: Some(Json::null()),
        by: "Ana".into(),
        reason: "looked it up".into(),
    };
    let definition = checkout("none");
    let ran = foretold(&definition, "ok; ok; unknown", resolve(Finding::Ran)).unwrap();
    assert_eq!(calls(&ran, 0), ["POST /api/clients/7/rembourser", "POST /api/stock/liberer"]);
    let not_run = foretold(&definition, "ok; ok; unknown", resolve(Finding::NotRun)).unwrap();
    assert_eq!(calls(&not_run, 0), ["POST /api/stock/liberer"]);
    for following in [ran, not_run] {
        assert_eq!(following.end, FollowingEnd::Over("ECHEC_PAIEMENT".into()));
    }
    let other = foretold(&definition, "ok; ok; unknown", cancel());
    assert!(matches!(other, Err(Rejected::Failing)), "{other:?}");
}

#[test]
fn a_rollback_that_waits_for_a_person_is_foretold_until_there() {
    let definition = checkout("none");
    // The stock's compensation is lost from sight: whether it ran, nobody knows.
    let following = foretold(&definition, "ok; ok; refused; unknown", resume());
    assert!(matches!(following, Err(Rejected::InDoubt)), "{following:?}");
    let following = foretold(&definition, "ok; ok", cancel()).unwrap();
    assert_eq!(
        following.end,
        FollowingEnd::Over("ANNULEE".into()),
        "if the payment's answer says that it ran"
    );
    assert!(
        !matches!(&following.end, FollowingEnd::Waits(waits) if waits.iter().any(|it| it.cause == WaitingFor::Person))
    );
}

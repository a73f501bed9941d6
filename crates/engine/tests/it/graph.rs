//! Steps at the same time, and steps that are skipped.

use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::Event;
use saga_core::saga::Rollback;
use saga_engine::Limits;
use saga_journal::Histories;

use crate::support::{PATIENT, Place, Shop, answered, order, parse};

/// `vol` and `hotel` at the same time, then `billet`; `assurance` for the clients from 100 on.
fn trip(condition: &str) -> Shop {
    let step = |name: &str, more: &str| {
        let upper = name.to_uppercase();
        format!(
            "  - step: {name}\n    participant: agence\n{more}    action: {{ post: /{name} }}\n    \
             compensation: {{ delete: '/{name}/\\(.saga_id)' }}\n    success: {upper}\n    failure: ECHEC_{upper}\n"
        )
    };
    let steps = [
        step("vol", ""),
        step("hotel", "    after: []\n"),
        step("assurance", &format!("    after: []\n    when: {condition}\n")),
        step("billet", "    after: [vol, hotel, assurance]\n"),
    ];
    let source = format!(
        "saga: voyage\ninput: {{ client_id: integer, magasin_id: integer }}\n\
         states: {{ started: DEBUT, completed: FINI, cancelled: ANNULE }}\n\
         participants:\n  agence: {{ url: http://agence, safety: idempotent }}\nsteps:\n{}",
        steps.concat()
    );
    Shop::serving(parse(&source), Limits::default())
}

const RICH: &str = ".input.client_id >= 100";

#[tokio::test(start_paused = true)]
async fn steps_that_do_not_wait_for_each_other_run_at_the_same_time() {
    let shop = trip(RICH);
    let second = Duration::from_secs(1);
    shop.participants.next("vol action", 3 * second, answered(200, "{}"));
    shop.participants.next("hotel action", 2 * second, answered(200, "{}"));
    let begun = tokio::time::Instant::now();
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!((&*end.state, begun.elapsed().as_secs()), ("FINI", 3));
    let calls: Vec<String> = shop.log().into_iter().filter(|line| line.starts_with("call")).collect();
    assert_eq!(
        calls,
        ["call vol action #1 epoch 1", "call hotel action #1 epoch 1", "call billet action #1 epoch 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_condition_holds_is_done_and_another_one_is_skipped() {
    for (client, calls) in [(99, 0), (100, 1)] {
        let shop = trip(RICH);
        let end = shop.engine.place(order(client, None, PATIENT)).await.unwrap();
        assert_eq!((&*end.state, shop.participants.calls("assurance action")), ("FINI", calls), "{client}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_undoes_what_runs_at_the_same_time_once_that_is_settled() {
    let shop = trip(RICH);
    shop.participants.next("vol action", Duration::from_secs(3), answered(200, "{}"));
    shop.participants.next("hotel action", Duration::from_secs(1), answered(409, "{}"));
    let end = shop.engine.place(order(100, None, PATIENT)).await.unwrap();
    assert_eq!((&*end.state, end.rollback), ("ECHEC_HOTEL", Rollback::Done));
    let of = |what: &str| shop.participants.calls(what);
    assert_eq!((of("vol compensation"), of("hotel compensation"), of("billet action")), (1, 0, 0));
    assert_eq!(of("assurance action"), of("assurance compensation"));
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_is_an_error_fails_its_step_and_undoes_the_others() {
    let shop = trip(".input.client_id.x == 1");
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!(&*end.state, "ECHEC_ASSURANCE");
    let failure = end.failure.expect("a failure");
    assert_eq!(failure.step.as_deref(), Some("assurance"));
    assert!(failure.reason.starts_with("`when`: "), "{failure:?}");
    let of = |what: &str| shop.participants.calls(what);
    for step in ["vol", "hotel"] {
        let (done, undone) = (of(&format!("{step} action")), of(&format!("{step} compensation")));
        assert!(undone <= done, "{step}: {:?}", shop.log());
    }
    assert_eq!(of("assurance action") + of("billet action"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_takes_long_is_evaluated_elsewhere() {
    let shop = trip("(reduce range(300000) as $i (0; . + 1)) + .input.client_id > 0");
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!((&*end.state, shop.participants.calls("assurance action")), ("FINI", 1));
    assert!(shop.elsewhere.load(Ordering::SeqCst) > 0);
}

#[tokio::test(start_paused = true)]
async fn rule_8_a_call_that_cannot_be_undone_is_heard_after_the_rollback_is_decided() {
    let step = |name: &str, more: &str, undo: &str| {
        format!(
            "  - {{ step: {name}, participant: agence, action: {{ post: /{name} }}, compensation: {undo}{more} }}\n"
        )
    };
    let steps = [
        step("vol", "", "{ post: /x }"),
        step("lettre", ", after: [vol]", "none"),
        step("hotel", ", after: [vol]", "none"),
    ];
    let source = format!(
        "saga: voyage\ninput: {{ client_id: integer, magasin_id: integer }}\n\
         participants:\n  agence: {{ url: http://agence }}\nsteps:\n{}",
        steps.concat()
    );
    let shop = Shop::serving(parse(&source), Limits::default());
    shop.participants.next("lettre action", Duration::from_secs(3), answered(200, "{}"));
    shop.participants.next("hotel action", Duration::from_secs(1), answered(409, "{}"));
    shop.participants.next("vol compensation", Duration::from_secs(5), answered(200, "{}"));
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!((&*end.state, end.rollback), ("FAILED", Rollback::Done));
    let history = shop.journal.load(end.saga).await.unwrap().expect("a history");
    let told: Vec<String> = history
        .records
        .iter()
        .filter_map(|record| match &record.event {
            Event::AttemptEnded { step, direction, outcome, .. } => {
                Some(format!("{step} {direction} {outcome}"))
            }
            Event::RollbackDecided { .. } => Some("rollback".to_owned()),
            _ => None,
        })
        .collect();
    let wanted = ["0 action ok", "2 action refused", "rollback", "1 action ok", "0 compensation ok"];
    assert_eq!(told, wanted);
    assert_eq!(shop.participants.calls("lettre"), 1);
}

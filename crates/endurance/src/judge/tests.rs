//! What the judge finds, and what it lets pass.

use super::*;
use crate::load::Manner;

/// An order that had two owners, was paid and is confirmed.
const FRAMES: [(i64, &str); 4] = [
    (
        1,
        r#"[{"at":162,"etat":"INITIEE","event":{"started":{"definition":"HASH","input":{"client_id":4,"magasin_id":9868},"deadline":60000162,"claim":1}}},{"at":162,"event":{"attempt_started":{"step":0,"direction":"action","attempt":1}}},{"at":165,"event":{"attempt_ended":{"step":0,"direction":"action","attempt":1,"outcome":"ok","status":200,"output":{"produits":[],"montant":80.97}}}},{"at":165,"event":{"attempt_started":{"step":1,"direction":"action","attempt":1}}}]"#,
    ),
    (
        5,
        r#"[{"at":313,"etat":"STOCK_RESERVE","event":{"attempt_ended":{"step":1,"direction":"action","attempt":1,"outcome":"ok","status":200}}},{"at":313,"event":{"attempt_started":{"step":2,"direction":"action","attempt":1}}}]"#,
    ),
    (
        7,
        r#"[{"at":560,"event":{"taken_over":{"epoch":2,"claim":2}}},{"at":560,"event":{"attempt_started":{"step":2,"direction":"action","attempt":2}}}]"#,
    ),
    (
        9,
        r#"[{"at":582,"etat":"PAIEMENT_EFFECTUE","event":{"attempt_ended":{"step":2,"direction":"action","attempt":2,"outcome":"ok","status":200}}},{"at":582,"event":{"attempt_started":{"step":3,"direction":"action","attempt":1}}},{"at":598,"etat":"COMMANDE_ENREGISTREE","event":{"attempt_ended":{"step":3,"direction":"action","attempt":1,"outcome":"ok","status":201}}},{"at":598,"etat":"CONFIRMEE","event":"completed"}]"#,
    ),
];

fn court() -> Court {
    Court::new(definitions().unwrap(), HashMap::new())
}

fn kept() -> StoredOrder {
    StoredOrder {
        saga: Uuid::from_u128(1),
        seq: 12,
        epoch: 2,
        etat: "CONFIRMEE".to_owned(),
        rollback: "AUCUN".to_owned(),
        is_over: true,
        client_id: 4,
        magasin_id: 9868,
        definition: "checkout".to_owned(),
        frames: FRAMES
            .map(|(seq, events)| (seq, events.replace("HASH", &definitions().unwrap()[0].hash.to_string())))
            .into(),
    }
}

fn found(change: impl FnOnce(&mut StoredOrder)) -> String {
    let mut kept = kept();
    change(&mut kept);
    records(&kept).and_then(|records| court().history(&kept, &records, &[])).unwrap_err()
}

#[test]
fn a_whole_history_is_one() {
    let mut court = court();
    court.history(&kept(), &records(&kept()).unwrap(), &[]).unwrap();
    assert_eq!(court.verdict.taken_over[&Uuid::from_u128(1)], [560]);
}

#[test]
fn whatever_is_wrong_with_a_history_is_found() {
    let replace = |frame: usize, from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        found(move |kept| {
            assert!(kept.frames[frame].1.contains(&from));
            kept.frames[frame].1 = kept.frames[frame].1.replace(&from, &to);
        })
    };
    assert!(found(|kept| drop(kept.frames.remove(1))).contains("event 5 is missing"));
    assert!(found(|kept| drop(kept.frames.pop())).contains("its row"));
    assert!(found(|kept| kept.epoch = 3).contains("its row"));
    assert!(found(|kept| kept.etat = "ANNULEE".to_owned()).contains("its row"));
    assert!(replace(2, r#""at":560"#, r#""at":100"#).contains("after one of"));
    assert!(replace(2, r#""epoch":2"#, r#""epoch":0"#).contains("after epoch"));
    assert!(replace(3, r#""outcome":"ok","status":201"#, r#""outcome":"refused""#).contains("illegal"));
    assert!(replace(3, "completed", "no such event").contains("frame 9"));
}

#[test]
fn an_effect_that_no_history_knows_is_found() {
    let mut court = court();
    let mut kept = kept();
    kept.frames.truncate(1);
    (kept.seq, kept.epoch, kept.is_over, kept.etat) = (4, 1, false, "INITIEE".to_owned());
    let line = |operation: &str| ShopLine { operation: operation.to_owned(), ..ledgers::tests::line("") };
    let records = records(&kept).unwrap();
    court.history(&kept, &records, &[line("reserver")]).unwrap();
    assert!(court.history(&kept, &records, &[line("annuler")]).unwrap_err().contains("does not know"));
    court.effects.insert("nobody's".to_owned(), vec![line("payer")]);
    court.nobody_else_has_effects();
    assert!(court.verdict.violations[0].contains("does not exist"));
}

#[test]
fn a_signal_that_is_lost_or_doubled_or_nobody_s_is_found() {
    let sent =
        |saga: &str, is_acknowledged| SignalSent { saga: saga.into(), key: "k".into(), is_acknowledged };
    let wrong = |kept: &[(&str, usize)], sent: &[SignalSent]| {
        let mut court = court();
        court.signals =
            kept.iter().map(|(saga, times)| ((saga.to_string(), "k".to_owned()), *times)).collect();
        court.signals(sent);
        court.verdict.violations.len()
    };
    assert_eq!(wrong(&[("a", 1)], &[sent("a", true), sent("b", false)]), 0);
    assert_eq!(wrong(&[], &[sent("a", true)]), 1);
    assert_eq!(wrong(&[("a", 2)], &[sent("a", false)]), 1);
    assert_eq!(wrong(&[("a", 1)], &[]), 1);
}

#[test]
fn a_pause_that_ends_before_its_time_is_found() {
    let kept = StoredOrder { definition: "errand".to_owned(), ..kept() };
    let rest = |at: i64| {
        let ended = format!(
            r#"[{{"at":1,"event":{{"waits":{{"step":3,"until":9}}}}}},{{"at":{at},"event":{{"pause_ended":{{"step":3}}}}}}]"#
        );
        let records: Vec<Record> = serde_json::from_str(&ended).unwrap();
        court().history(&kept, &records, &[]).unwrap_err()
    };
    assert!(rest(8).contains("before its time"));
    assert!(rest(9).contains("illegal"), "its history has no start: {}", rest(9));
}

#[test]
fn an_answer_that_is_not_so_is_found() {
    let mut court = court();
    court.ends.insert("a".to_owned(), (4, 1, "CONFIRMEE".to_owned()));
    court.ends.insert("b".to_owned(), (4, 1, "ANNULEE".to_owned()));
    let wish = |number| Wish { manner: Manner::Wait, ..Wish::plain(number, 4) };
    let end =
        |saga: &str, etat: &str| CallerResult::Final { saga: saga.into(), etat: etat.into(), blocked: false };
    let blocked = |etat: &str| CallerResult::Final { saga: "a".into(), etat: etat.into(), blocked: true };
    court.blocked.insert(("a".to_owned(), "STOCK_RESERVE".to_owned()));
    let refused = |code: &str| CallerResult::NotCancelled { saga: "a".into(), code: code.into() };
    let right = [
        (wish(1), end("a", "CONFIRMEE")),
        (wish(1), CallerResult::Accepted { saga: "a".into() }),
        (wish(1), CallerResult::WillBeCancelled { saga: "b".into() }),
        (wish(1), refused("already_completed")),
        (wish(1), blocked("STOCK_RESERVE")),
        (wish(1), CallerResult::Lost),
    ];
    for (wish, told) in &right {
        court.answer(wish, told).unwrap();
    }
    let wrong = [
        (wish(1), end("a", "ANNULEE")),
        (wish(2), end("a", "CONFIRMEE")),
        (wish(1), blocked("INITIEE")),
        (wish(1), blocked("CONFIRMEE")),
        (wish(1), CallerResult::Accepted { saga: "c".into() }),
        (wish(1), CallerResult::WillBeCancelled { saga: "a".into() }),
        (wish(1), refused("already_failed")),
    ];
    for (wish, told) in &wrong {
        court.answer(wish, told).unwrap_err();
    }
    court.answers(&[]);
    assert!(court.verdict.violations[0].contains("one key, two orders"));
}

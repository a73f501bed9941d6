//! PostgreSQL, several processes, and the moments between two of their statements: each held open on purpose.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use saga_core::SagaId;
use saga_journal::{AppendError, Lease, Posted, ReplicaId, Store};
use tokio_postgres::Client;

use crate::entries::{OWNER, by, next, records, replica, saga, start};
use crate::fixture::{Fixture, InPostgres, LONG, Sql, join, keep};
use crate::inbox::command;
use crate::postgres::{until_nobody_is_at_work, until_somebody_waits};

/// A process that is about to take over.
const HEIR: ReplicaId = replica(50);
/// Another one.
const RIVAL: ReplicaId = replica(150);

/// Two processes on one database; [`HEIR`] and [`RIVAL`] have joined. And a connection to hold things up with.
async fn two_processes() -> (InPostgres, [Arc<dyn Store>; 2], Client) {
    let fixture = InPostgres::new();
    let stores = [fixture.open().await, fixture.open_for_nobody().await];
    join(&*stores[1], HEIR).await;
    join(&*stores[1], RIVAL).await;
    let person = fixture.connect().await;
    (fixture, stores, person)
}

/// The effect of a claim's last statement on one row.
fn give(number: u128, owner: ReplicaId) -> String {
    format!("UPDATE saga SET owner = '{owner}' WHERE saga_id = '{}'", saga(number))
}

async fn claim(store: &dyn Store) -> Vec<SagaId> {
    store.expire().await.unwrap();
    let mut claimed = store.claim(HEIR, 10).await.unwrap();
    claimed.sort();
    claimed
}

#[tokio::test]
async fn a_start_that_commits_after_its_owner_is_gone_is_claimed_next() {
    let (_fixture, [old, new], person) = two_processes().await;
    keep(&*old, &[&start(1), &start(2)]).await;
    let lock = format!("BEGIN; SELECT FROM saga WHERE saga_id = '{}' FOR UPDATE", saga(1));
    person.batch_execute(&lock).await.unwrap();
    // The start is made, and waits for the rest of its batch; no other transaction sees it yet.
    let batch = [start(3), next(&start(1), "STOCK_RESERVE")];
    let takeover = async {
        until_somebody_waits(&person).await;
        new.leave(OWNER).await.unwrap();
        // Nor does the claim wait for the row that is locked.
        assert_eq!(claim(&*new).await, [saga(2)]);
        person.batch_execute("COMMIT").await.unwrap();
    };
    let (results, ()) = tokio::join!(old.append(&batch), takeover);
    assert_eq!(results, Ok(vec![Ok(()), Ok(())]));
    assert_eq!(old.append(&[start(4)]).await, Ok(vec![Err(AppendError::Conflict)]));
    assert_eq!(claim(&*new).await, [saga(1), saga(3)]);
    assert_eq!(new.load(saga(3)).await.unwrap().unwrap().records, start(3).records);
}

#[tokio::test]
async fn an_append_that_waits_for_a_claim_conflicts() {
    let (_fixture, [old, new], person) = two_processes().await;
    keep(&*old, &[&start(1), &start(2)]).await;
    new.leave(OWNER).await.unwrap();
    person.batch_execute(&format!("BEGIN; {}", give(1, HEIR))).await.unwrap();
    let batch = [1, 2].map(|number| next(&start(number), "STOCK_RESERVE"));
    let claimed = async {
        until_somebody_waits(&person).await;
        person.batch_execute("COMMIT").await.unwrap();
    };
    // The row's position is still the one that the entry expects: only the owner tells.
    let (results, ()) = tokio::join!(old.append(&batch), claimed);
    assert_eq!(results, Ok(vec![Err(AppendError::Conflict), Ok(())]));
    assert_eq!(new.load(saga(1)).await.unwrap().unwrap().records, start(1).records);
    let taken_over = by(HEIR, &batch[0]);
    keep(&*new, &[&taken_over]).await;
    assert_eq!(new.load(saga(1)).await.unwrap().unwrap().records, records(&[&start(1), &taken_over]));
}

#[tokio::test]
async fn a_claim_passes_over_what_another_one_is_taking() {
    let (_fixture, [old, new], person) = two_processes().await;
    keep(&*old, &[&start(1), &start(2), &start(3)]).await;
    old.leave(OWNER).await.unwrap();
    let begin = format!("BEGIN; {}; {}", give(1, RIVAL), give(2, RIVAL));
    person.batch_execute(&begin).await.unwrap();
    assert_eq!(claim(&*new).await, [saga(3)]);
    person.batch_execute("COMMIT").await.unwrap();
    assert_eq!(claim(&*new).await, []);

    // A claim that failed has taken nothing.
    keep(&*new, &[&by(HEIR, &start(4))]).await;
    person.batch_execute(&format!("BEGIN; {}", give(4, RIVAL))).await.unwrap();
    new.leave(HEIR).await.unwrap();
    assert_eq!(new.claim(RIVAL, 10).await, Ok(vec![saga(3)]));
    person.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(new.claim(RIVAL, 10).await, Ok(vec![saga(4)]));
}

#[tokio::test]
async fn what_was_claimed_since_a_claim_looked_is_not_claimed_again() {
    let (_fixture, [old, new], person) = two_processes().await;
    keep(&*old, &[&start(1), &start(2)]).await;
    // In the same gap as the owner that is gone, and not known yet when the claim looks which replicas are live.
    let newcomer = replica(101);
    old.leave(OWNER).await.unwrap();
    // The claim may read, but not write: it stops between looking which owners are gone and taking their sagas.
    let begin = format!(
        "BEGIN; INSERT INTO replica VALUES ('{newcomer}', 'new', now(), now() + interval '1 hour', false); \
         {}; LOCK TABLE saga IN SHARE MODE",
        give(1, newcomer)
    );
    person.batch_execute(&begin).await.unwrap();
    let rival = async {
        until_somebody_waits(&person).await;
        person.batch_execute("COMMIT").await.unwrap();
    };
    let (claimed, ()) = tokio::join!(claim(&*new), rival);
    assert_eq!(claimed, [saga(2)]);
    assert_eq!(new.row(saga(1)).await.unwrap().unwrap().owner, newcomer);
}

#[tokio::test]
async fn a_renewal_that_waits_for_a_claim_to_notice_is_lost() {
    let (_fixture, [old, new], person) = two_processes().await;
    keep(&*old, &[&start(1)]).await;
    let notice = format!("BEGIN; UPDATE replica SET gone = true WHERE replica_id = '{OWNER}'");
    person.batch_execute(&notice).await.unwrap();
    let noticed = async {
        until_somebody_waits(&person).await;
        person.batch_execute("COMMIT").await.unwrap();
    };
    let (lease, ()) = tokio::join!(old.renew(OWNER, LONG), noticed);
    assert_eq!(lease, Ok(Lease::Lost));
    assert_eq!(claim(&*new).await, [saga(1)]);
}

#[tokio::test]
async fn a_claim_passes_over_a_lease_that_is_being_renewed() {
    let (fixture, [old, new], person) = two_processes().await;
    keep(&*old, &[&start(1)]).await;
    let run_out = "UPDATE replica SET expires_at = now() - interval '1 second' WHERE replica_id";
    fixture.execute(&format!("{run_out} = '{OWNER}'")).await;
    let renew = format!(
        "BEGIN; UPDATE replica SET expires_at = now() + interval '1 hour' WHERE replica_id = '{OWNER}'"
    );
    person.batch_execute(&renew).await.unwrap();
    assert_eq!(claim(&*new).await, []);
    person.batch_execute("COMMIT").await.unwrap();
    assert_eq!(claim(&*new).await, []);
    assert_eq!(old.renew(OWNER, LONG).await, Ok(Lease::Held));

    // A lease whose renewal is rolled back has run out, and the claim notices it after the rollback.
    fixture.execute(&format!("{run_out} = '{OWNER}'")).await;
    person.batch_execute(&renew).await.unwrap();
    assert_eq!(claim(&*new).await, []);
    person.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(claim(&*new).await, [saga(1)]);
    assert_eq!(old.renew(OWNER, LONG).await, Ok(Lease::Lost));
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_found_among_what_is_owned() {
    let (_fixture, [old, new], person) = two_processes().await;
    keep(&*old, &[&start(1), &start(2)]).await;
    keep(&*new, &[&by(HEIR, &start(3))]).await;
    new.leave(OWNER).await.unwrap();
    person.batch_execute("BEGIN; LOCK TABLE saga IN SHARE MODE").await.unwrap();
    let stall = async {
        until_somebody_waits(&person).await;
        // From here on the clock stands still but for deadlines: it jumps to the next one when nothing else can go on.
        tokio::time::pause();
    };
    let (result, ()) = tokio::join!(new.claim(HEIR, 10), stall);
    tokio::time::resume();
    let error = result.unwrap_err();
    assert!(error.to_string().contains("within OPERATION_DEADLINE (3 s)"), "{error}");
    // The server was told that the statement is not waited for any more. Whether it had carried the claim out by then,
    // the owned sagas tell.
    person.batch_execute("COMMIT").await.unwrap();
    until_nobody_is_at_work(&person).await;
    let rest = claim(&*new).await;
    assert!(rest.is_empty() || rest == [saga(1), saga(2)], "{rest:?}");
    assert_eq!(new.owned(HEIR, None, 10).await, Ok([1, 2, 3].map(saga).into()));
}

#[tokio::test]
async fn many_claimers_at_once_share_without_overlap() {
    let fixture = InPostgres::new();
    let store = fixture.open().await;
    let all: Vec<_> = (0..400).map(start).collect();
    assert!(store.append(&all).await.unwrap().iter().all(Result::is_ok));
    store.leave(OWNER).await.unwrap();
    let claims = (1..=4).map(|number| {
        let (fixture, claimer) = (&fixture, replica(number * 40));
        async move {
            let store = fixture.open_for_nobody().await;
            join(&*store, claimer).await;
            let mut claimed = Vec::new();
            // Far more than enough, but for the rounds in which the others have the rows that it looks at.
            for _ in 0..100 {
                claimed.extend(store.claim(claimer, 13).await.unwrap());
            }
            claimed
        }
    });
    let mut claimed = join_all(claims).await.concat();
    claimed.sort();
    assert_eq!(claimed, (0..400).map(saga).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_command_that_comes_with_the_end_is_answered_by_whichever_replica_finds_it() {
    let (_fixture, [old, new], person) = two_processes().await;
    keep(&*old, &[&start(1)]).await;
    let over = format!("BEGIN; UPDATE saga SET is_over = true WHERE saga_id = '{}'", saga(1));
    person.batch_execute(&over).await.unwrap();
    // It looks at the row as it was before.
    assert_eq!(new.post(command(1, 1)).await, Ok(Posted::Kept));
    person.batch_execute("COMMIT").await.unwrap();
    for replica in [OWNER, RIVAL] {
        assert_eq!(old.commands(replica, 10).await, Ok(vec![command(1, 1)]));
    }
}

#[tokio::test]
async fn of_two_commands_at_once_both_are_kept() {
    let (_fixture, [old, new], _person) = two_processes().await;
    keep(&*old, &[&start(1)]).await;
    let posted = tokio::join!(old.post(command(1, 1)), new.post(command(1, 2)));
    assert_eq!(posted, (Ok(Posted::Kept), Ok(Posted::Kept)));
    assert_eq!(old.commands(OWNER, 10).await, Ok(vec![command(1, 1), command(1, 2)]));
}

#[tokio::test]
async fn replicas_that_went_long_ago_are_forgotten() {
    let (fixture, [old, new], _person) = two_processes().await;
    let (done, busy) = (replica(1), replica(2));
    for gone in [done, busy] {
        join(&*old, gone).await;
    }
    keep(&*old, &[&by(busy, &start(1))]).await;
    for gone in [done, busy, RIVAL] {
        old.leave(gone).await.unwrap();
    }
    // All but RIVAL, which went just now; and HEIR, which is late, but not gone.
    let names = [done, busy, HEIR].map(|replica| format!("'{replica}'")).join(", ");
    let long_ago = format!(
        "UPDATE replica SET expires_at = now() - interval '61 minutes' WHERE replica_id IN ({names})"
    );
    fixture.execute(&long_ago).await;
    fixture.execute("UPDATE replica SET expires_at = now() - interval '9 years' WHERE name = 'nobody'").await;
    join(&*old, replica(3)).await;
    let left = fixture.query("SELECT replica_id FROM replica ORDER BY replica_id").await.concat();
    let expected = [replica(0), busy, replica(3), HEIR, OWNER, RIVAL].map(|replica| replica.to_string());
    assert_eq!(left, expected);

    // Forgotten with a saga, which then came late: its owner is known no more.
    fixture.execute(&format!("DELETE FROM replica WHERE replica_id = '{busy}'")).await;
    assert_eq!(new.claim(OWNER, 10).await, Ok(vec![saga(1)]));
    assert_eq!(new.renew(busy, Duration::from_secs(1)).await, Ok(Lease::Lost));
}

#[tokio::test]
async fn a_row_that_somebody_holds_does_not_hold_up_what_others_owned() {
    let (_fixture, [old, new], person) = two_processes().await;
    // Neighbours: no live replica's id lies between theirs.
    let (first, second) = (replica(101), replica(102));
    for gone in [first, second] {
        join(&*old, gone).await;
    }
    keep(&*old, &[&by(first, &start(1)), &by(second, &start(2))]).await;
    for gone in [first, second] {
        old.leave(gone).await.unwrap();
    }
    let lock = format!("BEGIN; SELECT FROM saga WHERE saga_id = '{}' FOR UPDATE", saga(1));
    person.batch_execute(&lock).await.unwrap();
    assert_eq!(claim(&*new).await, [saga(2)]);
    person.batch_execute("COMMIT").await.unwrap();
    assert_eq!(claim(&*new).await, [saga(1)]);
}

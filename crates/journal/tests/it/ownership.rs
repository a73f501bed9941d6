//! The ownership of sagas, and claims of sagas whose owners are gone: on every backend to the letter the same.

use std::collections::BTreeSet;
use std::time::Duration;

use saga_core::SagaId;
use saga_journal::{AppendError, Entry, Joining, Lease, ReplicaId, Store};

use crate::entries::{OWNER, by, end, next, records, replica, saga, start, word};
use crate::fixture::{Fixture, LONG, Leases, SHORT, conformance, join, keep};

conformance! {
    an_append_by_another_than_the_owner_conflicts_and_changes_nothing
    an_entry_that_is_there_already_conflicts_once_the_saga_has_another_owner
    only_a_live_replica_starts_sagas
    a_start_that_is_there_already_comes_again_after_its_owner_left
    what_a_gone_replica_owned_is_claimed_page_by_page
    two_claimers_share_without_overlap
    a_replica_that_is_not_live_claims_nothing
    whoever_left_does_not_come_back
    the_longest_lease_has_an_end
    a_nul_in_a_name_is_replaced
    a_process_that_is_started_again_replaces_itself
    what_is_owned_and_waits_for_a_person_is_not_looked_for
}

/// Leases do not run out in SQLite, where no other process could take over.
macro_rules! with_leases {
    ($($name:ident)*) => {
        mod memory_leases { $(#[tokio::test] async fn $name() { super::$name::<crate::fixture::InMemory>().await })* }
        mod postgres_leases { $(#[tokio::test] async fn $name() { super::$name::<crate::fixture::InPostgres>().await })* }
    };
}

with_leases! {
    a_lease_that_ran_out_and_was_expired_is_lost
    a_lease_that_ran_out_unnoticed_holds_again
    a_claimer_whose_own_lease_ran_out_gets_nothing
    a_lease_that_is_renewed_does_not_run_out
}

async fn conflicts(store: &dyn Store, entry: &Entry) {
    let results = store.append(std::slice::from_ref(entry)).await;
    assert_eq!(results, Ok(vec![Err(AppendError::Conflict)]), "{entry:?}");
}

async fn owner(store: &dyn Store, number: u128) -> ReplicaId {
    store.row(saga(number)).await.unwrap().unwrap().owner
}

/// All that `replica` gets, in pages of `limit`, in the order of ids.
async fn claim_all(store: &dyn Store, replica: ReplicaId, limit: usize) -> Vec<SagaId> {
    let mut all = Vec::new();
    loop {
        let page = store.claim(replica, limit).await.unwrap();
        assert!(page.len() <= limit);
        if page.is_empty() {
            all.sort();
            return all;
        }
        all.extend(page);
    }
}

async fn an_append_by_another_than_the_owner_conflicts_and_changes_nothing<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    join(&*store, replica(7)).await;
    let first = start(1);
    let second = next(&first, "STOCK_RESERVE");
    keep(&*store, &[&first]).await;
    let before = (store.load(saga(1)).await, store.row(saga(1)).await);
    for other in [replica(7), replica(8), ReplicaId::NOBODY] {
        conflicts(&*store, &by(other, &second)).await;
        conflicts(&*store, &by(other, &first)).await;
    }
    assert_eq!((store.load(saga(1)).await, store.row(saga(1)).await), before);
    keep(&*store, &[&second]).await;
}

async fn an_entry_that_is_there_already_conflicts_once_the_saga_has_another_owner<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let first = start(1);
    let second = next(&first, "STOCK_RESERVE");
    keep(&*store, &[&first, &second, &first, &second]).await;
    store.leave(OWNER).await.unwrap();
    keep(&*store, &[&first, &second]).await;
    join(&*store, replica(7)).await;
    assert_eq!(store.claim(replica(7), 10).await, Ok(vec![saga(1)]));

    let third = next(&second, "PAIEMENT_EFFECTUE");
    for entry in [&first, &second, &third] {
        conflicts(&*store, entry).await;
    }
    let third = by(replica(7), &third);
    keep(&*store, &[&third]).await;
    assert_eq!(store.load(saga(1)).await.unwrap().unwrap().records, records(&[&first, &second, &third]));
}

async fn only_a_live_replica_starts_sagas<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    join(&*store, replica(7)).await;
    store.leave(replica(7)).await.unwrap();
    join(&*store, ReplicaId::NOBODY).await;
    for owner in [replica(7), replica(8), ReplicaId::NOBODY] {
        let batch = [by(owner, &start(1)), start(2)];
        assert_eq!(store.append(&batch).await, Ok(vec![Err(AppendError::Conflict), Ok(())]), "{owner}");
        assert_eq!(store.load(saga(1)).await, Ok(None));
        assert_eq!(store.row(saga(1)).await, Ok(None));
    }
    keep(&*store, &[&start(1)]).await;
    assert_eq!(owner(&*store, 1).await, OWNER);
}

async fn a_start_that_is_there_already_comes_again_after_its_owner_left<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    store.leave(OWNER).await.unwrap();
    // Its first answer was lost, and no other replica has it yet.
    keep(&*store, &[&start(1)]).await;
    conflicts(&*store, &start(2)).await;
}

async fn what_a_gone_replica_owned_is_claimed_page_by_page<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    // The ids of the replicas that leave lie below, between and above the ids of those that stay.
    let (leaving, staying) = ([1, 2, 50, 51, 52, u128::MAX >> 1, u128::MAX - 1], [40, 60, 70]);
    let mut expected = BTreeSet::new();
    for (number, owner) in (1_000..).step_by(10).zip(leaving.iter().chain(&staying)) {
        join(&*store, replica(*owner)).await;
        for number in number..number + 3 {
            keep(&*store, &[&by(replica(*owner), &start(number))]).await;
            if leaving.contains(owner) {
                expected.insert(saga(number));
            }
        }
        let over = by(replica(*owner), &start(number + 5));
        keep(&*store, &[&over, &end(&over)]).await;
    }
    assert_eq!(store.claim(replica(60), 100).await, Ok(vec![]));
    for number in leaving {
        store.leave(replica(number)).await.unwrap();
    }
    assert_eq!(claim_all(&*store, replica(60), 4).await, Vec::from_iter(expected.clone()));
    expected.extend((1_080..1_083).map(saga));
    assert_eq!(store.owned(replica(60), None, 100).await.unwrap(), Vec::from_iter(expected));
    for (number, kept) in [(1_000, 60), (1_070, 40), (1_090, 70), (1_005, 1)] {
        assert_eq!(owner(&*store, number).await, replica(kept), "saga {number}");
    }
    // The claimer's own go the same way.
    store.leave(replica(60)).await.unwrap();
    assert_eq!(claim_all(&*store, replica(40), 100).await.len(), 3 * 8);
}

async fn two_claimers_share_without_overlap<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let all: Vec<Entry> = (0..200).map(start).collect();
    assert!(store.append(&all).await.unwrap().iter().all(Result::is_ok));
    let claimers = [50, 150].map(replica);
    for claimer in claimers {
        join(&*store, claimer).await;
    }
    store.leave(OWNER).await.unwrap();
    let [one, two] = claimers.map(|claimer| claim_all(&*store, claimer, 7));
    let (one, two) = tokio::join!(one, two);
    // One of them may have found all rows taken just then, and stopped; they come with the next claim.
    let rest = claim_all(&*store, claimers[0], 100).await;
    let mut claimed: Vec<SagaId> = one.iter().chain(&two).chain(&rest).copied().collect();
    claimed.sort();
    assert_eq!(claimed, (0..200).map(saga).collect::<Vec<_>>());
    for saga in two {
        assert_eq!(store.row(saga).await.unwrap().unwrap().owner, claimers[1]);
    }
}

async fn a_replica_that_is_not_live_claims_nothing<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    store.leave(OWNER).await.unwrap();
    for claimer in [OWNER, replica(7), ReplicaId::NOBODY] {
        assert_eq!(store.claim(claimer, 10).await, Ok(vec![]), "{claimer}");
    }
    assert_eq!(owner(&*store, 1).await, OWNER);
}

async fn whoever_left_does_not_come_back<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    assert_eq!(store.renew(OWNER, LONG).await, Ok(Lease::Held));
    assert_eq!(store.renew(replica(7), LONG).await, Ok(Lease::Lost));
    assert_eq!(store.renew(ReplicaId::NOBODY, LONG).await, Ok(Lease::Lost));
    // Its answer was lost, and it comes again.
    join(&*store, OWNER).await;
    keep(&*store, &[&start(1)]).await;
    for _ in 0..2 {
        store.leave(OWNER).await.unwrap();
        join(&*store, OWNER).await;
        assert_eq!(store.renew(OWNER, LONG).await, Ok(Lease::Lost));
    }
    conflicts(&*store, &start(2)).await;
    store.leave(replica(8)).await.unwrap();
}

async fn the_longest_lease_has_an_end<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    store.join(replica(7), word("for ever"), Joining::Started, Duration::MAX).await.unwrap();
    assert_eq!(store.renew(replica(7), Duration::MAX).await, Ok(Lease::Held));
    keep(&*store, &[&by(replica(7), &start(1))]).await;
    assert_eq!(store.claim(OWNER, 10).await, Ok(vec![]));
}

async fn a_nul_in_a_name_is_replaced<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    store.join(replica(7), word("a\0b"), Joining::Started, LONG).await.unwrap();
    assert_eq!(store.renew(replica(7), LONG).await, Ok(Lease::Held));
}

/// The store, once it has been made final which leases have run out.
async fn expired(store: &dyn Store) -> &dyn Store {
    store.expire().await.unwrap();
    store
}

/// A replica that joins under a name that is known already is that process, started again.
async fn a_process_that_is_started_again_replaces_itself<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let (before, other, after) = (replica(7), replica(8), replica(9));
    for (joining, name) in [(before, "a"), (other, "b")] {
        store.join(joining, word(name), Joining::Started, LONG).await.unwrap();
        keep(&*store, &[&by(joining, &start(u128::from(joining == other)))]).await;
    }
    store.join(after, word("a"), Joining::Started, LONG).await.unwrap();
    assert_eq!(store.renew(before, LONG).await, Ok(Lease::Lost));
    assert_eq!(store.renew(other, LONG).await, Ok(Lease::Held));
    assert_eq!(store.claim(after, 10).await, Ok(vec![saga(0)]));
    // Its answer may have been lost.
    store.join(after, word("a"), Joining::Started, LONG).await.unwrap();
    assert_eq!(store.renew(after, LONG).await, Ok(Lease::Held));
    // A process that lost its lease and goes on is not a restart of the replica that has its name by now.
    let again = replica(10);
    store.join(again, word("a"), Joining::Again, LONG).await.unwrap();
    for live in [after, again] {
        assert_eq!(store.renew(live, LONG).await, Ok(Lease::Held));
    }
    store.join(replica(11), word("a"), Joining::Started, LONG).await.unwrap();
    for gone in [after, again] {
        assert_eq!(store.renew(gone, LONG).await, Ok(Lease::Lost));
    }
}

/// A saga that waits for an operator alone need not run anywhere.
async fn what_is_owned_and_waits_for_a_person_is_not_looked_for<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let first = start(1);
    keep(&*store, &[&first, &start(2)]).await;
    assert_eq!(store.owned(OWNER, None, 10).await, Ok(vec![saga(1), saga(2)]));
    let mut blocked = next(&first, "ECHEC_STOCK");
    blocked.row.rollback = saga_core::saga::Rollback::Blocked;
    blocked.row.due = None;
    keep(&*store, &[&blocked]).await;
    assert_eq!(store.owned(OWNER, None, 10).await, Ok(vec![saga(2)]));
}

async fn a_lease_that_ran_out_and_was_expired_is_lost<F: Leases>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let late = replica(7);
    store.join(late, word("late"), Joining::Started, SHORT).await.unwrap();
    let first = by(late, &start(1));
    keep(&*store, &[&first]).await;
    fixture.run_out(late).await;
    // The store has not made it final that the lease has run out.
    let second = next(&first, "STOCK_RESERVE");
    keep(&*store, &[&second, &by(late, &start(2))]).await;

    assert_eq!(claim_all(expired(&*store).await, OWNER, 1).await, [saga(1), saga(2)]);
    for _ in 0..2 {
        assert_eq!(store.renew(late, LONG).await, Ok(Lease::Lost));
        join(&*store, late).await;
    }
    conflicts(&*store, &next(&second, "PAIEMENT_EFFECTUE")).await;
    conflicts(&*store, &by(late, &start(3))).await;
    keep(&*store, &[&by(OWNER, &next(&second, "PAIEMENT_EFFECTUE"))]).await;
}

async fn a_lease_that_ran_out_unnoticed_holds_again<F: Leases>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let late = replica(7);
    store.join(late, word("late"), Joining::Started, SHORT).await.unwrap();
    keep(&*store, &[&by(late, &start(1))]).await;
    fixture.run_out(late).await;
    assert_eq!(store.renew(late, LONG).await, Ok(Lease::Held));
    assert_eq!(expired(&*store).await.claim(OWNER, 10).await, Ok(vec![]));
    assert_eq!(store.renew(late, SHORT).await, Ok(Lease::Held));
    fixture.run_out(late).await;
    assert_eq!(expired(&*store).await.claim(OWNER, 10).await, Ok(vec![saga(1)]));
}

async fn a_claimer_whose_own_lease_ran_out_gets_nothing<F: Leases>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    store.leave(OWNER).await.unwrap();
    let late = replica(7);
    store.join(late, word("late"), Joining::Started, SHORT).await.unwrap();
    fixture.run_out(late).await;
    assert_eq!(expired(&*store).await.claim(late, 10).await, Ok(vec![]));
    assert_eq!(store.renew(late, LONG).await, Ok(Lease::Lost));
    assert_eq!(owner(&*store, 1).await, OWNER);
}

async fn a_lease_that_is_renewed_does_not_run_out<F: Leases>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let (late, longer) = (replica(7), replica(8));
    for joining in [late, longer] {
        store.join(joining, word(&joining.to_string()), Joining::Started, SHORT).await.unwrap();
        keep(&*store, &[&by(joining, &start(u128::from(joining == longer)))]).await;
    }
    assert_eq!(store.renew(longer, LONG).await, Ok(Lease::Held));
    fixture.run_out(late).await;
    assert_eq!(expired(&*store).await.claim(OWNER, 10).await, Ok(vec![saga(0)]));
    assert_eq!(store.renew(longer, LONG).await, Ok(Lease::Held));
}

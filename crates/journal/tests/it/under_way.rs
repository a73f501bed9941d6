//! The sagas that are not over, by definition and by what they wait for; and the replicas that own them: the same on every
//! backend.

use saga_core::definition::DefinitionHash;
use saga_core::saga::{Rollback, Waiting, WaitingFor};
use saga_journal::{
    Entry, Joining, LeaseStanding, PinnedSagas, ReplicaStanding, SagasThatWait, Store, UnderWay, WaitKey,
};

use crate::entries::{OWNER, at, by, end, replica, saga, start, word};
use crate::fixture::{Fixture, LONG, Leases, SHORT, conformance, join, keep};

conformance! {
    sagas_that_are_not_over_are_counted_by_definition_and_by_what_they_wait_for
    the_replicas_are_told_with_what_they_own
}

mod postgres_leases {
    #[tokio::test]
    async fn a_replica_whose_lease_ran_out_is_told_until_its_sagas_are_claimed() {
        super::a_replica_whose_lease_ran_out_is_told_until_its_sagas_are_claimed::<crate::fixture::InPostgres>()
            .await;
    }
}

mod memory_leases {
    #[tokio::test]
    async fn a_replica_whose_lease_ran_out_is_told_until_its_sagas_are_claimed() {
        super::a_replica_whose_lease_ran_out_is_told_until_its_sagas_are_claimed::<crate::fixture::InMemory>(
        )
        .await;
    }
}

fn waits(step: &str, cause: WaitingFor, until: Option<i64>) -> Waiting {
    Waiting { step: step.into(), cause, until: until.map(at), since: None }
}

/// The start of a saga that began then and waits so.
fn waiting(number: u128, created: i64, waiting: &[Waiting]) -> Entry {
    let mut entry = start(number);
    entry.row.created = at(created);
    entry.row.summary.waiting = waiting.to_vec();
    entry
}

async fn sagas_that_are_not_over_are_counted_by_definition_and_by_what_they_wait_for<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    assert_eq!(store.under_way().await, Ok(UnderWay::default()));
    let over = waiting(1, 1, &[waits("paiement", WaitingFor::Retry, Some(3))]);
    let mut ended = end(&over);
    ended.row.summary = over.row.summary.clone();
    keep(&*store, &[&over, &ended]).await;
    assert_eq!(store.under_way().await, Ok(UnderWay::default()));

    keep(&*store, &[&waiting(2, 20, &[waits("paiement", WaitingFor::Retry, Some(90))])]).await;
    keep(&*store, &[&waiting(3, 10, &[waits("paiement", WaitingFor::Retry, Some(70))])]).await;
    let two = [waits("stock", WaitingFor::Call, None), waits("accord", WaitingFor::Signal, Some(80))];
    keep(&*store, &[&waiting(4, 40, &two)]).await;
    // A saga that waits for an operator is counted, and waits for nothing that comes by itself.
    let mut blocked = waiting(5, 30, &[waits("vente", WaitingFor::Retry, Some(1))]);
    (blocked.row.rollback, blocked.row.blocked_since) = (Rollback::Blocked, Some(at(31)));
    keep(&*store, &[&blocked]).await;
    let mut parked = waiting(6, 60, &[waits("vente", WaitingFor::Retry, Some(1))]);
    parked.row.definition = word("voyage");
    let newer = DefinitionHash::new(&"cd".repeat(32));
    parked.row.definition_hash = newer.clone();
    keep(&*store, &[&parked]).await;
    store.park(saga(6), OWNER, word("its history is damaged")).await.unwrap();

    let found = store.under_way().await.unwrap();
    assert_eq!((found.sagas, found.more), (5, false));
    let pinned = |name: &str, hash: DefinitionHash| found.pinned.get(&(name.into(), hash)).copied();
    assert_eq!(pinned("checkout", crate::entries::hash()), Some(PinnedSagas { sagas: 4, oldest: at(10) }));
    assert_eq!(pinned("voyage", newer), Some(PinnedSagas { sagas: 1, oldest: at(60) }));
    let key = |step: &str, cause| WaitKey::new("checkout".into(), step.into(), cause);
    let expected = [
        (key("accord", WaitingFor::Signal), SagasThatWait { sagas: 1, until: Some(at(80)) }),
        (key("paiement", WaitingFor::Retry), SagasThatWait { sagas: 2, until: Some(at(70)) }),
        (key("stock", WaitingFor::Call), SagasThatWait { sagas: 1, until: None }),
    ];
    assert_eq!(found.waits.into_iter().collect::<Vec<_>>(), expected);
}

async fn told(store: &dyn Store) -> Vec<ReplicaStanding> {
    store.replicas().await.unwrap()
}

async fn the_replicas_are_told_with_what_they_own<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    store.join(replica(7), word("a shop"), Joining::Started, LONG).await.unwrap();
    keep(&*store, &[&by(replica(7), &start(1)), &by(replica(7), &start(2)), &start(3), &end(&start(3))])
        .await;
    let replicas = told(&*store).await;
    let shop = replicas.iter().find(|told| told.id == replica(7)).unwrap();
    assert_eq!((&*shop.name, shop.sagas, shop.more), ("a shop", 2, false));
    assert_eq!(shop.release.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    match shop.lease {
        LeaseStanding::Open => {}
        LeaseStanding::For(left) => assert!(left <= LONG && left > LONG / 2, "{left:?}"),
        other @ (LeaseStanding::RanOut(_) | LeaseStanding::Gone(_)) => panic!("{other:?}"),
    }
    let owner = replicas.iter().find(|told| told.id == OWNER).unwrap();
    assert_eq!(owner.sagas, 0, "one that is over is not counted");
    assert!(replicas.is_sorted_by_key(|told| &told.name), "{replicas:?}");

    store.leave(OWNER).await.unwrap();
    let replicas = told(&*store).await;
    assert!(replicas.iter().all(|told| told.id != OWNER), "it is gone and owns nothing: {replicas:?}");
}

async fn a_replica_whose_lease_ran_out_is_told_until_its_sagas_are_claimed<F: Leases>() {
    let fixture = F::new();
    let store = fixture.open().await;
    store.join(replica(7), word("b"), Joining::Started, LONG).await.unwrap();
    keep(&*store, &[&by(replica(7), &start(1))]).await;
    store.renew(replica(7), SHORT).await.unwrap();
    fixture.run_out(replica(7)).await;
    let lease = |replicas: &[ReplicaStanding]| {
        replicas.iter().find(|told| told.id == replica(7)).map(|told| (told.lease, told.sagas))
    };
    assert!(matches!(lease(&told(&*store).await), Some((LeaseStanding::RanOut(_), 1))));
    store.expire().await.unwrap();
    assert!(matches!(lease(&told(&*store).await), Some((LeaseStanding::Gone(_), 1))));
    join(&*store, replica(8)).await;
    assert_eq!(store.claim(replica(8), 10).await, Ok(vec![saga(1)]));
    assert_eq!(lease(&told(&*store).await), None);
}

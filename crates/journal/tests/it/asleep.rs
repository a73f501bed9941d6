//! Sagas that are asleep: without an owner, and found again by their time or by a command, on every backend the same.

use saga_core::{CommandId, SagaId, Timestamp};
use saga_journal::{AppendError, KeptCommand, Posted, ReplicaId, Resting, Store, Unavailable, WakeUp};
use uuid::Uuid;

use crate::entries::{self, OWNER, at, end, next, replica, saga, start, word};
use crate::fixture::{Fixture, conformance, join, keep};

conformance! {
    a_saga_that_is_asleep_has_no_owner_and_is_not_claimed
    sagas_wake_when_their_time_has_come_the_earliest_first
    a_command_wakes_its_saga_whenever_that_is
    only_what_is_as_its_owner_says_falls_asleep
    a_replica_that_is_not_live_wakes_nothing
    two_replicas_wake_each_saga_once
    a_saga_that_fell_asleep_in_the_future_is_woken
    the_sagas_that_are_asleep_are_counted
}

/// All whose time is this or earlier.
fn by(time: Timestamp) -> WakeUp {
    WakeUp { by: time, rested_after: Timestamp::from_micros(i64::MAX) }
}

fn resting(number: u128, until: Option<Timestamp>) -> Resting {
    Resting { saga: saga(number), seq: start(number).expected.next(), at: at(0), until }
}

/// Sagas that have started, and are asleep.
async fn asleep(store: &dyn Store, sagas: &[(u128, Option<Timestamp>)]) {
    for (number, _) in sagas {
        keep(store, &[&start(*number)]).await;
    }
    let sagas = sagas.iter().map(|(number, until)| resting(*number, *until)).collect();
    store.rest(OWNER, sagas).await.unwrap();
}

/// The sagas that a replica wakes.
async fn wake(
    store: &dyn Store,
    replica: ReplicaId,
    due: WakeUp,
    limit: usize,
) -> Result<Vec<SagaId>, Unavailable> {
    let woken = store.wake(replica, due, limit).await?;
    for (saga, seq) in &woken {
        assert_eq!(store.load(*saga).await.unwrap().unwrap().records.len() as u64, seq.get());
    }
    Ok(woken.into_iter().map(|(saga, _)| saga).collect())
}

async fn post(store: &dyn Store, number: u128) -> CommandId {
    let id = CommandId::new(Uuid::from_u128(number));
    let command = KeptCommand { saga: saga(number), id, body: word("{}"), asked: at(5) };
    assert_eq!(store.post(command).await, Ok(Posted::Kept));
    id
}

async fn owner(store: &dyn Store, number: u128) -> ReplicaId {
    store.row(saga(number)).await.unwrap().unwrap().owner
}

async fn a_saga_that_is_asleep_has_no_owner_and_is_not_claimed<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    asleep(&*store, &[(1, Some(at(10))), (2, None)]).await;
    keep(&*store, &[&start(3)]).await;
    assert_eq!((owner(&*store, 1).await, owner(&*store, 2).await), (ReplicaId::NOBODY, ReplicaId::NOBODY));
    assert_eq!(store.owned(OWNER, None, 10).await, Ok(vec![saga(3)]));
    join(&*store, replica(7)).await;
    store.leave(OWNER).await.unwrap();
    assert_eq!(store.claim(replica(7), 10).await, Ok(vec![saga(3)]));
    // What its former owner knows of it does not count any more.
    let second = next(&start(1), "STOCK_RESERVE");
    let results = store.append(std::slice::from_ref(&second)).await;
    assert_eq!(results, Ok(vec![Err(AppendError::Conflict)]));
    assert_eq!(wake(&*store, replica(7), by(at(10)), 10).await, Ok(vec![saga(1)]));
    keep(&*store, &[&entries::by(replica(7), &second)]).await;
}

async fn sagas_wake_when_their_time_has_come_the_earliest_first<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    asleep(&*store, &[(1, Some(at(30))), (2, Some(at(10))), (3, Some(at(20))), (4, None), (5, Some(at(40)))])
        .await;
    join(&*store, replica(7)).await;
    assert_eq!(wake(&*store, replica(7), by(at(9)), 10).await, Ok(vec![]));
    assert_eq!(wake(&*store, replica(7), by(at(30)), 1).await.unwrap().len(), 1);
    let mut rest = wake(&*store, replica(7), by(at(30)), 10).await.unwrap();
    rest.sort();
    assert_eq!(rest.len(), 2);
    assert_eq!(wake(&*store, replica(7), by(at(30)), 10).await, Ok(vec![]));
    let mut own = store.owned(replica(7), None, 10).await.unwrap();
    own.sort();
    assert_eq!(own, [1, 2, 3].map(saga));
    // A saga that only a command wakes sleeps for good.
    let never = Timestamp::from_micros(i64::MAX - 1);
    assert_eq!(wake(&*store, replica(7), by(never), 10).await, Ok(vec![saga(5)]));
}

async fn a_command_wakes_its_saga_whenever_that_is<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    asleep(&*store, &[(1, Some(at(1_000))), (2, None), (3, None)]).await;
    let (first, second) = (post(&*store, 1).await, post(&*store, 2).await);
    join(&*store, replica(7)).await;
    let mut woken = wake(&*store, replica(7), by(at(0)), 10).await.unwrap();
    woken.sort();
    assert_eq!(woken, [1, 2].map(saga));
    let mut commands: Vec<CommandId> =
        store.commands(replica(7), 10).await.unwrap().iter().map(|command| command.id).collect();
    commands.sort();
    assert_eq!(commands, [first, second]);
    // One whose sender has not come for its refusal wakes nothing.
    store.refuse(saga(2), second, word("no")).await.unwrap();
    store.rest(replica(7), vec![resting(2, None)]).await.unwrap();
    assert_eq!(wake(&*store, replica(7), by(at(0)), 10).await, Ok(vec![]));
}

async fn only_what_is_as_its_owner_says_falls_asleep<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    join(&*store, replica(7)).await;
    let (one, two, three) = (start(1), start(2), start(3));
    keep(&*store, &[&one, &next(&one, "STOCK_RESERVE"), &two, &end(&two), &three]).await;
    let over = Resting { seq: end(&two).expected.next(), ..resting(2, None) };
    store.rest(OWNER, vec![resting(1, None), over, resting(9, None)]).await.unwrap();
    store.rest(replica(7), vec![resting(3, None)]).await.unwrap();
    for number in [1, 2, 3] {
        assert_eq!(owner(&*store, number).await, OWNER, "saga {number}");
    }
    // The answer was lost, and another replica has woken it before the question comes again.
    asleep(&*store, &[(4, Some(at(10)))]).await;
    assert_eq!(wake(&*store, replica(7), by(at(10)), 10).await, Ok(vec![saga(4)]));
    store.rest(OWNER, vec![resting(4, Some(at(10)))]).await.unwrap();
    assert_eq!(owner(&*store, 4).await, replica(7));
}

async fn a_replica_that_is_not_live_wakes_nothing<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    asleep(&*store, &[(1, Some(at(10)))]).await;
    join(&*store, replica(7)).await;
    store.leave(replica(7)).await.unwrap();
    for other in [replica(7), replica(8), ReplicaId::NOBODY] {
        assert_eq!(wake(&*store, other, by(at(10)), 10).await, Ok(vec![]), "{other}");
    }
    assert_eq!(wake(&*store, OWNER, by(at(10)), 10).await, Ok(vec![saga(1)]));
}

async fn two_replicas_wake_each_saga_once<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let sagas: Vec<(u128, Option<Timestamp>)> = (0..60).map(|number| (number, Some(at(10)))).collect();
    asleep(&*store, &sagas).await;
    let replicas = [50, 150].map(replica);
    for replica in replicas {
        join(&*store, replica).await;
    }
    let mut woken: Vec<SagaId> = Vec::new();
    loop {
        let (one, two) = tokio::join!(
            wake(&*store, replicas[0], by(at(10)), 7),
            wake(&*store, replicas[1], by(at(10)), 7)
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        if one.is_empty() && two.is_empty() {
            break;
        }
        woken.extend(one.iter().chain(&two));
    }
    woken.sort();
    assert_eq!(woken, (0..60).map(saga).collect::<Vec<_>>());
}

async fn the_sagas_that_are_asleep_are_counted<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    asleep(&*store, &[(1, Some(at(10))), (2, None)]).await;
    keep(&*store, &[&start(3)]).await;
    let backlog = store.backlog().await.unwrap();
    let unfinished = backlog.values().next().unwrap();
    assert_eq!((unfinished.forward, unfinished.asleep), (3, 2));
}

async fn a_saga_that_fell_asleep_in_the_future_is_woken<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1), &start(2)]).await;
    let ahead = |number, rested| Resting { at: at(rested), ..resting(number, Some(at(900))) };
    store.rest(OWNER, vec![ahead(1, 500), ahead(2, 20)]).await.unwrap();
    let due = WakeUp { by: at(10), rested_after: at(20) };
    assert_eq!(wake(&*store, OWNER, due, 10).await, Ok(vec![saga(1)]));
    assert_eq!(wake(&*store, OWNER, due, 10).await, Ok(vec![]));
}

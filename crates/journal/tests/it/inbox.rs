//! Commands on their way to the owners of sagas.

use saga_core::CommandId;
use saga_journal::{COMMANDS_PER_SAGA_MAX, CommandStatus, KeptCommand, Posted};
use uuid::Uuid;

use crate::entries::{OWNER, at, by, end, next, replica, saga, start};
use crate::fixture::{Fixture, conformance, join, keep};

conformance! {
    a_command_waits_for_the_owner_of_its_saga_until_it_is_removed
    commands_wait_in_the_order_in_which_they_were_given
    a_command_passes_to_the_next_owner
    a_refused_command_waits_for_nobody_and_says_why
    a_saga_that_is_over_takes_no_command_and_any_replica_answers_the_ones_it_has
    as_many_commands_wait_for_one_saga_as_may
    a_nul_in_a_command_is_replaced
}

/// Command `id` for the saga of that number.
pub(crate) fn command(number: u128, id: u128) -> KeptCommand {
    let id = CommandId::new(Uuid::from_u128(id));
    KeptCommand { saga: saga(number), id, body: r#""cancel""#.into(), asked: at(7) }
}

async fn a_command_waits_for_the_owner_of_its_saga_until_it_is_removed<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    join(&*store, replica(7)).await;
    let first = start(1);
    keep(&*store, &[&first, &start(2), &start(3), &by(replica(7), &start(4))]).await;
    assert_eq!(store.commands(OWNER, 10).await, Ok(vec![]));
    for number in [3, 1, 4] {
        assert_eq!(store.post(command(number, number)).await, Ok(Posted::Kept));
    }
    assert_eq!(store.commands(OWNER, 10).await, Ok(vec![command(1, 1), command(3, 3)]));
    assert_eq!(store.commands(OWNER, 1).await, Ok(vec![command(1, 1)]));
    assert_eq!(store.commands(replica(7), 10).await, Ok(vec![command(4, 4)]));

    // The saga goes on meanwhile.
    keep(&*store, &[&next(&first, "STOCK_RESERVE")]).await;
    assert_eq!(store.status(saga(1), command(1, 1).id).await, Ok(CommandStatus::Waiting));
    for _ in 0..2 {
        store.remove(saga(1), command(1, 1).id).await.unwrap();
        assert_eq!(store.status(saga(1), command(1, 1).id).await, Ok(CommandStatus::Applied));
    }
    assert_eq!(store.commands(OWNER, 10).await, Ok(vec![command(3, 3)]));
    store.remove(saga(9), command(9, 9).id).await.unwrap();
    store.refuse(saga(9), command(9, 9).id, "no".into()).await.unwrap();
    assert_eq!(store.status(saga(9), command(9, 9).id).await, Ok(CommandStatus::Applied));
}

async fn commands_wait_in_the_order_in_which_they_were_given<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1), &start(2)]).await;
    let given = |number, id, offset| KeptCommand { asked: at(offset), ..command(number, id) };
    let posted = [given(1, 9, 5), given(2, 3, 5), given(1, 1, 8), given(1, 2, 4)];
    for command in &posted {
        assert_eq!(store.post(command.clone()).await, Ok(Posted::Kept));
    }
    // The same command again is the same one, whatever it says now.
    assert_eq!(store.post(given(1, 9, 1)).await, Ok(Posted::Kept));
    let [a, b, c, d] = posted;
    assert_eq!(store.commands(OWNER, 10).await, Ok(vec![d, b, a, c]));
}

async fn a_command_passes_to_the_next_owner<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    store.leave(OWNER).await.unwrap();
    assert_eq!(store.post(command(1, 1)).await, Ok(Posted::Kept));
    join(&*store, replica(7)).await;
    assert_eq!(store.commands(replica(7), 10).await, Ok(vec![]));
    assert_eq!(store.claim(replica(7), 10).await, Ok(vec![saga(1)]));
    assert_eq!(store.commands(replica(7), 10).await, Ok(vec![command(1, 1)]));
    assert_eq!(store.commands(OWNER, 10).await, Ok(vec![]));
}

async fn a_refused_command_waits_for_nobody_and_says_why<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    for id in [1, 2, 3] {
        store.post(command(1, id)).await.unwrap();
    }
    store.refuse(saga(1), command(1, 2).id, "a\0b".into()).await.unwrap();
    assert_eq!(store.commands(OWNER, 10).await, Ok(vec![command(1, 1), command(1, 3)]));
    let refused = CommandStatus::Refused("a\u{fffd}b".into());
    assert_eq!(store.status(saga(1), command(1, 2).id).await, Ok(refused.clone()));
    // An answer that no process has come for is kept for a while; a command that waits, until it is applied.
    store.forget_refused(at(7)).await.unwrap();
    assert_eq!(store.status(saga(1), command(1, 2).id).await, Ok(refused));
    store.forget_refused(at(8)).await.unwrap();
    assert_eq!(store.status(saga(1), command(1, 2).id).await, Ok(CommandStatus::Applied));
    assert_eq!(store.commands(OWNER, 10).await, Ok(vec![command(1, 1), command(1, 3)]));
}

async fn a_saga_that_is_over_takes_no_command_and_any_replica_answers_the_ones_it_has<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    assert_eq!(store.post(command(1, 1)).await, Ok(Posted::Over));
    let first = start(1);
    keep(&*store, &[&first]).await;
    assert_eq!(store.post(command(1, 1)).await, Ok(Posted::Kept));
    // The saga was over before its owner found the command.
    keep(&*store, &[&end(&first)]).await;
    assert_eq!(store.post(command(1, 2)).await, Ok(Posted::Over));
    for replica in [OWNER, replica(7)] {
        assert_eq!(store.commands(replica, 10).await, Ok(vec![command(1, 1)]));
    }
}

async fn as_many_commands_wait_for_one_saga_as_may<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1), &start(2)]).await;
    for id in 0..COMMANDS_PER_SAGA_MAX as u128 {
        assert_eq!(store.post(command(1, id)).await, Ok(Posted::Kept));
    }
    assert_eq!(store.post(command(1, 999)).await, Ok(Posted::Full));
    assert_eq!(store.post(command(1, 0)).await, Ok(Posted::Kept), "it is there already");
    assert_eq!(store.post(command(2, 999)).await, Ok(Posted::Kept), "another saga has room of its own");
    store.remove(saga(1), command(1, 0).id).await.unwrap();
    assert_eq!(store.post(command(1, 999)).await, Ok(Posted::Kept));
}

async fn a_nul_in_a_command_is_replaced<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    assert_eq!(store.post(KeptCommand { body: "a\0b".into(), ..command(1, 1) }).await, Ok(Posted::Kept));
    assert_eq!(&*store.commands(OWNER, 10).await.unwrap()[0].body, "a\u{fffd}b");
}

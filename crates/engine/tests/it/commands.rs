//! Commands for a saga that another process owns.

use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::event::Finding;
use saga_core::saga::{Rejected, Rollback};
use saga_core::{CommandId, CommandKind, Event, Record, SagaId};
use saga_engine::{Engine, Limits, Refusal, Wait};
use saga_journal::{
    COMMANDS_PER_SAGA_MAX, CommandStatus, Histories, Inbox, Joining, KeptCommand, Membership, Posted,
    ReplicaId,
};
use tokio::time::{Instant, sleep};

use crate::support::{PATIENT, Place, Shop, answered, order};

/// A replica whose lease holds, and that does nothing.
const SILENT: ReplicaId = ReplicaId::new(uuid::Uuid::from_u128(7));

fn resume() -> CommandKind {
    CommandKind::Resume { by: "Ana".into(), reason: None }
}

/// An order whose payment is to be tried again in a while, and that [`SILENT`] owns; and an engine beside it.
async fn owned_elsewhere() -> (Shop, Engine, SagaId) {
    let shop = Shop::new("barrier");
    shop.participants.next("paiement action", Duration::from_secs(5), answered(503, ""));
    let saga = shop.engine.place(order(7, None, Wait::started())).await.unwrap().saga;
    sleep(Duration::from_secs(1)).await;
    shop.engine.stop(Duration::ZERO).await;
    shop.journal.join(SILENT, "muet".into(), Joining::Started, Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(shop.journal.claim(SILENT, 10).await.unwrap(), [saga]);
    let engine = shop.restarted("barrier").await;
    (shop, engine, saga)
}

/// The outcomes of commands: the events that they brought about, by name.
async fn followed(shop: &Shop, saga: SagaId) -> Vec<(&'static str, CommandId)> {
    let history = shop.journal.load(saga).await.unwrap().unwrap();
    let name = |event: &Event| match event {
        Event::RollbackDecided { .. } => "cancelled",
        Event::Resumed { .. } => "resumed",
        Event::Resolved { .. } => "resolved",
        _ => "another",
    };
    let of = |record: &saga_core::Record| Some((name(&record.event), record.command?));
    history.records.iter().filter_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn commands_that_wait_in_vain_stay_for_the_replica_that_runs_the_order_next() {
    let (shop, engine, saga) = owned_elsewhere().await;
    let begun = Instant::now();
    let (cancelled, again, resumed) = tokio::join!(
        engine.command(saga, CommandKind::Cancel),
        engine.command(saga, CommandKind::Cancel),
        // Of commands of the same instant, any may be applied first, and a resumed order may be over at once.
        async {
            sleep(Duration::from_millis(1)).await;
            engine.command(saga, resume()).await
        },
    );
    assert_eq!([cancelled, again, resumed], [(); 3].map(|()| Err(Refusal::NotAppliedYet(saga))));
    assert!(begun.elapsed() >= Limits::default().command_wait, "{:?}", begun.elapsed());
    assert_eq!(shop.journal.commands(SILENT, 10).await.unwrap().len(), 3);

    shop.journal.leave(SILENT).await.unwrap();
    let end = engine.wait(saga, PATIENT).await.unwrap();
    assert_eq!((&*end.state, end.rollback), ("ANNULEE", Rollback::Done));
    assert_eq!(shop.participants.calls("vente action"), 0);
    let followed = followed(&shop, saga).await;
    assert_eq!(followed.iter().filter(|(name, _)| *name == "cancelled").count(), 1, "{followed:?}");
    assert_eq!(shop.journal.commands(SILENT, 10).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_command_keeps_its_caller_s_name_on_its_way_to_the_owner() {
    let (shop, engine, saga) = owned_elsewhere().await;
    let asking = engine.asked_by(Some("ops".into()));
    assert_eq!(asking.command(saga, CommandKind::Cancel).await, Err(Refusal::NotAppliedYet(saga)));
    let body = &shop.journal.commands(SILENT, 10).await.unwrap()[0].body;
    assert!(body.contains(r#""by":"ops""#), "{body}");
    shop.journal.leave(SILENT).await.unwrap();
    engine.wait(saga, PATIENT).await.unwrap();
    let history = shop.journal.load(saga).await.unwrap().unwrap();
    let named: Vec<_> = history.records.iter().filter(|record| record.by.is_some()).collect();
    assert!(matches!(named[..], [Record { event: Event::RollbackDecided { .. }, .. }]), "{named:?}");
    assert_eq!(named[0].by.as_deref(), Some("ops"));
}

#[tokio::test(start_paused = true)]
async fn the_owner_s_answer_reaches_the_process_that_posted_the_command() {
    let (shop, engine, saga) = owned_elsewhere().await;
    let resolve = CommandKind::Resolve {
        step: 1,
        finding: Finding::Undone,
        output: None,
        by: "Ana".into(),
        reason: "seen".into(),
    };
    let owner = async {
        sleep(Duration::from_secs(1)).await;
        let commands = shop.journal.commands(SILENT, 10).await.unwrap();
        assert_eq!(commands.len(), 3);
        for command in commands {
            let why = match serde_json::from_str(&command.body).unwrap() {
                CommandKind::Cancel | CommandKind::CancelBy { .. } => {
                    shop.journal.remove(saga, command.id).await.unwrap();
                    continue;
                }
                CommandKind::Resume { .. } => "{\"not_understood\":\"a later release\"}",
                CommandKind::Signal { .. } => unreachable!("none is sent"),
                CommandKind::Resolve { .. } => "{\"rejected\":\"not_blocked\"}",
            };
            shop.journal.refuse(saga, command.id, why.into()).await.unwrap();
        }
    };
    let (cancelled, resumed, resolved, ()) = tokio::join!(
        engine.command(saga, CommandKind::Cancel),
        engine.command(saga, resume()),
        engine.command(saga, resolve),
        owner
    );
    assert_eq!(cancelled, Ok(()));
    assert_eq!(resumed, Err(Refusal::NotUnderstood("a later release".into())));
    assert_eq!(resolved, Err(Refusal::Rejected(Rejected::NotBlocked)));
    assert_eq!(shop.journal.commands(SILENT, 10).await.unwrap(), [], "an answer that was read is taken away");
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_owner_was_left_is_applied_or_refused_in_order() {
    let (shop, engine, saga) = owned_elsewhere().await;
    let posted = |id, body: &str| KeptCommand {
        saga,
        id: CommandId::new(uuid::Uuid::from_u128(id)),
        body: body.into(),
        asked: saga_core::Timestamp::from_micros(id as i64),
    };
    let resume = posted(1, r#"{"resume":{"by":"Ana"}}"#);
    for command in [resume.clone(), posted(2, "\"dance\""), posted(3, "\"cancel\"")] {
        assert_eq!(shop.journal.post(command).await.unwrap(), Posted::Kept);
    }
    shop.journal.leave(SILENT).await.unwrap();
    engine.wait(saga, PATIENT).await.unwrap();
    assert_eq!(followed(&shop, saga).await, [("resumed", resume.id)]);
    assert_eq!(shop.journal.status(saga, resume.id).await.unwrap(), CommandStatus::Applied);
    // The order was confirmed before it came to that.
    let cancel = shop.journal.status(saga, posted(3, "").id).await.unwrap();
    assert_eq!(cancel, CommandStatus::Refused("{\"rejected\":\"completed\"}".into()));
    let dance = shop.journal.status(saga, posted(2, "").id).await.unwrap();
    assert!(
        matches!(&dance, CommandStatus::Refused(why) if why.contains("unknown variant `dance`")),
        "{dance:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn only_so_many_commands_wait_for_one_order() {
    let (shop, engine, saga) = owned_elsewhere().await;
    for id in 0..COMMANDS_PER_SAGA_MAX as u128 {
        let id = CommandId::new(uuid::Uuid::from_u128(id));
        let (body, asked) = ("\"cancel\"".into(), saga_core::Timestamp::from_micros(0));
        shop.journal.post(KeptCommand { saga, id, body, asked }).await.unwrap();
    }
    assert_eq!(engine.command(saga, CommandKind::Cancel).await, Err(Refusal::InboxFull(saga)));
}

#[tokio::test(start_paused = true)]
async fn commands_that_cannot_be_read_do_not_keep_claimed_orders_from_running() {
    let shop = Shop::new("barrier");
    shop.participants.next("paiement action", Duration::from_secs(5), answered(503, ""));
    let saga = shop.engine.place(order(7, None, Wait::started())).await.unwrap().saga;
    sleep(Duration::from_secs(1)).await;
    shop.engine.stop(Duration::ZERO).await;
    shop.journal.deaf.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let engine = shop.restarted("barrier").await;
    assert_eq!(&*engine.wait(saga, PATIENT).await.unwrap().state, "CONFIRMEE");
    // At once, but for the retry's wait by a clock that is behind; not by the sweep that looks for strays.
    assert!(begun.elapsed() < Limits::default().sweep, "{:?}", begun.elapsed());
}

//! People who are signed in to the console.

use saga_journal::{
    KeptSession, KeyDigest, SESSIONS_FORGOTTEN_MAX, SESSIONS_PER_NAME_MAX, SessionHash, Store,
};

use crate::entries::at;
use crate::fixture::{Fixture, conformance};

conformance! {
    a_session_is_found_until_it_is_closed
    a_use_moves_a_session_s_time_and_never_back
    a_name_keeps_its_newest_sessions
    sessions_of_one_name_are_closed_together
    sessions_that_have_ended_are_forgotten_in_steps
    a_session_outlives_the_process
}

fn hash(number: u32) -> SessionHash {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SessionHash(bytes)
}

/// Session `number` of a name, opened at that offset.
fn session(number: u32, name: &str, opened: i64) -> KeptSession {
    let key = KeyDigest([number as u8; 32]);
    KeptSession {
        id: hash(number),
        name: name.into(),
        key,
        created: at(opened),
        used: at(opened),
        ends: at(opened + 1_000),
    }
}

async fn is_there(store: &dyn Store, number: u32) -> bool {
    store.session(hash(number)).await.unwrap().is_some()
}

async fn a_session_is_found_until_it_is_closed<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    assert_eq!(store.session(hash(1)).await, Ok(None));
    let (one, other) = (session(1, "ana", 5), session(2, "ana", 6));
    for kept in [&one, &other, &one] {
        store.open_session(kept.clone()).await.unwrap();
    }
    assert_eq!(store.session(hash(1)).await, Ok(Some(one)));
    for _ in 0..2 {
        store.close_session(hash(1)).await.unwrap();
        assert_eq!(store.session(hash(1)).await, Ok(None));
    }
    assert_eq!(store.session(hash(2)).await, Ok(Some(other)));
}

async fn a_use_moves_a_session_s_time_and_never_back<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    store.open_session(session(1, "ana", 5)).await.unwrap();
    for (used, kept) in [(9, 9), (7, 9), (12, 12)] {
        store.touch_session(hash(1), at(used)).await.unwrap();
        assert_eq!(
            store.session(hash(1)).await,
            Ok(Some(KeptSession { used: at(kept), ..session(1, "ana", 5) }))
        );
    }
    store.touch_session(hash(2), at(9)).await.unwrap();
    assert_eq!(store.session(hash(2)).await, Ok(None), "a session that was closed stays closed");
}

async fn a_name_keeps_its_newest_sessions<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let last = SESSIONS_PER_NAME_MAX as u32 + 2;
    store.open_session(session(0, "bo", 0)).await.unwrap();
    // The first ones are not the oldest.
    for number in 1..=last {
        store
            .open_session(session(number, "ana", if number == 1 { 900 } else { number.into() }))
            .await
            .unwrap();
    }
    assert!(is_there(&*store, 0).await, "another name's stay");
    let mut kept = Vec::new();
    for number in 1..=last {
        if is_there(&*store, number).await {
            kept.push(number);
        }
    }
    let newest: Vec<u32> = std::iter::once(1).chain(4..=last).collect();
    assert_eq!((kept.len(), kept), (SESSIONS_PER_NAME_MAX, newest));
}

async fn sessions_of_one_name_are_closed_together<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    for (number, name) in [(1, "ana"), (2, "bo"), (3, "ana"), (4, "ana.b")] {
        store.open_session(session(number, name, 0)).await.unwrap();
    }
    store.close_sessions_of("ana".into()).await.unwrap();
    for (number, expected) in [(1, false), (2, true), (3, false), (4, true)] {
        assert_eq!(is_there(&*store, number).await, expected, "{number}");
    }
}

async fn sessions_that_have_ended_are_forgotten_in_steps<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let (ended, idle, live) = (session(1, "ana", 0), session(2, "ana", 100), session(3, "ana", 200));
    for kept in [ended, idle, live] {
        store.open_session(kept).await.unwrap();
    }
    // The first one is used, and over all the same.
    store.touch_session(hash(1), at(999)).await.unwrap();
    store.forget_sessions(at(999), at(99)).await.unwrap();
    assert!(is_there(&*store, 1).await && is_there(&*store, 2).await);
    store.forget_sessions(at(1_000), at(100)).await.unwrap();
    assert!(!is_there(&*store, 1).await && !is_there(&*store, 2).await && is_there(&*store, 3).await);

    let names = (SESSIONS_FORGOTTEN_MAX + 1).div_ceil(SESSIONS_PER_NAME_MAX);
    let first = 10;
    for number in 0..=SESSIONS_FORGOTTEN_MAX as u32 {
        let name = format!("name-{}", number as usize % names);
        store.open_session(session(first + number, &name, 0)).await.unwrap();
    }
    let left = async || {
        let mut left = 0;
        for number in 0..=SESSIONS_FORGOTTEN_MAX as u32 {
            left += u32::from(is_there(&*store, first + number).await);
        }
        left
    };
    store.forget_sessions(at(5_000), at(0)).await.unwrap();
    assert_eq!(left().await + u32::from(is_there(&*store, 3).await), 2);
    store.forget_sessions(at(5_000), at(0)).await.unwrap();
    assert_eq!(left().await + u32::from(is_there(&*store, 3).await), 0);
}

async fn a_session_outlives_the_process<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    store.open_session(session(1, "ana", 5)).await.unwrap();
    drop(store);
    let store = fixture.open_for_nobody().await;
    assert_eq!(store.session(hash(1)).await, Ok(Some(session(1, "ana", 5))));
}

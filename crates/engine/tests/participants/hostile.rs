//! The answers of the hostile participant: each mode has one meaning, and takes no longer than a call may take.

use std::time::{Duration, Instant};

use saga_core::reply::{REASON_BYTES_MAX, Verdict};
use saga_testkit::hostile::{Hostile, MODES, Mode, mode};

use crate::support::{Caller, TIMEOUT};

/// Beyond a call's own time: the machine is busy with other tests.
const GRACE: Duration = Duration::from_secs(2);

/// The complaint about a mode's verdict, if there is one.
fn complaint(mode: &Mode, verdict: &Verdict) -> Option<String> {
    let reason = verdict.reason.as_deref().unwrap_or_default();
    let is_right = mode.outcomes.contains(&verdict.outcome.into())
        && reason.starts_with(mode.reason)
        && reason.len() <= REASON_BYTES_MAX
        && reason.chars().all(is_printable)
        && verdict.retry_after.is_none_or(|wait| wait <= Duration::from_secs(60));
    (!is_right).then(|| format!("{}: {verdict:?}", mode.name))
}

fn check(mode: &Mode, verdict: &Verdict) {
    assert_eq!(complaint(mode, verdict), None);
}

/// The characters that a log, a terminal, a page and PostgreSQL's text can hold without harm.
fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_of_a_hostile_participant_has_one_meaning() {
    assert!(MODES.len() >= 40);
    let hostile = Hostile::start();
    let caller = Caller::new(&format!("http://{}", hostile.address()));
    let mut complaints = Vec::new();
    for mode in MODES {
        hostile.play(mode);
        // Twice: what one answer leaves behind must not be taken for the next one.
        for _ in 0..2 {
            let begun = Instant::now();
            let verdict = caller.judged().await;
            complaints.extend(complaint(mode, &verdict));
            assert!(begun.elapsed() < TIMEOUT + GRACE, "{} took {:?}", mode.name, begun.elapsed());
            if mode.name == "second_answer_later" {
                // Sent behind its back, it would be the next request's answer as far as HTTP/1.1 can tell.
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            if let Some(output) = &verdict.output {
                assert!(!output.text().contains("666"), "{}: the answer of another call", mode.name);
            }
        }
        // The next call is well, in whatever mode the last one was answered, once it has been seen that the connection
        // is closed.
        tokio::time::sleep(Duration::from_millis(20)).await;
        hostile.play(self::mode("well"));
        let verdict = caller.judged().await;
        assert_eq!(
            verdict.output.as_ref().map(|output| output.text()),
            Some(r#"{"id":1}"#),
            "after {}",
            mode.name
        );
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Bytes that no request asked for close an idle connection, and are never an answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_answer_is_never_the_next_calls_answer() {
    let hostile = Hostile::start();
    let caller = Caller::new(&format!("http://{}", hostile.address()));
    for name in ["second_answer_at_once", "second_answer_later"] {
        hostile.play(mode(name));
        for n in 0..20 {
            let verdict = caller.judged().await;
            assert_eq!(
                verdict.output.as_ref().map(|output| output.text()),
                Some(r#"{"id":1}"#),
                "{name} {n}"
            );
            // The second one arrives meanwhile.
            tokio::time::sleep(Duration::from_millis(if name.ends_with("later") { 150 } else { 10 })).await;
        }
    }
}

/// A redirect is an answer; the request goes to no address that the definition does not name.
#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_not_followed() {
    let hostile = Hostile::start();
    let caller = Caller::new(&format!("http://{}", hostile.address()));
    hostile.play(mode("redirect_to_get"));
    for calls in 1..4 {
        check(mode("redirect_to_get"), &caller.judged().await);
        assert_eq!(hostile.requests(), calls);
    }
}

/// A connection is waited for by the runtime that it was opened in, which may be gone or at work when another one calls.
#[test]
fn a_connection_is_used_by_the_runtime_that_opened_it_alone() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let hostile = Hostile::start();
    let caller = Caller::new(&format!("http://{}", hostile.address()));
    let call = |runtime: &tokio::runtime::Runtime| check(&MODES[0], &runtime.block_on(caller.judged()));
    let (first, second) = (runtime(), runtime());
    for connections in [1, 1] {
        call(&first);
        assert_eq!(hostile.connections(), connections);
    }
    // The first runtime does not run meanwhile.
    for connections in [2, 2] {
        call(&second);
        assert_eq!(hostile.connections(), connections);
    }
    call(&first);
    assert_eq!(hostile.connections(), 2, "each goes on with its own");
    drop(first);
    call(&runtime());
    assert_eq!(hostile.connections(), 3);
}

/// Where a lost call cannot be repeated, each call has a connection of its own; otherwise one serves them
/// all.
#[tokio::test(flavor = "multi_thread")]
async fn connections_are_kept_where_calls_may_be_repeated() {
    for (safety, kept) in [("barrier", true), ("idempotent", true), ("none", false)] {
        let hostile = Hostile::start();
        let url = format!("http://{}", hostile.address());
        let caller = Caller::with(&url, safety, saga_engine::participants::Settings::default());
        for _ in 0..5 {
            check(&MODES[0], &caller.judged().await);
            // Its task has seen the end of the answer by then.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(hostile.connections(), if kept { 1 } else { 5 }, "{safety}");
    }
}

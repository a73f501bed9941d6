//! When it opens, and for how long.

use saga_core::retry::RETRY_AFTER_MAX;

use super::*;

/// A sequence of events: `g` a success, `b` a failure, `.` a second passes. Returns whether the breaker is open at
/// the end.
async fn opens(settings: Settings, calls: &str) -> bool {
    let breaker = Breaker::new(settings, MANY, || FIRST);
    for call in calls.chars() {
        match call {
            'g' => go(&breaker).ended(CallEnd::Good),
            'b' => go(&breaker).ended(BAD),
            '.' => advance(secs(1)).await,
            other => panic!("`{other}` is no call"),
        }
    }
    kind(&breaker) == BreakerKind::Open
}

#[tokio::test(start_paused = true)]
async fn it_opens_at_the_least_number_of_calls_and_the_share_of_failures() {
    for (calls, expected) in [
        ("bbb", false),
        ("bbbb", true),
        ("ggbb", true),
        ("gggb", false),
        ("gggbb", false),
        ("gggbbb", true),
        // A success never opens it, whatever the share.
        ("bbbg", false),
        ("bbbgb", true),
    ] {
        assert_eq!(opens(SETTINGS, calls).await, expected, "{calls}");
    }
    let all = Settings { failures_percent: 100, ..SETTINGS };
    assert!(!opens(all, "gbbbbbbbbb").await);
    assert!(opens(all, "bbbb").await);
    let any = Settings { failures_percent: 1, calls_min: 1, ..SETTINGS };
    assert!(opens(any, "gggggggggb").await);
}

#[tokio::test(start_paused = true)]
async fn calls_before_the_window_are_forgotten() {
    assert!(opens(SETTINGS, "bbb.........b").await, "nine seconds");
    assert!(!opens(SETTINGS, "bbb..........b").await, "ten seconds");
    // Many successes long ago do not hide current failures.
    assert!(!opens(SETTINGS, "gggggggg.bbbb").await);
    assert!(opens(SETTINGS, "gggggggg..........bbbb").await);
    // The window slides: of calls one second apart, the last ten count.
    assert!(!opens(SETTINGS, "g.g.g.g.g.g.g.g.g.g.b.b.b.b").await);
    assert!(opens(SETTINGS, "g.g.g.g.g.g.g.g.g.g.b.b.b.b.b").await);
}

#[tokio::test(start_paused = true)]
async fn pauses_double_up_to_the_longest() {
    let breaker = opened();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let pause = breaker.state().tried_in.expect("it is open");
        pauses.push(pause.as_secs());
        advance(pause).await;
        go(&breaker).ended(BAD);
        go(&breaker).ended(BAD);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 8, 8]);
}

/// Failures that would open a closed breaker open it again, in rounds that are counted as at least four calls.
#[tokio::test(start_paused = true)]
async fn trials_are_judged_by_the_participants_own_share() {
    for (percent, failures) in [(1, 1), (25, 1), (26, 2), (50, 2), (51, 3), (100, 4)] {
        let breaker = Breaker::new(Settings { failures_percent: percent, ..SETTINGS }, MANY, || FIRST);
        fail(&breaker, BAD);
        advance(secs(1)).await;
        let mut needed = 0;
        while kind(&breaker) != BreakerKind::Open {
            go(&breaker).ended(BAD);
            needed += 1;
        }
        assert_eq!(needed, failures, "{percent} %");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_makes_a_pause_longer_up_to_a_limit_never_shorter() {
    let pause = |last| {
        let breaker = Breaker::new(SETTINGS, MANY, || FIRST);
        fail(&breaker, last);
        breaker.state().tried_in.expect("it is open")
    };
    assert_eq!(pause(bad_for(20)), secs(20));
    assert_eq!(pause(bad_for(0)), secs(1));
    assert_eq!(pause(bad_for(86_400)), RETRY_AFTER_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_late_failure_makes_the_pause_longer_if_it_asks_for_that() {
    let breaker = Breaker::new(SETTINGS, MANY, || FIRST);
    let late: Vec<Permit> = (0..4).map(|_| go(&breaker)).collect();
    fail(&breaker, BAD);
    let mut waiter = wait(&breaker).await;
    let pauses: Vec<u64> = late
        .into_iter()
        .zip([BAD, bad_for(5), bad_for(3), CallEnd::Good])
        .map(|(permit, ended)| {
            permit.ended(ended);
            breaker.state().tried_in.expect("it is open").as_secs()
        })
        .collect();
    assert_eq!(pauses, [1, 5, 5, 5]);
    advance(secs(1)).await;
    assert!(waiter.poll().await.is_none());
    advance(secs(4)).await;
    waiter.poll().await.expect("its turn").ended(CallEnd::Good);
}

#[tokio::test(start_paused = true)]
async fn a_call_from_before_the_pause_does_not_count_after_it() {
    let breaker = Breaker::new(SETTINGS, MANY, || FIRST);
    let old: Vec<Permit> = (0..20).map(|_| go(&breaker)).collect();
    fail(&breaker, BAD);
    advance(secs(1)).await;
    let trial = go(&breaker);
    let mut old = old.into_iter();
    old.next().expect("a permit").ended(CallEnd::Good);
    assert!(matches!(breaker.ask(), BreakerTurn::Wait(_)), "the trial is another call");
    trial.ended(CallEnd::Good);
    old.next().expect("a permit").ended(BAD);
    drop(old.next());
    for _ in 0..2 {
        go(&breaker).ended(CallEnd::Good);
    }
    assert_eq!(kind(&breaker), BreakerKind::Closed);
    old.for_each(|permit| permit.ended(BAD));
    assert_eq!((kind(&breaker), breaker.state().calls), (BreakerKind::Closed, 0));
}

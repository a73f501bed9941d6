//! A command is applied once, however often it comes.

use std::sync::Arc;

use saga_core::Definition;

use super::check;
use crate::support::{Kind, Spec, definition};

fn two(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind), Spec::new(kind)])
}

#[test]
fn a_command_that_comes_again_is_applied_once() {
    check!(two(Kind::Plain), "not_sent 30s; resume; not_sent 30s; again; crash 6; again; resume", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > not_sent 30s
      3 +a#1 not_sent, again at 30100ms
      = wake at 10s
    > resume
      4 resumed by Ana
      5 +a#2
      = call +a#2 needs 5, wake at 10s
    > not_sent 30s
      6 +a#2 not_sent, again at 30100ms
      = wake at 10s
    > again
      = wake at 10s
    > crash 6
      7 taken over: epoch 2
      = wake at 10s
    > again
      = wake at 10s
    > resume
      8 resumed by Ana
      9 +a#3
      = call +a#3 needs 9, wake at 10s
    DEBUT None under way
    ");
    check!(two(Kind::Idempotent), "unknown; cancel; again; crash 5; again", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown, again at 100ms
      = wake at 100ms
    > cancel
      4 rollback: cancelled [ANNULEE]
      = wake at 100ms
    > again
      = wake at 100ms
    > crash 5
      5 taken over: epoch 2
      = wake at 100ms
    > again
      = wake at 100ms
    ANNULEE Running under way
    ");
}

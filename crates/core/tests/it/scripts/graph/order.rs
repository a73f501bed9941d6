//! Steps that begin, and states that are entered.

use super::super::check;
use super::diamond;
use crate::support::Kind;

#[test]
fn rule_1_a_join_begins_once_all_its_steps_are_done() {
    check!(diamond(Kind::Barrier), "ok; c: ok; b: ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 2, call +c#1 needs 2, wake at 10s
    > c: ok
      6 +c#1 ok [C]
      = call +b#1 needs 2, wake at 10s
    > b: ok
      7 +b#1 ok [B]
      8 +d#1
      = call +d#1 needs 2, wake at 10s
    > ok
      9 +d#1 ok [D]
      10 completed [FINI]
      = answer needs 10
    FINI None over
    ");
}

#[test]
fn rule_4_states_are_entered_in_the_order_of_results() {
    check!(diamond(Kind::Barrier), "ok; c: ok; b: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 2, call +c#1 needs 2, wake at 10s
    > c: ok
      6 +c#1 ok [C]
      = call +b#1 needs 2, wake at 10s
    > b: ok
      7 +b#1 ok [B]
      8 +d#1
      = call +d#1 needs 2, wake at 10s
    B None under way
    ");
}

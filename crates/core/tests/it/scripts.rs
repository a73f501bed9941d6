//! One saga, input by input: what is recorded (numbered), and what is wanted after it (`=`).
//!
//! `+stock#2` is the second attempt of doing the step `stock`, `-stock#1` the first of undoing it. Jitter is at
//! its most, so waits are 100 ms, 200 ms, 400 ms, ... The script's words are explained at [`Run::step`].
//!
//! [`Run::step`]: crate::support::Run::step

use insta::assert_snapshot;

use crate::support::{Kind, Spec, checkout, definition, tell};

/// Runs `script` on the steps given, and compares what is told with the text that follows.
macro_rules! check {
    ($definition:expr, $script:expr, @$expected:literal) => {
        assert_snapshot!(tell(&$definition, $script), @$expected)
    };
}

const READ_AND_TWO: fn(Kind) -> [Spec; 3] = |kind| [Spec::new(Kind::Read), Spec::new(kind), Spec::new(kind)];

#[test]
fn a_happy_checkout_waits_for_the_disk_twice() {
    check!(checkout("barrier"), "ok; ok; ok; ok", @r"
    > start
      1 started [INITIEE]
      2 +panier#1
      = call +panier#1 at once, wake at 60s
    > ok
      3 +panier#1 ok
      4 +stock#1
      = call +stock#1 needs 4, wake at 60s
    > ok
      5 +stock#1 ok [STOCK_RESERVE]
      6 +paiement#1
      = call +paiement#1 needs 4, wake at 60s
    > ok
      7 +paiement#1 ok [PAIEMENT_EFFECTUE]
      8 +vente#1
      = call +vente#1 needs 4, wake at 60s
    > ok
      9 +vente#1 ok [COMMANDE_ENREGISTREE]
      10 completed [CONFIRMEE]
      = answer needs 10
    CONFIRMEE AUCUN over
    ");
}

#[test]
fn a_happy_checkout_of_plain_services_waits_once_for_each_step() {
    check!(checkout("none"), "ok; ok; ok; ok", @r"
    > start
      1 started [INITIEE]
      2 +panier#1
      = call +panier#1 at once, wake at 60s
    > ok
      3 +panier#1 ok
      4 +stock#1
      = call +stock#1 needs 4, wake at 60s
    > ok
      5 +stock#1 ok [STOCK_RESERVE]
      6 +paiement#1
      = call +paiement#1 needs 6, wake at 60s
    > ok
      7 +paiement#1 ok [PAIEMENT_EFFECTUE]
      8 +vente#1
      = call +vente#1 needs 8, wake at 60s
    > ok
      9 +vente#1 ok [COMMANDE_ENREGISTREE]
      10 completed [CONFIRMEE]
      = answer needs 10
    CONFIRMEE AUCUN over
    ");
}

#[test]
fn a_refused_reservation_leaves_nothing_to_undo() {
    check!(checkout("barrier"), "ok; refused", @r"
    > start
      1 started [INITIEE]
      2 +panier#1
      = call +panier#1 at once, wake at 60s
    > ok
      3 +panier#1 ok
      4 +stock#1
      = call +stock#1 needs 4, wake at 60s
    > refused
      5 +stock#1 refused
      6 rollback: stock failed (why) [ECHEC_STOCK]
      7 rolled back
      = answer needs 7
    ECHEC_STOCK AUCUN over
    ");
}

#[test]
fn a_refused_payment_gives_the_stock_back() {
    check!(checkout("barrier"), "ok; ok; refused; ok", @r"
    > start
      1 started [INITIEE]
      2 +panier#1
      = call +panier#1 at once, wake at 60s
    > ok
      3 +panier#1 ok
      4 +stock#1
      = call +stock#1 needs 4, wake at 60s
    > ok
      5 +stock#1 ok [STOCK_RESERVE]
      6 +paiement#1
      = call +paiement#1 needs 4, wake at 60s
    > refused
      7 +paiement#1 refused
      8 rollback: paiement failed (why) [ECHEC_PAIEMENT]
      9 -stock#1
      = call -stock#1 needs 8
    > ok
      10 -stock#1 ok
      11 rolled back
      = answer needs 11
    ECHEC_PAIEMENT TERMINE over
    ");
}

#[test]
fn a_refused_sale_gives_payment_and_stock_back_in_reverse() {
    check!(checkout("none"), "ok; ok; ok; refused; ok; ok", @r"
    > start
      1 started [INITIEE]
      2 +panier#1
      = call +panier#1 at once, wake at 60s
    > ok
      3 +panier#1 ok
      4 +stock#1
      = call +stock#1 needs 4, wake at 60s
    > ok
      5 +stock#1 ok [STOCK_RESERVE]
      6 +paiement#1
      = call +paiement#1 needs 6, wake at 60s
    > ok
      7 +paiement#1 ok [PAIEMENT_EFFECTUE]
      8 +vente#1
      = call +vente#1 needs 8, wake at 60s
    > refused
      9 +vente#1 refused
      10 rollback: vente failed (why) [ECHEC_ENREGISTREMENT]
      11 -paiement#1
      = call -paiement#1 needs 11
    > ok
      12 -paiement#1 ok
      13 -stock#1
      = call -stock#1 needs 13
    > ok
      14 -stock#1 ok
      15 rolled back
      = answer needs 15
    ECHEC_ENREGISTREMENT TERMINE over
    ");
}

#[test]
fn an_unreadable_or_empty_cart_ends_in_echec_stock_with_nothing_to_undo() {
    check!(checkout("barrier"), "refused", @r"
    > start
      1 started [INITIEE]
      2 +panier#1
      = call +panier#1 at once, wake at 60s
    > refused
      3 +panier#1 refused
      4 rollback: panier failed (why) [ECHEC_STOCK]
      5 rolled back
      = answer needs 5
    ECHEC_STOCK AUCUN over
    ");
}

#[test]
fn a_cart_that_does_not_answer_is_read_again_then_the_order_fails() {
    check!(checkout("barrier"), "unknown; wait; not_sent; wait; unknown; wait; unknown; wait; unknown", @r"
    > start
      1 started [INITIEE]
      2 +panier#1
      = call +panier#1 at once, wake at 60s
    > unknown
      3 +panier#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      4 +panier#2
      = call +panier#2 at once, wake at 60s
    > not_sent
      5 +panier#2 not_sent, again at 300ms
      = wake at 300ms
    > wait
      6 +panier#3
      = call +panier#3 at once, wake at 60s
    > unknown
      7 +panier#3 unknown, again at 700ms
      = wake at 700ms
    > wait
      8 +panier#4
      = call +panier#4 at once, wake at 60s
    > unknown
      9 +panier#4 unknown, again at 1500ms
      = wake at 1500ms
    > wait
      10 +panier#5
      = call +panier#5 at once, wake at 60s
    > unknown
      11 +panier#5 unknown
      12 rollback: panier failed (why) [ECHEC_STOCK]
      13 rolled back
      = answer needs 13
    ECHEC_STOCK AUCUN over
    ");
}

#[test]
fn none_an_unknown_outcome_blocks_for_a_person() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; unknown; wait 60s; cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > unknown
      7 +c#1 unknown
      8 rollback: c failed (why) [ECHEC_C]
      9 blocked: c ActionUnknown
      = answer needs 9
    > wait 60s
      = answer needs 9
    > cancel
      rejected: the order has failed already; what was done is undone without being asked
    ECHEC_C BLOQUE under way
    ");
}

#[test]
fn idempotent_an_unknown_outcome_is_repeated_until_known_then_undone() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; ok; unknown; wait; unknown; wait; unknown; unknown; wait; ok; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > unknown
      7 +c#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      8 +c#2
      = call +c#2 needs 8, wake at 10s
    > unknown
      9 +c#2 unknown, again at 300ms
      = wake at 300ms
    > wait
      10 +c#3
      = call +c#3 needs 10, wake at 10s
    > unknown
      11 +c#3 unknown
      12 rollback: c failed (why) [ECHEC_C]
      13 +c#4
      = call +c#4 needs 13
    > unknown
      14 +c#4 unknown, again at 400ms
      = wake at 400ms
    > wait
      15 +c#5
      = call +c#5 needs 15
    > ok
      16 +c#5 ok
      17 -c#1
      = call -c#1 needs 17
    > ok
      18 -c#1 ok
      19 -b#1
      = call -b#1 needs 19
    > ok
      20 -b#1 ok
      21 rolled back
      = answer needs 21
    ECHEC_C TERMINE over
    ");
}

#[test]
fn idempotent_an_unknown_outcome_that_turns_out_refused_is_not_undone() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; ok; unknown; wait; unknown; wait; unknown; refused; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > unknown
      7 +c#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      8 +c#2
      = call +c#2 needs 8, wake at 10s
    > unknown
      9 +c#2 unknown, again at 300ms
      = wake at 300ms
    > wait
      10 +c#3
      = call +c#3 needs 10, wake at 10s
    > unknown
      11 +c#3 unknown
      12 rollback: c failed (why) [ECHEC_C]
      13 +c#4
      = call +c#4 needs 13
    > refused
      14 +c#4 refused
      15 -b#1
      = call -b#1 needs 15
    > ok
      16 -b#1 ok
      17 rolled back
      = answer needs 17
    ECHEC_C TERMINE over
    ");
}

#[test]
fn idempotent_a_repetition_that_succeeds_goes_on_as_if_nothing_had_been() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; unknown; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > unknown
      5 +b#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > ok
      7 +b#2 ok [B]
      8 +c#1
      = call +c#1 needs 8, wake at 10s
    > ok
      9 +c#1 ok [C]
      10 completed [FINI]
      = answer needs 10
    FINI AUCUN over
    ");
}

#[test]
fn barrier_an_unknown_outcome_is_repeated_then_undone_at_once() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; unknown; wait; unknown; wait; unknown; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > unknown
      7 +c#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      8 +c#2
      = call +c#2 needs 4, wake at 10s
    > unknown
      9 +c#2 unknown, again at 300ms
      = wake at 300ms
    > wait
      10 +c#3
      = call +c#3 needs 4, wake at 10s
    > unknown
      11 +c#3 unknown
      12 rollback: c failed (why) [ECHEC_C]
      13 -c#1
      = call -c#1 needs 12
    > ok
      14 -c#1 ok
      15 -b#1
      = call -b#1 needs 12
    > ok
      16 -b#1 ok
      17 rolled back
      = answer needs 17
    ECHEC_C TERMINE over
    ");
}

#[test]
fn barrier_a_refusal_after_an_unknown_outcome_is_undone_all_the_same() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; unknown; wait; refused; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > unknown
      7 +c#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      8 +c#2
      = call +c#2 needs 4, wake at 10s
    > refused
      9 +c#2 refused
      10 rollback: c failed (why) [ECHEC_C]
      11 -c#1
      = call -c#1 needs 10
    > ok
      12 -c#1 ok
      13 -b#1
      = call -b#1 needs 10
    > ok
      14 -b#1 ok
      15 rolled back
      = answer needs 15
    ECHEC_C TERMINE over
    ");
}

#[test]
fn a_call_that_never_left_is_tried_again_with_every_safety_then_not_undone() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; not_sent; wait; not_sent; wait; not_sent; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > not_sent
      7 +c#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      8 +c#2
      = call +c#2 needs 8, wake at 10s
    > not_sent
      9 +c#2 not_sent, again at 300ms
      = wake at 300ms
    > wait
      10 +c#3
      = call +c#3 needs 10, wake at 10s
    > not_sent
      11 +c#3 not_sent
      12 rollback: c failed (why) [ECHEC_C]
      13 -b#1
      = call -b#1 needs 13
    > ok
      14 -b#1 ok
      15 rolled back
      = answer needs 15
    ECHEC_C TERMINE over
    ");
}

#[test]
fn retry_after_is_waited_for() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; not_sent 3s; wait 2999ms; wait; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > not_sent 3s
      5 +b#1 not_sent, again at 3100ms
      = wake at 3100ms
    > wait 2999ms
      = wake at 3100ms
    > wait
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > ok
      7 +b#2 ok [B]
      8 +c#1
      = call +c#1 needs 8, wake at 10s
    B AUCUN under way
    ");
}

#[test]
fn the_deadline_stops_a_step_that_waits_for_its_next_attempt() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; not_sent 30s; wait; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > not_sent 30s
      7 +c#1 not_sent, again at 30100ms
      = wake at 10s
    > wait
      8 rollback: deadline [ANNULEE]
      9 -b#1
      = call -b#1 needs 9
    > ok
      10 -b#1 ok
      11 rolled back
      = answer needs 11
    ANNULEE TERMINE over
    ");
}

#[test]
fn the_deadline_stops_a_read_in_flight() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "wait 10s; old ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > wait 10s
      3 rollback: deadline [ANNULEE]
      4 rolled back
      = answer needs 4
    > old ok
      rejected: nobody waits for that call any more
    ANNULEE AUCUN over
    ");
}

#[test]
fn the_deadline_with_a_plain_call_in_flight_waits_for_its_answer() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; wait 10s; ok; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > wait 10s
      7 rollback: deadline [ANNULEE]
      = call +c#1 needs 6
    > ok
      8 +c#1 ok
      9 -c#1
      = call -c#1 needs 9
    > ok
      10 -c#1 ok
      11 -b#1
      = call -b#1 needs 11
    > ok
      12 -b#1 ok
      13 rolled back
      = answer needs 13
    ANNULEE TERMINE over
    ");
}

#[test]
fn the_deadline_is_past_when_rolling_back_already() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; refused; wait 20s; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 -b#1
      = call -b#1 needs 9
    > wait 20s
      = call -b#1 needs 9
    > ok
      10 -b#1 ok
      11 rolled back
      = answer needs 11
    ECHEC_C TERMINE over
    ");
}

#[test]
fn a_clock_that_steps_back_only_makes_waits_longer() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; unknown; wait -5s; wait 5s; wait 100ms; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > unknown
      5 +b#1 unknown, again at 100ms
      = wake at 100ms
    > wait -5s
      = wake at 100ms
    > wait 5s
      = wake at 100ms
    > wait 100ms
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > ok
      7 +b#2 ok [B]
      8 +c#1
      = call +c#1 needs 8, wake at 10s
    B AUCUN under way
    ");
}

#[test]
fn none_a_cancellation_with_a_call_in_flight_waits_for_its_answer() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; cancel; unknown", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > cancel
      7 rollback: cancelled [ANNULEE]
      = call +c#1 needs 6
    > unknown
      8 +c#1 unknown
      9 blocked: c ActionUnknown
      = answer needs 9
    ANNULEE BLOQUE under way
    ");
}

#[test]
fn none_a_cancelled_call_that_never_left_is_not_repeated() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; cancel; not_sent; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > cancel
      7 rollback: cancelled [ANNULEE]
      = call +c#1 needs 6
    > not_sent
      8 +c#1 not_sent, again at 100ms
      9 -b#1
      = call -b#1 needs 9
    > ok
      10 -b#1 ok
      11 rolled back
      = answer needs 11
    ANNULEE TERMINE over
    ");
}

#[test]
fn idempotent_a_cancellation_with_a_call_in_flight_asks_until_its_outcome_is_known() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; ok; cancel; unknown; wait; ok; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > cancel
      7 rollback: cancelled [ANNULEE]
      = call +c#1 needs 6
    > unknown
      8 +c#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      9 +c#2
      = call +c#2 needs 9
    > ok
      10 +c#2 ok
      11 -c#1
      = call -c#1 needs 11
    > ok
      12 -c#1 ok
      13 -b#1
      = call -b#1 needs 13
    > ok
      14 -b#1 ok
      15 rolled back
      = answer needs 15
    ANNULEE TERMINE over
    ");
}

#[test]
fn barrier_a_cancellation_with_a_call_in_flight_undoes_it_at_once_and_ignores_its_answer() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; cancel; old ok; ok; old unknown; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > cancel
      7 rollback: cancelled [ANNULEE]
      8 -c#1
      = call -c#1 needs 7
    > old ok
      rejected: nobody waits for that call any more
    > ok
      9 -c#1 ok
      10 -b#1
      = call -b#1 needs 7
    > old unknown
      rejected: nobody waits for that call any more
    > ok
      11 -b#1 ok
      12 rolled back
      = answer needs 12
    ANNULEE TERMINE over
    ");
}

#[test]
fn cancelling_twice_is_no_mistake() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; cancel; cancel; ok; cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 -b#1
      = call -b#1 needs 5
    > cancel
      = call -b#1 needs 5
    > ok
      7 -b#1 ok
      8 rolled back
      = answer needs 8
    > cancel
      = answer needs 8
    ANNULEE TERMINE over
    ");
}

#[test]
fn cancelling_before_any_effect_leaves_nothing_to_undo() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > cancel
      3 rollback: cancelled [ANNULEE]
      4 rolled back
      = answer needs 4
    ANNULEE AUCUN over
    ");
}

#[test]
fn cancelling_a_confirmed_order_is_too_late() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; ok; cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > ok
      7 +c#1 ok [C]
      8 completed [FINI]
      = answer needs 8
    > cancel
      rejected: the order is confirmed; it cannot be cancelled any more
    FINI AUCUN over
    ");
}

#[test]
fn cancelling_an_order_that_fails_already_is_refused() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; refused; cancel; ok; cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 -b#1
      = call -b#1 needs 8
    > cancel
      rejected: the order has failed already; what was done is undone without being asked
    > ok
      10 -b#1 ok
      11 rolled back
      = answer needs 11
    > cancel
      rejected: the order has failed already; what was done is undone without being asked
    ECHEC_C TERMINE over
    ");
}

#[test]
fn a_reply_from_an_abandoned_attempt_is_ignored() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; unknown; wait; old ok; ok; old ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > unknown
      5 +b#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > old ok
      rejected: nobody waits for that call any more
    > ok
      7 +b#2 ok [B]
      8 +c#1
      = call +c#1 needs 8, wake at 10s
    > old ok
      rejected: nobody waits for that call any more
    B AUCUN under way
    ");
}

#[test]
fn a_compensation_that_keeps_failing_calls_for_a_person_and_goes_on() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; refused; refused; wait; unknown; wait; not_sent; wait; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 -b#1
      = call -b#1 needs 8
    > refused
      10 -b#1 refused, again at 100ms
      = wake at 100ms
    > wait
      11 -b#2
      = call -b#2 needs 8
    > unknown
      12 -b#2 unknown, again at 300ms
      13 blocked: b CompensationFailing
      = wake at 300ms, answer needs 13
    > wait
      14 -b#3
      = call -b#3 needs 8, answer needs 13
    > not_sent
      15 -b#3 not_sent, again at 700ms
      = wake at 700ms, answer needs 13
    > wait
      16 -b#4
      = call -b#4 needs 8, answer needs 13
    > ok
      17 -b#4 ok
      18 rolled back
      = answer needs 18
    ECHEC_C TERMINE over
    ");
}

#[test]
fn none_a_compensation_with_an_unknown_outcome_blocks() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; refused; not_sent; wait; unknown; wait 60s", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 -b#1
      = call -b#1 needs 9
    > not_sent
      10 -b#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      11 -b#2
      = call -b#2 needs 11
    > unknown
      12 -b#2 unknown
      13 blocked: b CompensationUnknown
      = answer needs 13
    > wait 60s
      = answer needs 13
    ECHEC_C BLOQUE under way
    ");
}

#[test]
fn idempotent_an_action_that_stays_unknown_calls_for_a_person_and_is_asked_on() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; cancel; unknown; wait; unknown; wait; unknown; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      = call +b#1 needs 4
    > unknown
      6 +b#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      7 +b#2
      = call +b#2 needs 7
    > unknown
      8 +b#2 unknown, again at 300ms
      9 blocked: b ActionUnsettled
      = wake at 300ms, answer needs 9
    > wait
      10 +b#3
      = call +b#3 needs 10, answer needs 9
    > unknown
      11 +b#3 unknown, again at 700ms
      = wake at 700ms, answer needs 9
    > wait
      12 +b#4
      = call +b#4 needs 12, answer needs 9
    > ok
      13 +b#4 ok
      14 -b#1
      = call -b#1 needs 14
    > ok
      15 -b#1 ok
      16 rolled back
      = answer needs 16
    ANNULEE TERMINE over
    ");
}

#[test]
fn a_step_that_is_never_undone_is_left_alone() {
    check!(definition(&[Spec::new(Kind::Plain), Spec::new(Kind::Barrier).for_good(), Spec::new(Kind::Plain)]), "ok; ok; refused; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 3, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 -a#1
      = call -a#1 needs 9
    > ok
      10 -a#1 ok
      11 rolled back
      = answer needs 11
    ECHEC_C TERMINE over
    ");
}

#[test]
fn a_step_that_is_never_undone_is_not_waited_for() {
    check!(definition(&[Spec::new(Kind::Plain), Spec::new(Kind::Plain).for_good()]), "ok; cancel; ok; old ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 -a#1
      = call -a#1 needs 6
    > ok
      7 -a#1 ok
      8 rolled back
      = answer needs 8
    > old ok
      rejected: nobody waits for that call any more
    ANNULEE TERMINE over
    ");
}

#[test]
fn taken_over_while_reading_reads_again() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "take-over; old ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > take-over
      3 taken over: epoch 2
      4 +a#2
      = call +a#2 at once, wake at 10s
    > old ok
      rejected: nobody waits for that call any more
    > ok
      5 +a#2 ok [A]
      6 +b#1
      = call +b#1 needs 6, wake at 10s
    A AUCUN under way
    ");
}

#[test]
fn none_taken_over_with_a_call_in_flight_blocks() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; take-over", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > take-over
      7 taken over: epoch 2
      8 rollback: c failed (the call was cut short by a restart) [ECHEC_C]
      9 blocked: c ActionUnknown
      = answer needs 9
    ECHEC_C BLOQUE under way
    ");
}

#[test]
fn none_a_call_whose_start_was_not_kept_cannot_have_left() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; crash 5; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > crash 5
      6 taken over: epoch 2
      7 +c#1
      = call +c#1 needs 7, wake at 10s
    > ok
      8 +c#1 ok [C]
      9 completed [FINI]
      = answer needs 9
    FINI AUCUN over
    ");
}

#[test]
fn idempotent_taken_over_with_a_call_in_flight_repeats_it() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; ok; take-over; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > take-over
      7 taken over: epoch 2
      8 +c#2
      = call +c#2 needs 8, wake at 10s
    > ok
      9 +c#2 ok [C]
      10 completed [FINI]
      = answer needs 10
    FINI AUCUN over
    ");
}

#[test]
fn idempotent_a_repetition_waits_for_its_record_so_that_none_is_unknown_to_the_next_owner() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; not_sent; wait; crash 5; cancel; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > not_sent
      5 +b#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > crash 5
      6 taken over: epoch 2
      7 +b#2
      = call +b#2 needs 7, wake at 10s
    > cancel
      8 rollback: cancelled [ANNULEE]
      = call +b#2 needs 7
    > ok
      9 +b#2 ok
      10 -b#1
      = call -b#1 needs 10
    > ok
      11 -b#1 ok
      12 rolled back
      = answer needs 12
    ANNULEE TERMINE over
    ");
}

#[test]
fn idempotent_a_next_owner_with_a_slower_clock_knows_that_the_repetition_never_left() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; not_sent; wait; wait -50ms; crash 5; cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > not_sent
      5 +b#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > wait -50ms
      = call +b#2 needs 6, wake at 10s
    > crash 5
      6 taken over: epoch 2
      = wake at 100ms
    > cancel
      7 rollback: cancelled [ANNULEE]
      8 rolled back
      = answer needs 8
    ANNULEE AUCUN over
    ");
}

#[test]
fn barrier_a_next_owner_with_a_slower_clock_undoes_a_repetition_that_may_have_left() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; not_sent; wait; wait -50ms; crash 5; cancel; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > not_sent
      5 +b#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 4, wake at 10s
    > wait -50ms
      = call +b#2 needs 4, wake at 10s
    > crash 5
      6 taken over: epoch 2
      = wake at 100ms
    > cancel
      7 rollback: cancelled [ANNULEE]
      8 -c#1
      = call -c#1 needs 7
    > ok
      9 -c#1 ok
      10 -b#1
      = call -b#1 needs 7
    ANNULEE EN_COURS under way
    ");
}

#[test]
fn barrier_taken_over_undoes_whatever_may_have_run_ahead_of_the_disk() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; ok; crash 4; cancel; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > ok
      7 +c#1 ok [C]
      8 completed [FINI]
      = answer needs 8
    > crash 4
      5 taken over: epoch 2
      6 +b#2
      = call +b#2 needs 5, wake at 10s
    > cancel
      7 rollback: cancelled [ANNULEE]
      8 -c#1
      = call -c#1 needs 7
    > ok
      9 -c#1 ok
      10 -b#1
      = call -b#1 needs 7
    > ok
      11 -b#1 ok
      12 rolled back
      = answer needs 12
    ANNULEE TERMINE over
    ");
}

#[test]
fn barrier_taken_over_before_the_first_effect_was_kept_undoes_nothing() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; ok; crash 3; cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > ok
      7 +c#1 ok [C]
      8 completed [FINI]
      = answer needs 8
    > crash 3
      4 taken over: epoch 2
      5 +b#1
      = call +b#1 needs 5, wake at 10s
    > cancel
      6 rollback: cancelled [ANNULEE]
      7 -b#1
      = call -b#1 needs 6
    ANNULEE EN_COURS under way
    ");
}

#[test]
fn barrier_taken_over_goes_on_to_the_end_without_doubling() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; ok; crash 4; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > ok
      7 +c#1 ok [C]
      8 completed [FINI]
      = answer needs 8
    > crash 4
      5 taken over: epoch 2
      6 +b#2
      = call +b#2 needs 5, wake at 10s
    > ok
      7 +b#2 ok [B]
      8 +c#1
      = call +c#1 needs 5, wake at 10s
    > ok
      9 +c#1 ok [C]
      10 completed [FINI]
      = answer needs 10
    FINI AUCUN over
    ");
}

#[test]
fn barrier_a_plain_step_is_the_edge_that_nothing_crosses_unrecorded() {
    check!(definition(&[Spec::new(Kind::Barrier), Spec::new(Kind::Barrier), Spec::new(Kind::Plain), Spec::new(Kind::Barrier)]), "ok; crash 2; cancel; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 2, wake at 10s
    > crash 2
      3 taken over: epoch 2
      4 +a#2
      = call +a#2 needs 3, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 -b#1
      = call -b#1 needs 5
    > ok
      7 -b#1 ok
      8 -a#1
      = call -a#1 needs 5
    > ok
      9 -a#1 ok
      10 rolled back
      = answer needs 10
    ANNULEE TERMINE over
    ");
}

#[test]
fn barrier_a_step_whose_output_is_needed_is_an_edge_too() {
    check!(definition(&[Spec::new(Kind::Barrier), Spec::new(Kind::Barrier), Spec::new(Kind::Barrier).from(&[1])]), "ok; ok; crash 2; cancel; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 2, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 5, wake at 10s
    > crash 2
      3 taken over: epoch 2
      4 +a#2
      = call +a#2 needs 3, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 -b#1
      = call -b#1 needs 5
    > ok
      7 -b#1 ok
      8 -a#1
      = call -a#1 needs 5
    > ok
      9 -a#1 ok
      10 rolled back
      = answer needs 10
    ANNULEE TERMINE over
    ");
}

#[test]
fn barrier_a_read_after_the_first_effect_is_an_edge_too() {
    check!(definition(&[Spec::new(Kind::Barrier), Spec::new(Kind::Read), Spec::new(Kind::Barrier).from(&[1])]), "ok; ok; crash 4; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 at once, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 5, wake at 10s
    > crash 4
      5 taken over: epoch 2
      6 +b#2
      = call +b#2 at once, wake at 10s
    > ok
      7 +b#2 ok [B]
      8 +c#1
      = call +c#1 needs 7, wake at 10s
    > ok
      9 +c#1 ok [C]
      10 completed [FINI]
      = answer needs 10
    FINI AUCUN over
    ");
}

#[test]
fn barrier_taken_over_after_a_step_gave_up_undoes_nothing_that_cannot_have_run() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; not_sent; wait; not_sent; wait; not_sent; crash 9", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > not_sent
      5 +b#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 4, wake at 10s
    > not_sent
      7 +b#2 not_sent, again at 300ms
      = wake at 300ms
    > wait
      8 +b#3
      = call +b#3 needs 4, wake at 10s
    > not_sent
      9 +b#3 not_sent
      10 rollback: b failed (why) [ECHEC_B]
      11 rolled back
      = answer needs 11
    > crash 9
      10 taken over: epoch 2
      11 rollback: b failed (why) [ECHEC_B]
      12 rolled back
      = answer needs 12
    ECHEC_B AUCUN over
    ");
}

#[test]
fn barrier_taken_over_while_rolling_back_does_not_undo_what_never_left() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; not_sent; cancel; take-over; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > not_sent
      7 +c#1 not_sent, again at 100ms
      = wake at 100ms
    > cancel
      8 rollback: cancelled [ANNULEE]
      9 -b#1
      = call -b#1 needs 8
    > take-over
      10 taken over: epoch 2
      11 -b#2
      = call -b#2 needs 10
    > ok
      12 -b#2 ok
      13 rolled back
      = answer needs 13
    ANNULEE TERMINE over
    ");
}

#[test]
fn barrier_taken_over_while_undoing_repeats_the_compensation() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; refused; take-over; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 -b#1
      = call -b#1 needs 8
    > take-over
      10 taken over: epoch 2
      11 -b#2
      = call -b#2 needs 10
    > ok
      12 -b#2 ok
      13 rolled back
      = answer needs 13
    ECHEC_C TERMINE over
    ");
}

#[test]
fn none_taken_over_while_undoing_blocks() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; refused; take-over", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 -b#1
      = call -b#1 needs 9
    > take-over
      10 taken over: epoch 2
      11 blocked: b CompensationUnknown
      = answer needs 11
    ECHEC_C BLOQUE under way
    ");
}

#[test]
fn taken_over_while_waiting_keeps_the_wait() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; not_sent 3s; take-over; wait; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > not_sent 3s
      5 +b#1 not_sent, again at 3100ms
      = wake at 3100ms
    > take-over
      6 taken over: epoch 2
      = wake at 3100ms
    > wait
      7 +b#2
      = call +b#2 needs 7, wake at 10s
    > ok
      8 +b#2 ok [B]
      9 +c#1
      = call +c#1 needs 9, wake at 10s
    B AUCUN under way
    ");
}

#[test]
fn taken_over_between_the_last_result_and_the_end_just_ends() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; ok; crash 7", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > ok
      7 +c#1 ok [C]
      8 completed [FINI]
      = answer needs 8
    > crash 7
      8 taken over: epoch 2
      9 completed [FINI]
      = answer needs 9
    FINI AUCUN over
    ");
}

#[test]
fn taken_over_between_the_decision_and_the_first_compensation_compensates() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; refused; crash 8; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 -b#1
      = call -b#1 needs 9
    > crash 8
      9 taken over: epoch 2
      10 -b#1
      = call -b#1 needs 10
    > ok
      11 -b#1 ok
      12 rolled back
      = answer needs 12
    ECHEC_C TERMINE over
    ");
}

#[test]
fn taken_over_after_the_end_is_refused() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "cancel; take-over", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > cancel
      3 rollback: cancelled [ANNULEE]
      4 rolled back
      = answer needs 4
    > take-over
      rejected: the order is over
    ANNULEE AUCUN over
    ");
}

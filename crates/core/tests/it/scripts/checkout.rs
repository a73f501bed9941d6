//! The built-in checkout, from the first call to the end.

use super::check;
use crate::support::checkout;

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
    CONFIRMEE None over
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
    CONFIRMEE None over
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
    ECHEC_STOCK None over
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
    ECHEC_PAIEMENT Done over
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
    ECHEC_ENREGISTREMENT Done over
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
    ECHEC_STOCK None over
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
    ECHEC_STOCK None over
    ");
}

//! Two releases on one journal: what one cannot read, the other goes on with. (`--test endurance` has them under load.)

use boutique::{Facon, Service};

use crate::client::until;
use crate::load::{Book, CallerResult, Manner, Wish};
use crate::server::Setup;
use crate::shop::Shop;
use crate::store::StoreEngine;

/// A history with an event that only a later release knows, which the rule of `docs/upgrades.md` forbids to be written: the release that meets
/// it sets the order aside, and does no harm. As soon as that process ends, the later release takes the order over and goes on with it,
/// without a person. (Here, the later release can read it because the event is taken away again.)
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_one_release_cannot_read_goes_on_when_another_takes_it_over() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Postgres);
    setup.variable("ORCHESTRATEUR_REPLICA", "before".to_owned());
    let later = setup.start().await;
    shop.fault("POST /api/clients/*/payer latency=2000");
    let wish = Wish { manner: Manner::Async, ..Wish::plain(1, 4) };
    let CallerResult::Accepted { saga } = wish.ask(later.address, &Book::default()).await else {
        panic!("not accepted")
    };
    until("the stock is reserved", async || (shop.ledger(Service::Stock).await.len() == 1).then_some(()))
        .await;
    later.kill();
    shop.mend();
    let (person, connection) =
        tokio_postgres::connect(&setup.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let replace = async |from: &str, to: &str| {
        let sql = format!(
            "UPDATE saga_event SET events = replace(events, '{from}', '{to}') WHERE saga_id = '{saga}' AND first_seq = 1"
        );
        assert_eq!(person.execute(&sql, &[]).await.unwrap(), 1);
    };
    replace("\"started\"", "\"levitated\"").await;
    let before = setup.start().await;
    before.quiet().await;
    let order = before.commande(&saga).await;
    assert_eq!(order["blocage"]["motif"], "history_unreadable", "{order}");
    replace("\"levitated\"", "\"started\"").await;

    setup.variable("ORCHESTRATEUR_REPLICA", "later".to_owned());
    let later = setup.start().await;
    later.quiet().await;
    assert_eq!(later.commande(&saga).await["rollback"], "BLOQUE", "its owner still runs");
    before.signal("TERM");
    assert!(before.exit().await.success());
    let order = later.settled(&saga).await;
    // `settled` is content with a blocked order, too.
    let order = if order["rollback"] == "BLOQUE" {
        until("it goes on", async || {
            let order = later.commande(&saga).await;
            (order["etat_actuel"] == "CONFIRMEE").then_some(order)
        })
        .await
    } else {
        order
    };
    assert_eq!(
        (&order["etat_actuel"], &order["rollback"]),
        (&"CONFIRMEE".into(), &"AUCUN".into()),
        "{order}"
    );
    assert_eq!(shop.effects_of(&saga, "payer").await, 1);
}

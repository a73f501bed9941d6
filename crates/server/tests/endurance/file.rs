//! A second process on the same SQLite file.

use boutique::Facon;
use saga_endurance::load::{Book, CallerResult, Wish};
use saga_endurance::serve::Setup;
use saga_endurance::shop::Shop;
use saga_endurance::store::StoreEngine;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_says_so_and_ends_while_the_first_goes_on() {
    let shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Sqlite);
    let first = setup.start().await;
    let book = Book::default();
    // In the middle of an order of the first.
    shop.fault("POST /api/ventes latency=3000");
    let wish = Wish::plain(1, 4);
    let (told, second) = tokio::join!(wish.ask(first.address, &book), setup.try_start());
    let Err((status, log)) = second else { panic!("there are two processes on one file") };
    assert_ne!(status.code(), Some(0));
    assert!(log.contains("orchestrateur.db") && log.contains("another process"), "{log}");
    assert!(matches!(&told, CallerResult::Final { etat, .. } if etat == "CONFIRMEE"), "{told:?}");
    shop.mend();
    let told = Wish::plain(2, 4).ask(first.address, &book).await;
    assert!(matches!(&told, CallerResult::Final { etat, .. } if etat == "CONFIRMEE"), "{told:?}");
    assert_eq!(shop.effects().await, 6);
    // The file is free as soon as the first has gone, however it went.
    first.kill();
    setup.start().await.quiet().await;
}

//! A disk that is full.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use boutique::Facon;

use crate::client::{self, until, within};
use crate::judge::judge;
use crate::load::{Book, CallerResult, Wish};
use crate::server::Setup;
use crate::shop::Shop;
use crate::store::StoreEngine;

/// A small disk in memory. Needs root; gone when it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(bytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_turns_new_orders_away_and_loses_none() {
    let Some(disk) = SmallDisk::mount(4 << 20) else {
        println!("skipped: mounting a small disk is not permitted here");
        return;
    };
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    setup.database_url = StoreEngine::Sqlite.empty(disk.path());
    let serve = setup.start().await;
    let book = Arc::new(Book::default());
    // Some orders are under way while the disk fills up.
    shop.fault("POST /api/ventes latency=1000");
    let address = serve.address;
    let running: tokio::task::JoinSet<CallerResult> = (0..20)
        .map(|number| {
            let book = book.clone();
            async move { Wish::plain(number, 4).ask(address, &book).await }
        })
        .collect();
    until("all orders have paid", async || {
        (shop.ledger(boutique::Service::Client).await.len() == 20).then_some(())
    })
    .await;
    let ballast = disk.path().join("ballast");
    fill(&ballast);
    until("readiness is lost", async || (ready(address).await == 503).then_some(())).await;
    // As long as the disk is full, no new order is let in, and nothing says otherwise.
    let early = within(Duration::from_secs(2), async || (ready(address).await == 200).then_some(())).await;
    assert_eq!(early, None, "it says that it is ready, without room on its disk");
    for number in 100..105 {
        let begun = tokio::time::Instant::now();
        let told = Wish::plain(number, 4).ask(address, &book).await;
        assert_eq!(told, CallerResult::NothingDone);
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
    std::fs::remove_file(&ballast).unwrap();
    until("readiness is back", async || (ready(address).await == 200).then_some(())).await;
    for told in running.join_all().await {
        assert!(matches!(&told, CallerResult::Final { etat, .. } if etat == "CONFIRMEE"), "{told:?}");
    }
    shop.mend();
    let told = Wish::plain(200, 4).ask(address, &book).await;
    assert!(matches!(&told, CallerResult::Final { etat, .. } if etat == "CONFIRMEE"), "{told:?}");
    serve.quiet().await;
    judge(&serve, &shop, &book).await;
    // The journal that was written is whole.
    serve.kill();
    let serve = setup.start().await;
    serve.quiet().await;
    judge(&serve, &shop, &book).await;
}

async fn ready(address: std::net::SocketAddr) -> u16 {
    client::send(address, "GET", "/readyz", &[], None).await.unwrap().status
}

/// Writes until not one more byte fits.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    for size in [65_536, 4_096, 1] {
        while file.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
    }
}

//! What one key may take: requests in a second, and slots for sagas under way.

use crate::access::{KeyRing, bearing};
use crate::harness::{Shop, World, until};
use crate::http::Call;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_make_so_many_requests_a_second() {
    let ring = KeyRing::new();
    let (limited, other) =
        (ring.add("busy", "read", &["--requests-per-second", "2"]), ring.add("other", "read", &[]));
    let world = ring.world().await;
    let ask = async |key: &str| world.send(&bearing(Call::get("/api/sagas"), key)).await;
    let mut statuses = Vec::new();
    for _ in 0..40 {
        let told = ask(&limited).await;
        assert_eq!(told.header("ratelimit-policy"), Some("\"key\";q=2;w=1"));
        if told.status == 429 {
            told.problem(429, "requests_per_second");
            assert_eq!(
                (told.header("retry-after"), told.header("ratelimit")),
                (Some("1"), Some("\"key\";r=0;t=1"))
            );
        }
        statuses.push(told.status);
    }
    assert_eq!(statuses[..2], [200, 200]);
    assert!(statuses.contains(&429), "{statuses:?}");
    let unlimited = ask(&other).await;
    assert_eq!((unlimited.status, unlimited.header("ratelimit")), (200, None), "each key has its own");
    until("it may go on", async || ask(&limited).await.status == 200).await;
    assert!(!ring.keys(&["add", "x", "--role", "read", "--requests-per-second", "0"]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_hold_so_many_slots() {
    let ring = KeyRing::new();
    let (limited, other) =
        (ring.add("batch", "start", &["--slots-percent", "2"]), ring.add("shop", "start", &[]));
    let flags = ["--api-keys-file", &ring.file(), "--active-sagas-max", "100"];
    let world = World::with(Shop::open().await, &flags).await;
    world.shop.fault("POST /api/clients/*/payer latency=60000");
    let start = async |key: &str| {
        let call = bearing(Call::checkout(4).prefer("respond-async"), key);
        world.send(&call).await
    };
    assert_eq!([start(&limited).await.status, start(&limited).await.status], [202, 202]);
    let refused = start(&limited).await.problem(429, "slots_percent");
    assert!(refused["detail"].as_str().unwrap().contains("nothing was done"), "{refused}");
    assert_eq!(start(&other).await.status, 202, "others have room");
}

//! Requests byte for byte, made up from a seed and sent over real sockets to the real server: whatever they
//! are, it goes on, and what it refuses it explains.
//!
//! - `refused.rs`: what must not work; `mutated.rs`: what worked before it was changed.
//!
//! `RAW_REQUESTS` says how many of each are sent, `RAW_REQUESTS_SEED` what they are made up from.

mod mutated;
mod refused;

use std::net::SocketAddr;
use std::sync::Arc;

use saga_testkit::dice::{Dice, number, seed};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::harness::World;
use crate::http::{Close, Reply, raw_bytes};

/// The seed that all of them are made up from.
const SEED: u64 = 20_260_720;
/// How many there are of each kind, unless `RAW_REQUESTS` says otherwise.
const REQUESTS: u64 = 3_000;
/// Sent at the same time.
const AT_ONCE: usize = 32;
/// Memory may grow by this many bytes between the first tenth and the end.
const GROWTH_MAX: f64 = 48e6;

/// The bytes that are sent, and what must come of them.
struct Sent {
    kind: &'static str,
    bytes: Vec<u8>,
    close: Close,
    expect: Expect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A 4xx that explains itself.
    Refused,
    /// The same, or the HTTP layer's 4xx without words, or nothing: it is not HTTP.
    CutOff,
    /// Anything but a failure of the server's; where it refuses, as above.
    Anything,
}

/// Judges an answer; the error says what is wrong with it.
fn judge(reply: &Reply, expect: Expect) -> Result<(), String> {
    let explains = || {
        let problem = serde_json::from_str::<Value>(&reply.text).unwrap_or_default();
        let is_said = reply.header("content-type") == Some("application/problem+json");
        // The answer to HEAD is its head alone.
        is_said && (reply.text.is_empty() || problem["code"].is_string() && problem["status"] == reply.status)
    };
    let is_wordless = reply.header("content-length") == Some("0") && [400, 414, 431].contains(&reply.status);
    let is_met = match expect {
        Expect::Refused => (400..500).contains(&reply.status) && explains(),
        Expect::CutOff => (400..500).contains(&reply.status) && (explains() || is_wordless),
        Expect::Anything => match reply.status {
            200..=399 => true,
            400..=499 => explains() || is_wordless,
            503 => explains() && reply.header("retry-after").is_some(),
            _ => false,
        },
    };
    if is_met { Ok(()) } else { Err(format!("{reply:?}")) }
}

/// Sends it, and says what is wrong with how it was met; how many answers there were.
async fn send(address: SocketAddr, sent: &Sent) -> Result<usize, String> {
    let replies = Reply::all(&raw_bytes(address, &sent.bytes, sent.close).await);
    if replies.is_empty() && sent.expect == Expect::Refused {
        return Err("no answer".to_owned());
    }
    replies.iter().try_for_each(|reply| judge(reply, sent.expect))?;
    Ok(replies.len())
}

/// Sends so many of what `make` makes, and holds the process to be as it was.
async fn send_all(what: &str, make: fn(u64, &Dice) -> Sent) -> (World, u64) {
    let seed = seed("RAW_REQUESTS_SEED", SEED, "cargo test -p orchestrateur --test it");
    let requests = number("RAW_REQUESTS").unwrap_or(REQUESTS);
    let world = World::open().await;
    let (turns, address) = (Arc::new(Semaphore::new(AT_ONCE)), world.server.address);
    let memory = async || world.metric("process_resident_memory_bytes").await;
    let (mut wrong, mut answers, mut warm) = (Vec::new(), 0, 0.0);
    for tenth in 0..10 {
        let sent: Vec<_> = (requests * tenth / 10..requests * (tenth + 1) / 10)
            .map(|number| {
                let turns = turns.clone();
                tokio::spawn(async move {
                    let _turn = turns.acquire().await.unwrap();
                    let sent = make(number, &Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number)));
                    send(address, &sent).await.map_err(|wrong| {
                        let shown: String = String::from_utf8_lossy(&sent.bytes).chars().take(600).collect();
                        format!(
                            "RAW_REQUESTS_SEED={seed}, request {number}, {}: {shown:?}: {wrong}",
                            sent.kind
                        )
                    })
                })
            })
            .collect();
        for judged in sent {
            match judged.await.unwrap() {
                Ok(count) => answers += count,
                Err(said) => wrong.push(said),
            }
        }
        if tenth == 0 {
            warm = memory().await;
        }
    }
    assert!(wrong.is_empty(), "{} of {requests}: {}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    let grown = memory().await - warm;
    println!(
        "{what}: seed {seed}, {requests} requests, {answers} answers, memory {:.1} MB after a tenth, then {:+.1} MB",
        warm / 1e6,
        grown / 1e6
    );
    assert!(grown < GROWTH_MAX, "RAW_REQUESTS_SEED={seed}: {grown} bytes more than {warm}");
    assert_eq!(world.get("/readyz").await.status, 200, "RAW_REQUESTS_SEED={seed}");
    let said = world.server.said();
    assert!(!said.contains("panicked") && !said.contains("\"ERROR\""), "RAW_REQUESTS_SEED={seed}: {said}");
    (world, seed)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_work_is_refused_with_words_and_does_nothing() {
    let (world, seed) = send_all("refused", refused::make).await;
    assert_eq!(world.get("/api/commandes").await.text, "[]", "RAW_REQUESTS_SEED={seed}: an order was placed");
    world.order(4, "CONFIRMEE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_the_server_goes_on() {
    let (world, _) = send_all("mutated", mutated::make).await;
    world.order(4, "CONFIRMEE").await;
}

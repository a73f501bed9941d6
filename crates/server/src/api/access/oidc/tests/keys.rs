//! When keys are fetched, and which count meanwhile. The clock is paused: times pass at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;
use tokio::time::{Instant, advance, sleep};

use super::*;

/// An issuer that can change its keys, be away, and be slow.
struct World {
    issuer: TokenIssuer,
    published: watch::Sender<Result<KeySet, String>>,
    slow: watch::Sender<Duration>,
    fetches: AtomicUsize,
    failures: AtomicUsize,
}

impl World {
    fn new(published: Result<KeySet, String>) -> Self {
        Self {
            issuer: TokenIssuer::new(settings()).unwrap(),
            published: watch::Sender::new(published),
            slow: watch::Sender::new(Duration::from_millis(50)),
            fetches: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
        }
    }

    /// Runs a test while the keys are kept.
    async fn run(&self, test: impl AsyncFnOnce(&Self)) {
        let fetch = async || {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            let slow = *self.slow.borrow();
            sleep(slow).await;
            self.published.borrow().clone()
        };
        let report = |ended| {
            if let FetchEnded::Failed { .. } = ended {
                self.failures.fetch_add(1, Ordering::SeqCst);
            }
        };
        tokio::select! {
            never = self.issuer.keys.keep(fetch, report) => match never {},
            () = test(self) => {}
        }
    }

    fn publish(&self, keys: &[&TokenKey]) {
        drop(self.published.send_replace(Ok(set(keys))));
    }

    fn goes_down(&self) {
        drop(self.published.send_replace(Err("it is down".to_owned())));
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    async fn present(&self, key: &TokenKey) -> Result<(), NotHeld> {
        self.issuer.holder(key.token(&claims()).as_bytes(), now()).await.map(drop)
    }
}

const UNKNOWN: Result<(), NotHeld> = Err(NotHeld::Bad("unknown_key"));
const UNREACHABLE: Result<(), NotHeld> = Err(NotHeld::IssuerUnreachable);

#[tokio::test(start_paused = true)]
async fn a_new_key_is_taken_at_once_and_one_that_is_gone_counts_no_more() {
    let [old, new] = ["old", "new"].map(TokenKey::ed25519);
    World::new(Ok(set(&[&old])))
        .run(async |world| {
            // The first request waits for the first fetch.
            assert_eq!(world.present(&old).await, Ok(()));
            world.publish(&[&new]);
            assert_eq!((world.present(&old).await, world.fetches()), (Ok(()), 1));
            assert_eq!((world.present(&new).await, world.fetches()), (Ok(()), 2));
            assert_eq!((world.present(&old).await, world.fetches()), (UNKNOWN, 2));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_gone_stops_with_the_next_regular_fetch() {
    let [old, new] = ["old", "new"].map(TokenKey::ed25519);
    World::new(Ok(set(&[&old])))
        .run(async |world| {
            assert_eq!(world.present(&old).await, Ok(()));
            world.publish(&[&new]);
            sleep(Duration::from_secs(299)).await;
            assert_eq!((world.present(&old).await, world.fetches()), (Ok(()), 1));
            sleep(Duration::from_secs(2)).await;
            assert_eq!((world.fetches(), world.present(&new).await), (2, Ok(())));
            assert_eq!(world.present(&old).await, UNKNOWN);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn requests_have_keys_fetched_once_in_a_while_whatever_they_send() {
    let known = TokenKey::ed25519("known");
    let strangers: Vec<TokenKey> = (0..20).map(|number| TokenKey::ed25519(&format!("x{number}"))).collect();
    World::new(Ok(set(&[&known])))
        .run(async |world| {
            assert_eq!(world.present(&known).await, Ok(()));
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(100) {
                for stranger in &strangers {
                    assert_eq!(world.present(stranger).await, UNKNOWN);
                }
                advance(Duration::from_millis(500)).await;
            }
            assert!((2..=12).contains(&world.fetches()), "{}", world.fetches());
            // A token that would not be good with the right signature has nothing fetched.
            let before = world.fetches();
            advance(Duration::from_secs(20)).await;
            let foreign = strangers[0].token(&with("aud", "other".into()));
            assert_eq!(
                world.issuer.holder(foreign.as_bytes(), now()).await,
                Err(NotHeld::Bad("wrong_audience"))
            );
            sleep(Duration::from_secs(1)).await;
            assert_eq!(world.fetches(), before);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn requests_share_a_fetch_and_others_do_not_wait_for_it() {
    let [old, new] = ["old", "new"].map(TokenKey::ed25519);
    World::new(Ok(set(&[&old])))
        .run(async |world| {
            assert_eq!(world.present(&old).await, Ok(()));
            world.publish(&[&old, &new]);
            world.slow.send_replace(Duration::from_secs(1));
            let begun = Instant::now();
            let waits = async || (world.present(&new).await, begun.elapsed() >= Duration::from_secs(1));
            let known = async || (world.present(&old).await, begun.elapsed() >= Duration::from_secs(1));
            let told = tokio::join!(waits(), waits(), known(), waits(), known());
            let (at_once, later) = ((Ok(()), false), (Ok(()), true));
            assert_eq!(told, (later, (Ok(()), true), at_once, (Ok(()), true), (Ok(()), false)));
            assert_eq!(world.fetches(), 2);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_last_keys_go_on_while_the_issuer_is_away_but_not_for_ever() {
    let [known, new] = ["known", "new"].map(TokenKey::ed25519);
    World::new(Ok(set(&[&known])))
        .run(async |world| {
            assert_eq!(world.present(&known).await, Ok(()));
            world.goes_down();
            for _ in 0..23 {
                sleep(Duration::from_secs(3_600)).await;
                assert_eq!(world.present(&known).await, Ok(()));
                // It may be of a key that came meanwhile.
                assert_eq!(world.present(&new).await, UNREACHABLE);
            }
            assert!(world.failures.load(Ordering::SeqCst) > 23);
            sleep(Duration::from_secs(3_700)).await;
            assert_eq!(world.present(&known).await, UNREACHABLE, "a token that was good before, too");
            world.publish(&[&known]);
            sleep(Duration::from_secs(11)).await;
            assert_eq!(world.present(&known).await, Ok(()));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn without_keys_a_token_cannot_be_judged_and_a_slow_issuer_holds_nobody_up_for_long() {
    let key = TokenKey::ed25519("k");
    let world = World::new(Ok(set(&[&key])));
    world.slow.send_replace(Duration::from_secs(9));
    world
        .run(async |world| {
            let begun = Instant::now();
            assert_eq!(world.present(&key).await, UNREACHABLE);
            assert_eq!(begun.elapsed(), Duration::from_secs(2));
            // A token of another issuer needs no key to be refused, and is refused at once.
            let foreign = key.token(&with("iss", "other".into()));
            assert_eq!(
                world.issuer.holder(foreign.as_bytes(), now()).await,
                Err(NotHeld::Bad("wrong_issuer"))
            );
            sleep(Duration::from_secs(8)).await;
            assert_eq!(world.present(&key).await, Ok(()));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_has_keys_fetched_at_once() {
    let [old, new] = ["old", "new"].map(TokenKey::ed25519);
    World::new(Ok(set(&[&old])))
        .run(async |world| {
            assert_eq!(world.present(&old).await, Ok(()));
            world.publish(&[&new]);
            world.issuer.fetch_keys_now();
            sleep(Duration::from_secs(1)).await;
            assert_eq!((world.fetches(), world.present(&old).await), (2, UNKNOWN));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_good_token_is_not_checked_again_and_ends_in_time() {
    let key = TokenKey::ed25519("k");
    World::new(Ok(set(&[&key])))
        .run(async |world| {
            let token = key.token(&claims());
            let present = async |seconds| world.issuer.holder(token.as_bytes(), at(seconds)).await;
            let first = present(0).await.unwrap();
            assert!(Arc::ptr_eq(&first, &present(1).await.unwrap()));
            sleep(Duration::from_secs(301)).await;
            assert!(Arc::ptr_eq(&first, &present(2).await.unwrap()), "the same keys were fetched again");
            assert!(present(359).await.is_ok());
            assert_eq!(present(360).await, Err(NotHeld::Bad("expired")));
        })
        .await;
}

//! A process whose orders do not go on says so.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use saga_core::Definition;
use saga_core::saga::Request;
use saga_engine::participants::{Calling, Participants};
use saga_engine::{Limits, Wait};
use tokio::time::sleep;

use crate::support::{Place, Shop, order};

/// Participants whose calls have no time-outs and never end.
pub struct Hung;

impl Participants for Hung {
    fn call(&self, _: &Arc<Definition>, _: usize, _: Request, _: Duration) -> Calling {
        Box::pin(pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_ends_makes_the_process_unready() {
    let shop = Shop::with_participants(Arc::new(Hung));
    let begun = shop.engine.place(order(7, None, Wait::started())).await.expect("it starts");
    assert!(begun.started);
    sleep(Duration::from_secs(5)).await;
    let health = shop.engine.health();
    assert!(!health.stalled, "a call may take as long as its time-out: {health:?}");
    // Longer than the call's time-outs, and shorter than the order's deadline.
    sleep(Limits::default().stall_max + Duration::from_secs(3)).await;
    let health = shop.engine.health();
    assert!(health.stalled && health.oldest_due_age > Limits::default().stall_max, "{health:?}");
    assert_eq!(health.active, 1);
}

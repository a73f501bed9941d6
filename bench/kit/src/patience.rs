//! How long a participant takes for an answer. It can be changed while answers wait.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

/// The delay before each answer.
#[derive(Debug)]
pub struct Patience {
    delay: watch::Sender<Duration>,
}

impl Patience {
    /// Answers come after this time.
    pub fn new(delay: Duration) -> Self {
        Self { delay: watch::Sender::new(delay) }
    }

    /// Changes the delay, also that of the answers which wait already: with a shorter one, they come sooner.
    pub fn set(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }

    /// Waits for as long as an answer takes.
    pub async fn wait(&self) {
        if self.delay.borrow().is_zero() {
            return;
        }
        let begun = Instant::now();
        let mut told = self.delay.subscribe();
        loop {
            let end = begun + *told.borrow_and_update();
            match timeout_at(end, told.changed()).await {
                Ok(Ok(())) => {}
                // The sender is gone at the end of the process only.
                Ok(Err(_)) => return sleep_until(end).await,
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_shorter_delay_ends_a_wait() {
        let patience = Arc::new(Patience::new(Duration::from_secs(3600)));
        let waiting = tokio::spawn({
            let patience = Arc::clone(&patience);
            async move { patience.wait().await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished());
        patience.set(Duration::ZERO);
        waiting.await.unwrap();
    }
}

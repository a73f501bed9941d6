//! The signals that request the end of a process.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its creation on, so that no signal is missed between two waits.
pub(super) struct Signals(Vec<Signal>);

impl Signals {
    /// SIGTERM and SIGINT.
    pub(super) fn of_a_service() -> anyhow::Result<Self> {
        Self::listen(&[("SIGTERM", SignalKind::terminate()), ("SIGINT", SignalKind::interrupt())])
    }

    /// The same and SIGHUP: the terminal is gone.
    pub(super) fn of_a_terminal() -> anyhow::Result<Self> {
        let mut signals = Self::of_a_service()?;
        signals.0.extend(Self::listen(&[("SIGHUP", SignalKind::hangup())])?.0);
        Ok(signals)
    }

    fn listen(kinds: &[(&str, SignalKind)]) -> anyhow::Result<Self> {
        let listen =
            |(name, kind): &(&str, SignalKind)| signal(*kind).with_context(|| format!("listen for {name}"));
        kinds.iter().map(listen).collect::<anyhow::Result<_>>().map(Self)
    }

    /// The next one.
    pub(super) async fn next(&mut self) {
        std::future::poll_fn(|context| {
            match self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
    }
}

//! The end of the journal's writer, if it ends by anything but being closed: the tasks that wait for it are told.

use std::any::Any;
use std::future::pending;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::watch;

/// Characters of a panic's message that are kept.
const MESSAGE_CHARS_MAX: usize = 200;

/// The side that waits.
#[derive(Clone)]
pub(crate) struct Ended(watch::Receiver<Option<Arc<str>>>);

/// The writer's side. Dropped before the writer has come to its own end, it tells so.
pub(crate) struct Ending {
    reason: watch::Sender<Option<Arc<str>>>,
    is_closed: bool,
}

pub(crate) fn pair() -> (Ending, Ended) {
    let (reason, ended) = watch::channel(None);
    (Ending { reason, is_closed: false }, Ended(ended))
}

impl Ending {
    /// Runs the writer. Its panic is told, and then goes on.
    pub(crate) async fn watch(mut self, writer: impl Future<Output = ()>) {
        match AssertUnwindSafe(writer).catch_unwind().await {
            Ok(()) => self.is_closed = true,
            Err(panic) => {
                self.tell(&format!("the journal's writer has panicked: {}", message(&*panic)));
                resume_unwind(panic)
            }
        }
    }

    fn tell(&self, why: &str) {
        self.reason.send_if_modified(|reason| {
            let is_first = reason.is_none();
            if is_first {
                *reason = Some(why.into());
            }
            is_first
        });
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.is_closed {
            self.tell("the journal's writer was stopped");
        }
    }
}

impl Ended {
    /// Why the writer has ended; `None`: it has not, or was closed.
    pub(crate) fn reason(&self) -> Option<Arc<str>> {
        self.0.borrow().clone()
    }

    /// Waits until the writer has ended other than by being closed.
    pub(crate) async fn wait(mut self) -> Arc<str> {
        match self.0.wait_for(Option::is_some).await.map(|reason| reason.clone()) {
            Ok(Some(reason)) => reason,
            // The writer's side went without a word: it was closed.
            Ok(None) | Err(_) => pending().await,
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

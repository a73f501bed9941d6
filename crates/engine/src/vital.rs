//! Tasks that the process cannot do without: the lease, take-over, the journal's writer.
//!
//! When one of them ends, by a panic or by a mistake, nothing that goes on looking well can be believed: the process is
//! unready from then on, and whoever runs it ends it, so that a supervisor starts it again.

use std::sync::Arc;

use tokio::sync::watch;

/// Which vital task has ended first, if any has. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vital {
    ended: watch::Sender<Option<Arc<str>>>,
}

/// Tells when it is dropped: also while a panic unwinds the task that holds it.
struct Obituary {
    name: &'static str,
    ended: watch::Sender<Option<Arc<str>>>,
    /// Whether the task may end by now.
    may_end: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Vital {
    pub(crate) fn new() -> Self {
        Self { ended: watch::Sender::new(None) }
    }

    /// A task that must not end before `may_end` says that it may.
    pub(crate) fn guard(
        &self,
        name: &'static str,
        may_end: impl Fn() -> bool + Send + Sync + 'static,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let obituary = Obituary { name, ended: self.ended.clone(), may_end: Box::new(may_end) };
        async move {
            let _obituary = obituary;
            task.await;
        }
    }

    /// A task that waits for the end of something that runs elsewhere, and reports it.
    pub(crate) fn watch(
        &self,
        elsewhere: impl Future<Output = Arc<str>> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let ended = self.ended.clone();
        async move {
            let what = elsewhere.await;
            tell(&ended, || what);
        }
    }

    /// What has ended; `None`: nothing.
    pub(crate) fn ended(&self) -> Option<Arc<str>> {
        self.ended.borrow().clone()
    }

    /// Waits until something has ended.
    pub(crate) async fn wait(&self) -> Arc<str> {
        let mut ended = self.ended.subscribe();
        match ended.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
            Ok(Some(what)) => what,
            // The sender lives as long as `self`.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Obituary {
    fn drop(&mut self) {
        if (self.may_end)() {
            return;
        }
        let what = if std::thread::panicking() { "has panicked" } else { "has ended" };
        tell(&self.ended, || format!("the task `{}` {what}", self.name).into());
    }
}

/// Only the first end is told: others may follow from it.
fn tell(ended: &watch::Sender<Option<Arc<str>>>, what: impl FnOnce() -> Arc<str>) {
    ended.send_if_modified(|ended| {
        let is_first = ended.is_none();
        if is_first {
            *ended = Some(what());
        }
        is_first
    });
}

//! Tasks without which the process ends: the lease, take-over, the journal's writer.
//!
//! When one of them ends, by a panic or a defect, the rest of the process cannot be relied on. The process is then
//! unready and ends, so that its supervisor starts it again.

use std::sync::Arc;

use tokio::sync::watch;

/// The vital task that ended first, if any. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vital {
    ended: watch::Sender<Option<Arc<str>>>,
}

/// Reports when it is dropped, also while a panic unwinds the task that holds it.
struct Obituary {
    name: &'static str,
    ended: watch::Sender<Option<Arc<str>>>,
    /// Whether the task may end now.
    may_end: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Vital {
    pub(crate) fn new() -> Self {
        Self { ended: watch::Sender::new(None) }
    }

    /// A guard for a task that must not end before `may_end` returns true.
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

    /// A task that waits for the end of another task elsewhere, and reports it.
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

    /// The task that has ended; `None`: none.
    pub(crate) fn ended(&self) -> Option<Arc<str>> {
        self.ended.borrow().clone()
    }

    /// Waits until a vital task has ended.
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

/// Only the first end is reported: others may follow from it.
fn tell(ended: &watch::Sender<Option<Arc<str>>>, what: impl FnOnce() -> Arc<str>) {
    ended.send_if_modified(|ended| {
        let is_first = ended.is_none();
        if is_first {
            *ended = Some(what());
        }
        is_first
    });
}

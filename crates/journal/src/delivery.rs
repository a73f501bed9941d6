//! How the end of an append comes to the task that waits for it.
//!
//! Waking a task of another thread's runtime is a system call, if that runtime has one thread. A thread that runs many sagas therefore
//! takes the ends of a whole batch in one message, and wakes its tasks itself:
//!
//! ```text
//!   writer ── one message for each thread ──▶ `deliver_here` on that thread ──▶ its tasks
//!          └─ one by one ───────────────────▶ tasks of threads without it
//! ```

use std::cell::RefCell;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::rc::Rc;

use tokio::sync::{mpsc, oneshot};

use crate::{AppendError, Entry};

/// An entry that was not kept, or may not have been: it comes back, so that it can be appended again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct NotAppended {
    /// The error; its variant says how to go on.
    pub error: AppendError,
    /// The entry; `None` if the writer is gone.
    pub entry: Option<Box<Entry>>,
}

/// The end of an append.
pub(crate) type AppendEnd = Result<(), NotAppended>;

/// The way to a thread that takes ends in one message. Messages need no limit: an end is in at most one of them, and the queue of
/// entries has a limit.
type Thread = mpsc::UnboundedSender<Vec<Delivery>>;

thread_local! {
    /// Of this thread, if it takes ends in one message.
    static HERE: RefCell<Option<Thread>> = const { RefCell::new(None) };
}

/// Takes the ends of appends that tasks of this thread begin from now on, and tells them. Runs until it is dropped, and never ends; from then
/// on, each end comes by itself again.
pub fn deliver_here() -> impl Future<Output = Infallible> {
    let (thread, mut batches) = mpsc::unbounded_channel();
    let here = ThreadDelivery::begin(thread);
    async move {
        let _here = here;
        while let Some(batch) = batches.recv().await {
            drop(batch);
        }
        unreachable!("`here` has a sender")
    }
}

/// The time in which a thread takes ends in one message. Stays on its thread.
struct ThreadDelivery {
    thread: Thread,
    stays: PhantomData<Rc<()>>,
}

impl ThreadDelivery {
    fn begin(thread: Thread) -> Self {
        HERE.set(Some(thread.clone()));
        Self { thread, stays: PhantomData }
    }
}

impl Drop for ThreadDelivery {
    fn drop(&mut self) {
        // A thread that ends may have lost its own variables before.
        let _ = HERE.try_with(|here| {
            let mut here = here.borrow_mut();
            if here.as_ref().is_some_and(|thread| thread.same_channel(&self.thread)) {
                *here = None;
            }
        });
    }
}

/// A task that waits for the end of an append.
pub(crate) struct AppendWaiter {
    done: oneshot::Sender<AppendEnd>,
    thread: Option<Thread>,
}

impl AppendWaiter {
    /// A task of this thread; it hears of the end on the receiver.
    pub(crate) fn here() -> (Self, oneshot::Receiver<AppendEnd>) {
        let (done, end) = oneshot::channel();
        (Self { done, thread: HERE.with_borrow(Clone::clone) }, end)
    }

    /// Tells the end at once.
    pub(crate) fn tell(self, end: AppendEnd) {
        // A task that was stopped does not wait any more.
        let _ = self.done.send(end);
    }
}

/// An end on its way. Dropping it tells it: so it is told whatever becomes of the message that it is in.
struct Delivery(Option<(oneshot::Sender<AppendEnd>, AppendEnd)>);

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some((done, end)) = self.0.take() {
            let _ = done.send(end);
        }
    }
}

/// The ends of one batch, by the threads of their tasks.
#[derive(Default)]
pub(crate) struct Deliveries {
    threads: Vec<(Thread, Vec<Delivery>)>,
}

impl Deliveries {
    /// Tells an end, or puts it into the message to its thread.
    pub(crate) fn add(&mut self, waiter: AppendWaiter, end: AppendEnd) {
        let AppendWaiter { done, thread } = waiter;
        let Some(thread) = thread else { return AppendWaiter { done, thread }.tell(end) };
        let delivery = Delivery(Some((done, end)));
        // There are as many threads as the machine has cores.
        match self.threads.iter_mut().find(|(known, _)| known.same_channel(&thread)) {
            Some((_, batch)) => batch.push(delivery),
            None => self.threads.push((thread, vec![delivery])),
        }
    }

    /// Sends the messages.
    pub(crate) fn send(&mut self) {
        for (thread, batch) in self.threads.drain(..) {
            // To a thread that takes none any more, they are told one by one: `Delivery`.
            let _ = thread.send(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    /// Polls the delivery once.
    async fn deliver(here: &mut (impl Future<Output = Infallible> + Unpin)) {
        tokio::select! {
            biased;
            never = here => match never {},
            () = std::future::ready(()) => {}
        }
    }

    fn are_told(ends: &mut [oneshot::Receiver<AppendEnd>]) -> bool {
        ends.iter_mut().all(|end| matches!(end.try_recv(), Ok(Ok(()))))
    }

    fn none_is_told(ends: &mut [oneshot::Receiver<AppendEnd>]) -> bool {
        ends.iter_mut().all(|end| matches!(end.try_recv(), Err(TryRecvError::Empty)))
    }

    #[tokio::test]
    async fn the_ends_for_one_thread_come_in_one_message() {
        let mut here = pin!(deliver_here());
        let (waiters, mut ends): (Vec<_>, Vec<_>) = (0..3).map(|_| AppendWaiter::here()).unzip();
        let mut deliveries = Deliveries::default();
        waiters.into_iter().for_each(|waiter| deliveries.add(waiter, Ok(())));
        assert_eq!(deliveries.threads.len(), 1);
        deliver(&mut here).await;
        assert!(none_is_told(&mut ends));
        deliveries.send();
        assert!(none_is_told(&mut ends), "this thread tells them");
        deliver(&mut here).await;
        assert!(are_told(&mut ends));
    }

    #[tokio::test]
    async fn each_thread_has_a_message_of_its_own_and_a_task_of_another_hears_at_once() {
        let (elsewhere, end) = AppendWaiter::here();
        let mut deliveries = Deliveries::default();
        deliveries.add(elsewhere, Ok(()));
        assert!(are_told(&mut [end]));
        let other = std::thread::spawn(|| {
            let here = deliver_here();
            let waiter = AppendWaiter::here();
            drop(here);
            waiter
        });
        let _here = pin!(deliver_here());
        let (waiters, _ends): (Vec<_>, Vec<_>) =
            [other.join().unwrap(), AppendWaiter::here()].into_iter().unzip();
        waiters.into_iter().for_each(|waiter| deliveries.add(waiter, Ok(())));
        assert_eq!(deliveries.threads.len(), 2);
    }

    #[tokio::test]
    async fn an_end_is_told_also_when_the_delivery_has_ended_meanwhile() {
        let here = deliver_here();
        let (before, mut ends): (Vec<_>, Vec<_>) = (0..2).map(|_| AppendWaiter::here()).unzip();
        let [sent, late] = before.try_into().ok().unwrap();
        let mut deliveries = Deliveries::default();
        deliveries.add(sent, Ok(()));
        deliveries.send();
        drop(here);
        assert!(are_told(&mut ends[..1]), "its message was not read");
        deliveries.add(late, Ok(()));
        deliveries.send();
        assert!(are_told(&mut ends[1..]), "its message could not be sent");
        let (waiter, _end) = AppendWaiter::here();
        assert!(waiter.thread.is_none());
    }

    #[tokio::test]
    async fn the_delivery_that_began_last_on_a_thread_counts() {
        let first = deliver_here();
        let second = deliver_here();
        drop(first);
        assert!(AppendWaiter::here().0.thread.is_some());
        drop(second);
        assert!(AppendWaiter::here().0.thread.is_none());
    }
}

//! The messages that wait for one saga's task, and the two ends of their way.
//!
//! Each saga in memory has a mailbox, and most never get a message. A channel of tokio takes 0.8 KiB from the start, for messages to
//! come and to keep its ends from sharing cache lines; this takes 0.1 KiB.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::sync::Notify;

/// The end that takes messages out.
pub(crate) struct Mailbox<T>(Arc<SharedMailbox<T>>);

/// The end that puts messages in. Cheap to clone.
pub(crate) struct Post<T>(Arc<SharedMailbox<T>>);

/// The mailbox is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MailboxClosed;

struct SharedMailbox<T> {
    messages_max: usize,
    content: Mutex<WaitingMessages<T>>,
    /// Told of each message that is taken out.
    room: Notify,
}

struct WaitingMessages<T> {
    messages: VecDeque<T>,
    /// The task that waits for the next message.
    reader: Option<Waker>,
    is_closed: bool,
}

/// Why a message was not put in: it comes back, or the mailbox is gone.
enum NotPosted<T> {
    Full(T),
    Closed,
}

impl<T> Mailbox<T> {
    /// Both ends of a mailbox in which so many messages can wait.
    pub(crate) fn new(messages_max: usize) -> (Post<T>, Self) {
        let content = WaitingMessages { messages: VecDeque::new(), reader: None, is_closed: false };
        let shared =
            Arc::new(SharedMailbox { messages_max, content: Mutex::new(content), room: Notify::new() });
        (Post(shared.clone()), Self(shared))
    }

    /// The next message. None comes any more when all other ends are gone, and this is not told.
    pub(crate) fn poll_next(&mut self, context: &Context<'_>) -> Poll<T> {
        let message = ready!(self.0.content().poll_next(context));
        self.0.room.notify_one();
        Poll::Ready(message)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.content().messages.is_empty()
    }
}

impl<T> Post<T> {
    /// Puts a message in, once there is room.
    pub(crate) async fn send(&self, message: T) -> Result<(), MailboxClosed> {
        let mut unsent = match self.0.content().put(message, self.0.messages_max) {
            Ok(()) => return Ok(()),
            Err(NotPosted::Closed) => return Err(MailboxClosed),
            Err(NotPosted::Full(message)) => message,
        };
        loop {
            // From here on, no message is taken out unheard of.
            let mut room = pin!(self.0.room.notified());
            room.as_mut().enable();
            unsent = match self.0.content().put(unsent, self.0.messages_max) {
                Ok(()) => return Ok(()),
                Err(NotPosted::Closed) => return Err(MailboxClosed),
                Err(NotPosted::Full(message)) => message,
            };
            room.await;
        }
    }
}

impl<T> SharedMailbox<T> {
    fn content(&self) -> MutexGuard<'_, WaitingMessages<T>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> WaitingMessages<T> {
    fn put(&mut self, message: T, messages_max: usize) -> Result<(), NotPosted<T>> {
        if self.is_closed {
            return Err(NotPosted::Closed);
        }
        if self.messages.len() >= messages_max {
            return Err(NotPosted::Full(message));
        }
        self.messages.push_back(message);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Ok(())
    }

    fn poll_next(&mut self, context: &Context<'_>) -> Poll<T> {
        let Some(message) = self.messages.pop_front() else {
            if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(context.waker())) {
                self.reader = Some(context.waker().clone());
            }
            return Poll::Pending;
        };
        if self.messages.is_empty() {
            // A saga that had a message may wait for days.
            self.messages = VecDeque::new();
        }
        Poll::Ready(message)
    }
}

impl<T> Drop for Mailbox<T> {
    /// Messages that nobody takes out any more are dropped, and senders that wait are told.
    fn drop(&mut self) {
        let mut content = self.0.content();
        content.is_closed = true;
        content.reader = None;
        let messages = mem::take(&mut content.messages);
        drop(content);
        drop(messages);
        self.0.room.notify_waiters();
    }
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Post<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests have tasks of their own")]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::time::timeout;

    use super::*;

    impl<T> Mailbox<T> {
        async fn next(&mut self) -> T {
            soon(poll_fn(|context| self.poll_next(context))).await
        }
    }

    /// What nobody wakes would wait for ever.
    async fn soon<F: Future>(future: F) -> F::Output {
        timeout(Duration::from_secs(20), future).await.expect("nobody has woken it")
    }

    #[tokio::test]
    async fn messages_come_out_in_their_order() {
        let (post, mut mailbox) = Mailbox::new(2);
        assert!(mailbox.is_empty());
        post.send(1).await.unwrap();
        post.clone().send(2).await.unwrap();
        assert!(!mailbox.is_empty());
        assert_eq!((mailbox.next().await, mailbox.next().await), (1, 2));
        assert!(mailbox.is_empty() && mailbox.next().now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_and_one_that_was_dropped_loses_nothing() {
        let (post, mut mailbox) = Mailbox::new(2);
        assert!(mailbox.next().now_or_never().is_none());
        let reading = tokio::spawn(async move { (mailbox.next().await, mailbox) });
        tokio::task::yield_now().await;
        post.send(7).await.unwrap();
        let (message, mut mailbox) = soon(reading).await.unwrap();
        assert_eq!(message, 7);
        post.send(8).await.unwrap();
        assert_eq!(mailbox.next().await, 8);
    }

    #[tokio::test]
    async fn each_sender_gets_room_in_the_end() {
        let (post, mut mailbox) = Mailbox::new(3);
        let senders: Vec<_> = (0..20)
            .map(|message| {
                let post = post.clone();
                tokio::spawn(async move { post.send(message).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(mailbox.0.content().messages.len(), 3, "more wait than there is room for");
        // Senders that have waited and went away leave their room to the next ones.
        senders[5].abort();
        let mut taken = Vec::new();
        while taken.len() < 19 {
            taken.push(mailbox.next().await);
        }
        taken.sort_unstable();
        let others: Vec<i32> = (0..20).filter(|message| *message != 5).collect();
        assert_eq!(taken, others);
        assert!(soon(join_all(senders)).await.iter().filter(|sent| sent.is_ok()).count() == 19);
    }

    #[tokio::test]
    async fn senders_hear_that_the_mailbox_is_gone() {
        let (post, mailbox) = Mailbox::new(1);
        let message = Arc::new(());
        post.send(message.clone()).await.unwrap();
        let waiting = tokio::spawn({
            let (post, message) = (post.clone(), message.clone());
            async move { post.send(message).await }
        });
        tokio::task::yield_now().await;
        drop(mailbox);
        assert_eq!(soon(waiting).await.unwrap(), Err(MailboxClosed));
        assert_eq!(post.send(message.clone()).await, Err(MailboxClosed));
        assert_eq!(Arc::strong_count(&message), 1, "a message that nobody takes is kept");
    }
}

//! Participants that answer as a test's script says.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::Definition;
use saga_core::reply::{Answer, Reply};
use saga_core::saga::Request;
use saga_engine::participants::{Calling, Participants};

use super::Log;

/// Participants that answer well at once, but for what the script says.
#[derive(Default)]
pub struct Scripted {
    /// By "step direction": what the next calls get.
    script: Mutex<HashMap<String, VecDeque<(Duration, Reply)>>>,
    /// By "step direction": what every call gets, where nothing else is scripted.
    always: Mutex<HashMap<String, Reply>>,
    /// By "step direction": calls that panic.
    panicking: Mutex<Vec<String>>,
    /// Calls whose path ends so are never answered.
    unanswered: Mutex<Vec<String>>,
    pub log: Log,
}

impl Scripted {
    pub fn logging_to(log: Log) -> Self {
        Self { log, ..Self::default() }
    }

    /// The next call of `what` ("stock action") gets `reply` after `delay`.
    pub fn next(&self, what: &str, delay: Duration, reply: Reply) {
        self.script.lock().unwrap().entry(what.into()).or_default().push_back((delay, reply));
    }

    /// Every call of `what` gets `reply` from now on; `None`: a good one.
    pub fn always(&self, what: &str, reply: Option<Reply>) {
        let mut always = self.always.lock().unwrap();
        match reply {
            Some(reply) => _ = always.insert(what.into(), reply),
            None => _ = always.remove(what),
        }
    }

    /// Every call of `what` panics in the task that makes it.
    pub fn panic(&self, what: &str) {
        self.panicking.lock().unwrap().push(what.into());
    }

    /// No call panics any more.
    pub fn mend(&self) {
        self.panicking.lock().unwrap().clear();
    }

    /// Calls whose path ends so are never answered.
    pub fn never(&self, path: String) {
        self.unanswered.lock().unwrap().push(path);
    }

    /// How often `what` was called.
    pub fn calls(&self, what: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.starts_with(&format!("call {what}"))).count()
    }
}

pub fn answered(status: u16, body: &str) -> Reply {
    Reply::Answered(Answer { status, body: body.into(), ..Answer::default() })
}

impl Participants for Scripted {
    fn call(
        &self,
        definition: &Arc<Definition>,
        step: usize,
        request: Request,
        timeout: Duration,
    ) -> Calling {
        let what = format!("{} {}", request.step, request.direction);
        let line = format!("call {what} #{} epoch {}", request.attempt.get(), request.epoch.get());
        self.log.lock().unwrap().push(line);
        if self.unanswered.lock().unwrap().iter().any(|path| request.path.ends_with(path)) {
            let lost = Reply::Lost { reason: "no answer in time".into() };
            return Box::pin(async move {
                tokio::time::sleep(timeout).await;
                lost
            });
        }
        assert!(!self.panicking.lock().unwrap().contains(&what), "a bug in {what}");
        let scripted = self.script.lock().unwrap().get_mut(&what).and_then(VecDeque::pop_front);
        let good = if definition.steps[step].is_read() {
            answered(200, r#"[{"produit_id":1,"quantite":3,"prix":19.99}]"#)
        } else {
            answered(200, r#"{"id":1}"#)
        };
        let usual = self.always.lock().unwrap().get(&what).cloned().unwrap_or(good);
        let (delay, reply) = scripted.unwrap_or((Duration::ZERO, usual));
        Box::pin(async move {
            match tokio::time::timeout(timeout, tokio::time::sleep(delay)).await {
                Ok(()) => reply,
                Err(_) => Reply::Lost { reason: "no answer in time".into() },
            }
        })
    }
}

//! How requests and answers travel: late, twice, or never.

use saga_core::reply::Verdict;
use saga_core::saga::CallWanted;
use saga_core::{Direction, Event, Outcome, Record};

use super::{LIFE_MICROS, World};
use crate::support::{Kind, reply};

/// A request on its way.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) call: CallWanted,
    pub(super) body: String,
    pub(super) sent_at: i64,
    /// It has a twin.
    pub(super) doubled: bool,
}

impl World {
    /// Sends the wanted call, if its `needs` is durable and it has not been sent.
    pub(super) fn send(&mut self) {
        let Some(call) = self.saga.effects().first_call() else { return };
        if self.sent == Some(call) || call.needs.get() > self.durable as u64 {
            return;
        }
        let started = self.history.iter().rposition(|record| {
            matches!(record.event, Event::AttemptStarted { step, direction, attempt }
                if (step, direction, attempt) == (call.step, call.direction, call.attempt))
        });
        let waited = started.map_or(0, |at| self.micros - self.history[at].at.as_micros());
        if started.is_none_or(|at| at >= self.durable) {
            self.hit("a call leaves ahead of the record of its start");
        }
        let decided = |records: &[Record]| {
            records.iter().filter(|r| matches!(r.event, Event::RollbackDecided { .. })).count()
        };
        if call.direction == Direction::Compensation && decided(&self.history[..self.durable]) != 1 {
            self.broken("P5: a compensation leaves before the decision to roll back is durable");
        }
        let request = match self.saga.request(&call) {
            Ok(request) => request,
            Err(error) => self.broken(&format!("P6: {error}")),
        };
        self.sent = Some(call);
        if self.is_bounded && waited > LIFE_MICROS {
            self.hit("a call is too late to leave");
            self.replies.push((call, Verdict::without_answer(Outcome::NotSent, "no connection was free")));
            return;
        }
        if !self.kind && self.dice.chance(self.unready) {
            self.hit("a call never leaves");
            self.replies.push((call, Verdict::without_answer(Outcome::NotSent, "refused connection")));
            return;
        }
        let body = request.body.map_or(String::new(), |body| body.text().to_owned());
        self.say(|_| format!("send {:?} {body}", call));
        let sent_at = self.micros;
        self.network.push(Message { call, body, sent_at, doubled: false });
    }

    /// A request arrives, and its answer is on its way back.
    pub(super) fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let which = self.dice.below(self.network.len());
        let message = self.network.swap_remove(which);
        self.arrive(message);
    }

    pub(super) fn arrive(&mut self, message: Message) {
        let verdict = self.serve(&message);
        self.say(|_| format!("served {:?}: {:?}", message.call, verdict.outcome));
        self.judge_while_running();
        self.replies.push((message.call, verdict));
    }

    /// What has been on its way for too long never arrives.
    pub(super) fn bury(&mut self) {
        let (before, now) = (self.network.len(), self.micros);
        if self.is_bounded {
            self.network.retain(|message| now - message.sent_at <= LIFE_MICROS);
        }
        for _ in self.network.len()..before {
            self.hit("a request is too old to arrive");
        }
    }

    /// A reply arrives; late ones belong to attempts that nobody waits for.
    pub(super) fn reply(&mut self) {
        if self.replies.is_empty() {
            return;
        }
        let which = self.dice.below(self.replies.len());
        let (call, verdict) = self.replies.swap_remove(which);
        // An answer comes over the connection of its own request, which a former owner took along.
        if self.sent != Some(call) {
            self.hit("a reply is late");
            return;
        }
        self.say(|_| format!("reply {call:?}: {:?}", verdict.outcome));
        self.handle(&reply(&call, verdict));
    }

    pub(super) fn time_out(&mut self) {
        let Some(call) = self.sent else { return };
        if self.network.iter().any(|message| message.call == call) {
            self.hit("a request is delayed past its timeout");
        }
        self.say(|_| format!("timeout {call:?}"));
        self.handle(&reply(&call, Verdict::without_answer(Outcome::Unknown, "timeout")));
    }

    pub(super) fn lose_request(&mut self) {
        if !self.network.is_empty() {
            self.hit("a request is lost");
            let lost = self.dice.below(self.network.len());
            let lost = self.network.swap_remove(lost);
            self.say(|_| format!("lost: {:?}", lost.call));
        }
    }

    pub(super) fn lose_reply(&mut self) {
        if !self.replies.is_empty() {
            self.hit("a reply is lost");
            let lost = self.dice.below(self.replies.len());
            self.replies.swap_remove(lost);
        }
    }

    pub(super) fn double(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let which = self.dice.below(self.network.len());
        // A service that promises nothing would be right to do it twice.
        if self.specs[self.network[which].call.step].kind != Kind::Plain {
            self.hit("a request is doubled");
            self.network[which].doubled = true;
            let twin = self.network[which].clone();
            self.network.push(twin);
        }
    }
}

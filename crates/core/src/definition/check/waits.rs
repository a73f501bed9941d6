//! Waits: signals, pauses, accepted actions, and the deadline that all of them count against.

use std::time::Duration;

use super::super::yaml::{CallIn, CodeNode, CompensationIn, File, SignalIn, Spanned, StepIn};
use super::super::{
    Acceptance, CallStep, Condition, Graph, Participant, PauseEnd, PollCall, Safety, SignalWait, Step,
    StepWork, Template,
};
use super::calls::{CheckedCall, LOCATION, Readable};
use super::steps::is_optional;
use super::{Checker, DEADLINE_MAX, line};
use crate::direction::Direction;
use crate::json::Json;

/// Names of signals in one definition.
const SIGNAL_NAMES_MAX: usize = 8;
/// The time between two polls where nothing else is said.
const POLL_EVERY_DEFAULT: Duration = Duration::from_secs(5);

/// What an accepted action needs, and the names that its poll reads.
#[derive(Default)]
pub(super) struct CheckedAcceptance {
    pub(super) acceptance: Option<Acceptance>,
    pub(super) accepted: Option<Template>,
    pub(super) poll: CheckedCall,
}

impl Checker<'_> {
    /// A wait for a signal.
    pub(super) fn signal(&mut self, given: &SignalIn) -> Option<SignalWait> {
        let name = given.name.as_ref().map(|name| self.name(name, "signal"));
        let within = given.within.as_ref().and_then(|within| self.wait(within));
        let ok = self.signal_condition(given.ok.as_ref());
        let refused = self.signal_condition(given.refused.as_ref());
        let output = given.output.as_ref().and_then(|node| self.signal_output(node));
        Some(SignalWait { name: name?.into(), within: within?, ok, refused, output })
    }

    fn signal_condition(&mut self, given: Option<&Spanned<String>>) -> Option<Condition> {
        let given = given?;
        self.signal_readable(&given.value, line(given));
        if let Some(why) = Condition::never_holds(&given.value) {
            self.mistake(line(given), why);
        }
        self.syntax(line(given), &given.value, Condition::compile(&given.value, self.format))
    }

    fn signal_output(&mut self, node: &Spanned<CodeNode>) -> Option<Template> {
        match &node.value {
            CodeNode::Code(code) => {
                self.signal_readable(code, line(node));
                self.syntax(line(node), code, Template::parse(code))
            }
            CodeNode::Members(members) => members
                .iter()
                .map(|(key, value)| Some((Json::of(key).ok()?, self.signal_output(value)?)))
                .collect::<Option<_>>()
                .map(Template::Object),
        }
    }

    /// Checks that an expression about a signal reads only its body.
    fn signal_readable(&mut self, code: &str, at: usize) {
        self.bounded(code, at);
        let Ok((paths, _)) = Template::references(code) else { return };
        for path in paths.iter().filter(|path| path[0] != "body") {
            let name = &path[0];
            let message =
                format!("`.{name}` does not exist here; a signal has .body; did you mean `.body.{name}`?");
            self.mistake(at, message);
        }
    }

    /// The end of a pause, and the names that it reads.
    pub(super) fn pause(
        &mut self,
        given: &Spanned<String>,
        readable: &Readable<'_>,
    ) -> (Option<PauseEnd>, CheckedCall) {
        let mut checked = CheckedCall::default();
        if given.value.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
            return (self.wait(given).map(PauseEnd::After), checked);
        }
        self.readable(&given.value, line(given), readable, &mut checked);
        let until = self.syntax(line(given), &given.value, Template::parse(&given.value));
        (until.map(PauseEnd::Until), checked)
    }

    /// How an accepted action comes to its end.
    pub(super) fn acceptance(&mut self, action: &CallIn, readable: &Readable<'_>) -> CheckedAcceptance {
        let mut checked = CheckedAcceptance::default();
        match (&action.pending, &action.poll, &action.awaited) {
            (None, None, None) => return checked,
            (None, poll, awaited) => {
                let at = poll.as_ref().map(|poll| poll.line).or(awaited.as_ref().map(line)).unwrap_or(0);
                let message = "only an action that was accepted is asked about or awaited; say with `pending` which \
                               answers mean that, such as `pending: .status == 202`";
                self.mistake(at, message);
            }
            (Some(pending), None, None) => {
                let message = "nothing says when the accepted action is done; add `poll` (a call that asks) or `await` (a \
                               signal)";
                self.mistake(line(pending), message);
                return checked;
            }
            (Some(_), ..) => {}
        }
        let (mut poll, mut within) = (None, None);
        if let Some(given) = &action.poll {
            if readable.steps.iter().any(|step| step == "accepted") {
                let message =
                    "a poll reads `.accepted`, which is the name of a step here; give the step another name";
                self.mistake(given.line, message);
            }
            let readable = Readable { accepted: true, ..*readable };
            checked.poll = self.call((line(given), &given.value.call), Direction::Poll, &readable);
            let every = given.value.every.as_ref().map_or(Some(POLL_EVERY_DEFAULT), |every| self.wait(every));
            within = given.value.within.as_ref().and_then(|within| self.wait(within));
            let follows_location =
                given.value.call.get.as_ref().is_some_and(|get| get.value.trim() == LOCATION);
            poll = checked.poll.call.take().zip(every).map(|(call, every)| PollCall {
                call,
                every,
                follows_location,
            });
        }
        let signal = action.awaited.as_ref().and_then(|given| self.signal(&given.value));
        // The action is given up when nothing is waited for any more.
        let within = match (&poll, within, &signal) {
            (Some(_), None, _) => None,
            (_, of_poll, signal) => of_poll.max(signal.as_ref().map(|signal| signal.within)),
        };
        let parts = checked.poll.accepted;
        let mut members = Vec::new();
        if parts.location {
            members.push("headers: {location: .headers.location}");
        }
        if parts.body {
            members.push("body: .body");
        }
        checked.accepted = (!members.is_empty())
            .then(|| format!("{{{}}}", members.join(", ")))
            .and_then(|code| Template::parse(&code).ok());
        if poll.is_some() || signal.is_some() {
            checked.acceptance = Some(Acceptance { poll, signal, within });
        }
        checked
    }

    /// A duration that may be years.
    fn wait(&mut self, given: &Spanned<String>) -> Option<Duration> {
        let wait = self.duration_within(DEADLINE_MAX, Some(given), Duration::ZERO);
        (!wait.is_zero()).then_some(wait)
    }

    /// Checks that the deadline is written where steps wait, and leaves room for the pauses; and that there are not too
    /// many signals.
    pub(super) fn waits(&mut self, file: &File, deadline: Duration, steps: &[Step], graph: &Graph) {
        let mut names: Vec<&str> =
            steps.iter().filter_map(|step| step.signal()).map(|signal| &*signal.name).collect();
        names.sort_unstable();
        names.dedup();
        let given = file.steps.iter().flat_map(|steps| &steps.value);
        let Some(first) = given.clone().find(|step| waits(&step.value)) else { return };
        if names.len() > SIGNAL_NAMES_MAX {
            let message =
                format!("there are {} names of signals; the limit is {SIGNAL_NAMES_MAX}", names.len());
            self.mistake(line(first), message);
        }
        if file.deadline.is_none() {
            let message = "a saga that waits needs a `deadline`, since all waiting counts; write e.g. `deadline: 30d` at the \
                           top of the file";
            self.mistake(line(first), message);
            return;
        }
        // Steps with mistakes are missing; then the graph is of other steps.
        if steps.len() != given.count() {
            return;
        }
        let mut longest = vec![Duration::ZERO; steps.len()];
        for (index, step) in steps.iter().enumerate() {
            let before = graph.after(index).iter().map(|before| longest[before]).max().unwrap_or_default();
            let pause = match &step.work {
                StepWork::Pause(PauseEnd::After(pause)) => *pause,
                StepWork::Pause(PauseEnd::Until(_)) | StepWork::Call(_) | StepWork::Signal(_) => {
                    Duration::ZERO
                }
            };
            longest[index] = before + pause;
            if !pause.is_zero() && longest[index] >= deadline {
                let at = file.deadline.as_ref().map_or(0, line);
                let message = format!(
                    "the pauses up to step `{}` take as long as the deadline, so that every saga would be late; make it \
                     longer",
                    step.name
                );
                self.mistake(at, message);
                return;
            }
        }
    }

    /// Warns of promises that end before the deadline: a step that is undone later than that needs an operator.
    pub(super) fn horizons(&mut self, file: &File, deadline: Duration, participants: &[Participant]) {
        let Some(at) = file.deadline.as_ref().map(line) else { return };
        let is_shorter =
            |participant: &&Participant| participant.safety != Safety::None && participant.horizon < deadline;
        for Participant { name, horizon, .. } in participants.iter().filter(is_shorter) {
            let message = format!(
                "the deadline is longer than `{name}` keeps its promise (`horizon`, {horizon:?}): a step of an older order may \
                 need an operator; raise the `horizon` of `{name}` if the service remembers for as long"
            );
            self.warning(at, message);
        }
    }

    /// Checks that nothing behind a pivot can fail, and that nothing runs beside it. Then has each pivot wait for all steps
    /// above: once it is done there is no way back, so none of them may fail any more.
    pub(super) fn pivots(&mut self, given: &[Spanned<StepIn>], graph: Graph, names: &[String]) -> Graph {
        let given = &given[..graph.len()];
        let is_pivot = |step: &Spanned<StepIn>| step.value.pivot.as_ref().is_some_and(|pivot| pivot.value);
        let mut waiting = graph.clone();
        for (index, step) in given.iter().enumerate().filter(|(_, step)| is_pivot(step)) {
            if step.value.signal.is_some() || step.value.pause.is_some() {
                let message = "only a step that calls a participant can be a pivot; remove `pivot`";
                self.mistake(line(step), message);
            }
            for (later, follower) in given.iter().enumerate().skip(index + 1) {
                let is_behind = graph.before(later).contains(index);
                let is_behind_any = waiting.before(later).contains(index);
                for why in behind_pivot(follower, is_pivot(follower), is_behind, is_behind_any) {
                    let (what, pivot) = (&names[later], &names[index]);
                    let message = format!(
                        "`{pivot}` is a pivot, after which there is no way back, and step `{what}` {why}"
                    );
                    self.mistake(line(follower), message);
                }
            }
            waiting = waiting.waiting_for_all_above(index);
        }
        waiting
    }
}

/// The mistakes of a step that stands below a pivot. `is_behind`: by the file, it waits for that pivot; `is_behind_any`:
/// also where it does so through another pivot alone.
fn behind_pivot(
    follower: &Spanned<StepIn>,
    is_pivot: bool,
    is_behind: bool,
    is_behind_any: bool,
) -> Vec<&'static str> {
    let step = &follower.value;
    if !is_behind {
        let is_beside = !is_behind_any && !is_pivot;
        let why = "does not wait for it; add the pivot to its `after`, or move the step above the pivot";
        return is_beside.then_some(why).into_iter().collect();
    }
    let is_undone =
        step.compensation.as_ref().is_some_and(|undo| matches!(undo.value, CompensationIn::Call(_)));
    [
        (is_pivot, "is one, too; a way has at most one"),
        (step.failure.is_some(), "has a `failure`; it is retried until it succeeds, so remove that"),
        (is_undone, "has a `compensation`, which would never be called; write `compensation: none`"),
        (
            step.signal.is_some() && !is_optional(step),
            "waits for a signal, which may be late or refuse; move it above the pivot, or make it `optional`",
        ),
    ]
    .into_iter()
    .filter_map(|(is_wrong, why)| is_wrong.then_some(why))
    .collect()
}

/// Whether a step waits for more than an answer.
fn waits(step: &StepIn) -> bool {
    let waits = step
        .action
        .as_ref()
        .is_some_and(|action| action.value.poll.is_some() || action.value.awaited.is_some());
    step.signal.is_some() || step.pause.is_some() || waits
}

impl CallStep {
    /// Takes over what an accepted action needs.
    pub(super) fn accepts(&mut self, checked: CheckedAcceptance) -> CheckedCall {
        self.acceptance = checked.acceptance;
        if let Some(pending) = &mut self.action.pending {
            pending.accepted = checked.accepted;
        }
        checked.poll
    }
}

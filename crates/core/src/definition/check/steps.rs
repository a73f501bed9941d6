//! Steps: their names, their calls, and which outputs are kept.

use std::time::Duration;

use super::super::suggest::nearest;
use super::super::yaml::{CodeNode, CompensationIn, File, ProbeIn, RetryIn, SignalIn, Spanned, StepIn};
use super::super::{
    CallStep, Condition, Graph, InputForm, Participant, Probe, Safety, Step, StepSet, StepWork, Template,
};
use super::calls::{CheckedCall, Readable};
use super::states::FAILED;
use super::{Checker, line};
use crate::direction::Direction;
use crate::retry::Backoff;

/// The most steps of a definition.
const STEPS_MAX: usize = 64;
/// Names that a step cannot have, because expressions use them for something else.
const RESERVED_NAMES: [&str; 5] = ["input", "saga_id", "status", "headers", "body"];

/// Data that all steps share.
struct Surroundings<'a> {
    file: &'a File,
    inputs: &'a InputForm,
    participants: &'a [Participant],
    /// The steps' names, in their order.
    names: &'a [String],
    graph: &'a Graph,
}

/// What the steps of a file are.
#[derive(Default)]
pub(super) struct CheckedSteps {
    pub(super) steps: Vec<Step>,
    pub(super) graph: Graph,
    /// What a completed saga answers.
    pub(super) output: Option<Template>,
}

/// The steps whose outputs an expression reads.
#[derive(Default)]
struct Reads {
    names: Vec<String>,
    all: bool,
}

impl Reads {
    fn note(&mut self, checked: &CheckedCall) {
        self.names.extend(checked.reads.iter().cloned());
        self.all |= checked.reads_all;
    }

    fn have(&self, step: &Step) -> bool {
        self.all || self.names.iter().any(|name| **name == *step.name)
    }
}

impl Checker<'_> {
    pub(super) fn steps(
        &mut self,
        file: &File,
        inputs: &InputForm,
        participants: &[Participant],
    ) -> CheckedSteps {
        let Some(steps) = &file.steps else { return CheckedSteps::default() };
        let given = &steps.value;
        if given.is_empty() || given.len() > STEPS_MAX {
            self.mistake(line(steps), format!("there are {} steps; write 1 to {STEPS_MAX}", given.len()));
        }
        let name =
            |step: &Spanned<StepIn>| step.value.step.as_ref().map_or_else(String::new, |s| s.value.clone());
        let names: Vec<String> = given.iter().map(name).collect();
        for StepIn { step, action, .. } in given.iter().map(|step| &step.value) {
            let output = action.as_ref().and_then(|action| action.value.output.as_ref());
            if let (Some(step), Some(CodeNode::Members(members))) = (step, output.map(|output| &output.value))
            {
                let members = members.iter().map(|(name, _)| name.clone()).collect();
                self.members.insert(step.value.clone(), members);
            }
        }
        self.signal_names = given.iter().flat_map(|step| step.value.signal_names()).collect();
        self.names = [&names[..], &RESERVED_NAMES.map(String::from)].concat();
        let graph = self.graph(given, &names);
        let graph = self.pivots(given, graph, &names);
        let around = Surroundings { file, inputs, participants, names: &names, graph: &graph };
        let mut reads = Reads::default();
        let mut steps: Vec<Step> = given
            .iter()
            .enumerate()
            .filter_map(|(i, step)| self.step(i, &step.value, &around, &mut reads))
            .collect();
        let output = file.output.as_ref().and_then(|given| self.file_output(given, &around, &mut reads));
        // After all calls: whether a step's output is kept depends on the expressions that read it.
        for step in steps.iter_mut().filter(|step| reads.have(step)) {
            self.keep_output(step, file);
        }
        CheckedSteps { steps, graph, output }
    }

    /// What a completed saga answers: it reads the outputs of all steps.
    fn file_output(
        &mut self,
        given: &Spanned<CodeNode>,
        around: &Surroundings<'_>,
        reads: &mut Reads,
    ) -> Option<Template> {
        let (names, mut checked) = (around.names, CheckedCall::default());
        let readable = Readable {
            inputs: around.inputs,
            outputs: names,
            above: names,
            steps: names,
            accepted: false,
            failure: false,
            of_a_step: false,
            own: None,
        };
        let output = self.node((line(given), &given.value), &readable, &mut checked);
        reads.note(&checked);
        output
    }

    /// Which steps each waits for: those that `after` names, or else the step above.
    fn graph(&mut self, given: &[Spanned<StepIn>], names: &[String]) -> Graph {
        let after = |(index, step): (usize, &Spanned<StepIn>)| match &step.value.after {
            Some(after) => self.waits_for(index, after, names),
            None => index.checked_sub(1).into_iter().collect(),
        };
        // Steps beyond the limit have been reported.
        Graph::new(given.iter().take(STEPS_MAX).enumerate().map(after).collect())
    }

    /// The steps that the step `index` waits for. After a mistake: all above, so that no request is reported for reading an
    /// output of a step whose name is only misspelt here.
    fn waits_for(&mut self, index: usize, after: &[Spanned<String>], names: &[String]) -> StepSet {
        let mut steps = StepSet::NONE;
        for name in after {
            let Some(step) = self.step_above(index, name, names) else { return (0..index).collect() };
            if steps.contains(step) {
                self.mistake(line(name), format!("`{}` is in `after` twice; remove one", name.value));
            }
            steps = steps.with(StepSet::of(step));
        }
        steps
    }

    /// The index of the step `name`, which has to stand above the step `index`.
    fn step_above(&mut self, index: usize, name: &Spanned<String>, names: &[String]) -> Option<usize> {
        let above = &names[..index];
        let found = above.iter().position(|above| *above == name.value);
        if found.is_none() {
            let wanted = &name.value;
            let why = if *wanted == names[index] {
                format!("step `{wanted}` cannot wait for itself; remove it from `after`")
            } else if names.contains(wanted) {
                format!("`after` names steps above in the file, and `{wanted}` stands below; move it up")
            } else {
                match nearest(wanted, above.iter().map(String::as_str)) {
                    Some(near) => format!("there is no step `{wanted}` above; did you mean `{near}`?"),
                    None if above.is_empty() => format!(
                        "there is no step `{wanted}`; the first step waits for none: write `after: []`, or nothing"
                    ),
                    None => format!("there is no step `{wanted}`; there are {} above", above.join(", ")),
                }
            };
            self.mistake(line(name), why);
        }
        found
    }

    fn step(
        &mut self,
        index: usize,
        given: &StepIn,
        around: &Surroundings<'_>,
        reads: &mut Reads,
    ) -> Option<Step> {
        let (name, names) = (&around.names[index], around.names);
        if let Some(step) = &given.step {
            self.name(step, "step");
            if names[..index].contains(name) || RESERVED_NAMES.contains(&name.as_str()) {
                self.mistake(line(step), format!("the step's name `{name}` is taken; choose another"));
            }
        }
        // Steps beyond the limit have been reported.
        let waits_for = if index < STEPS_MAX { around.graph.before(index) } else { StepSet::NONE };
        let earlier: Vec<String> = waits_for.iter().map(|step| names[step].clone()).collect();
        let before = Readable {
            inputs: around.inputs,
            outputs: &earlier,
            above: &names[..index],
            steps: names,
            accepted: false,
            failure: false,
            of_a_step: true,
            own: None,
        };
        let when = given.when.as_ref().map(|when| self.when(when, &before));
        let (when, when_checked) = when.unzip();
        when_checked.iter().for_each(|checked| reads.note(checked));
        let work = match (&given.signal, &given.pause) {
            (None, None) => {
                self.call_step(index, given, around, &before, reads).map(Box::new).map(StepWork::Call)
            }
            (signal, pause) => self.waiting_step(given, signal.as_ref(), pause.as_ref(), &before, reads),
        };
        let success = given.success.as_ref().map(|state| self.state(state));
        let failure = given.failure.as_ref().map_or_else(|| FAILED.into(), |state| self.state(state));
        Some(Step {
            name: name.as_str().into(),
            when: when.flatten(),
            work: work?,
            optional: is_optional(given),
            success,
            failure,
        })
    }

    /// A step that waits for a signal or for a time.
    fn waiting_step(
        &mut self,
        given: &StepIn,
        signal: Option<&Spanned<SignalIn>>,
        pause: Option<&Spanned<String>>,
        before: &Readable<'_>,
        reads: &mut Reads,
    ) -> Option<StepWork> {
        let what = if signal.is_some() { "signal" } else { "pause" };
        let calls = [
            ("participant", given.participant.as_ref().map(line)),
            ("action", given.action.as_ref().map(line)),
            ("compensation", given.compensation.as_ref().map(line)),
            ("probe", given.probe.as_ref().map(line)),
            ("retry", given.retry.as_ref().and_then(RetryIn::line)),
            ("persist", given.persist.as_ref().and_then(RetryIn::line)),
            ("pause", pause.filter(|_| signal.is_some()).map(line)),
        ];
        for (key, at) in calls.into_iter().filter_map(|(key, at)| Some((key, at?))) {
            self.mistake(
                at,
                format!("a step with `{what}` has no `{key}`: it only waits; make two steps of it"),
            );
        }
        match (signal, pause) {
            (Some(signal), _) => self.signal(&signal.value).map(Box::new).map(StepWork::Signal),
            (None, Some(pause)) => {
                let (end, checked) = self.pause(pause, before);
                reads.note(&checked);
                end.map(StepWork::Pause)
            }
            (None, None) => None,
        }
    }

    /// A step that calls a participant.
    fn call_step(
        &mut self,
        index: usize,
        given: &StepIn,
        around: &Surroundings<'_>,
        before: &Readable<'_>,
        reads: &mut Reads,
    ) -> Option<CallStep> {
        let name = &around.names[index];
        let participant = self.participant_of(given, around);
        let index_of = participant;
        // If the participant is unknown, its promise is unknown, too: then the step may read as much as any step
        // could.
        let participant = participant.map(|index| &around.participants[index]);
        let safety = participant.map_or(Safety::None, |participant| participant.safety);
        let with_own = [before.outputs, std::slice::from_ref(name)].concat();
        let action = given.action.as_ref().map_or_else(CheckedCall::default, |action| {
            self.call((line(action), &action.value), Direction::Action, before)
        });
        let acceptance =
            given.action.as_ref().map(|action| self.acceptance(&action.value, before)).unwrap_or_default();
        self.misplaced(given);
        let is_read = action.call.as_ref().is_some_and(|call| call.method.is_safe());
        let changes = action.call.is_some() && !is_read;
        let after = match safety {
            Safety::Barrier => {
                let why = "a barrier step whose outcome is unknown is undone at once, without its answer; undo by `.saga_id` \
                     or an earlier output, or declare `safety: idempotent`";
                Readable { own: Some((name.as_str(), why)), failure: true, ..*before }
            }
            Safety::Idempotent | Safety::None => Readable { outputs: &with_own, failure: true, ..*before },
        };
        let compensation = self.compensation(given, is_read, changes, &after);
        let undo_when = self.undo_when(given, &after, reads);
        if let Some(probe) = given.probe.as_ref().filter(|_| is_read) {
            let why = "is a get, which has no effect to ask about; remove its probe";
            self.mistake(line(probe), format!("step `{name}` {why}"));
        }
        let probe = given.probe.as_ref().filter(|_| !is_read);
        let (probe, probe_checked) =
            probe.map(|given| self.probe(given, before, participant.map(|p| p.timeout))).unzip();
        let checked = [Some(&action), compensation.as_ref(), probe_checked.as_ref()];
        checked.into_iter().flatten().for_each(|checked| reads.note(checked));
        let retry = self.retry(given.retry.as_ref(), Backoff::ACTION);
        let persist = self.retry(given.persist.as_ref(), Backoff::PERSISTENT);
        let mut step = CallStep {
            participant: index_of?,
            action: action.call?,
            compensation: compensation.and_then(|checked| checked.call),
            undo_when,
            probe: probe.flatten(),
            acceptance: None,
            pivot: given.pivot.as_ref().is_some_and(|pivot| pivot.value),
            retry,
            persist,
        };
        reads.note(&step.accepts(acceptance));
        Some(step)
    }

    /// Keys that only an action has, at a compensation, and the other way round; and a pivot that may fail.
    fn misplaced(&mut self, given: &StepIn) {
        let undo = given.compensation.as_ref().and_then(|compensation| match &compensation.value {
            CompensationIn::Call(call) => Some(&**call),
            CompensationIn::Word(_) | CompensationIn::Mistaken => None,
        });
        let when = given.action.as_ref().and_then(|action| action.value.when.as_ref());
        for (at, message) in [
            (
                when.map(line),
                "an action has no `when`; write it beside `action`, where it says whether the step is done",
            ),
            (
                undo.and_then(|undo| Some(undo.poll.as_ref()?.line)),
                "only an action is asked about with a `poll`; remove it",
            ),
            (
                undo.and_then(|undo| undo.awaited.as_ref().map(line)),
                "only an action is awaited; remove `await`",
            ),
            (
                given.pivot.as_ref().filter(|pivot| pivot.value && is_optional(given)).map(line),
                "a pivot cannot be `optional`: without it, the steps below would begin before there is no way back",
            ),
        ] {
            if let Some(at) = at {
                self.mistake(at, message);
            }
        }
    }

    /// Whether there is anything to undo.
    fn undo_when(&mut self, given: &StepIn, readable: &Readable<'_>, reads: &mut Reads) -> Option<Condition> {
        let CompensationIn::Call(call) = &given.compensation.as_ref()?.value else { return None };
        let (condition, checked) = self.when(call.when.as_ref()?, readable);
        reads.note(&checked);
        condition
    }

    /// The index of the step's participant.
    fn participant_of(&mut self, given: &StepIn, around: &Surroundings<'_>) -> Option<usize> {
        let participant = given.participant.as_ref()?;
        let name = &participant.value;
        // If there are no participants, that has been reported already.
        let known = around.file.participants.as_ref()?;
        let index = around.participants.iter().position(|participant| *participant.name == **name);
        // A participant that is in the file but has no index is itself a mistake that has been reported.
        if index.is_none() && !known.contains_key(name) {
            let known: Vec<_> = known.keys().map(String::as_str).collect();
            let message = match nearest(name, known.iter().copied()) {
                Some(meant) => format!("there is no participant `{name}`; did you mean `{meant}`?"),
                None => format!(
                    "there is no participant `{name}`; add it under `participants`, or use one of: {}",
                    known.join(", ")
                ),
            };
            self.mistake(line(participant), message);
        }
        index
    }

    /// The call that undoes the step; `None`: the step is not undone.
    fn compensation(
        &mut self,
        given: &StepIn,
        is_read: bool,
        changes: bool,
        readable: &Readable<'_>,
    ) -> Option<CheckedCall> {
        let what = given.step.as_ref().map_or("this step".into(), |step| format!("step `{}`", step.value));
        let Some(compensation) = &given.compensation else {
            if changes {
                let at = given.step.as_ref().map(line).or(given.action.as_ref().map(line)).unwrap_or(0);
                self.mistake(
                    at,
                    format!("{what} changes something but has no compensation; add one, or write `compensation: none` if it is never to be undone"),
                );
            }
            return None;
        };
        let at = line(compensation);
        match &compensation.value {
            CompensationIn::Call(_) if is_read => {
                self.mistake(
                    at,
                    format!("{what} is a get, which changes nothing; remove its compensation, or call it with post"),
                );
                None
            }
            CompensationIn::Call(call) => Some(self.call((at, call), Direction::Compensation, readable)),
            CompensationIn::Mistaken => None,
            CompensationIn::Word(word) if word == "none" => None,
            CompensationIn::Word(word) => {
                self.mistake(at, format!("`{word}` is no compensation; write a call, or `none`"));
                None
            }
        }
    }

    /// Keeps the step's output, because an expression reads it; its probe has to give it, too.
    fn keep_output(&mut self, step: &mut Step, file: &File) {
        let whole = |output: &mut Option<Template>| {
            if output.is_none() {
                *output = Template::parse(".body").ok();
            }
        };
        let call = match &mut step.work {
            StepWork::Call(call) => call,
            StepWork::Signal(signal) => return whole(&mut signal.output),
            StepWork::Pause(_) => return,
        };
        whole(&mut call.action.output);
        if let Some(acceptance) = &mut call.acceptance {
            acceptance.poll.iter_mut().for_each(|poll| whole(&mut poll.call.output));
            acceptance.signal.iter_mut().for_each(|signal| whole(&mut signal.output));
        }
        if call.probe.as_ref().is_some_and(|probe| probe.call.output.is_none()) {
            let given = file.steps.iter().flat_map(|steps| &steps.value);
            let mut given =
                given.filter(|given| given.value.step.as_ref().is_some_and(|s| *s.value == *step.name));
            let at = given.next().and_then(|given| given.value.probe.as_ref()).map_or(0, line);
            let message = format!(
                "the output of step `{0}` is read elsewhere, so its probe has to give it, too: add an `output` to the \
                     probe that has what `.{0}` has after the action",
                step.name
            );
            self.mistake(at, message);
        }
    }

    /// A probe, and the names that it reads.
    fn probe(
        &mut self,
        given: &Spanned<ProbeIn>,
        readable: &Readable<'_>,
        timeout: Option<Duration>,
    ) -> (Option<Probe>, CheckedCall) {
        let call = (line(given), &given.value.call);
        let mut checked = self.call(call, Direction::Probe, readable);
        let after = self.duration(given.value.after.as_ref(), timeout.unwrap_or_default());
        (checked.call.take().map(|call| Probe { call, after }), checked)
    }

    fn retry(&mut self, given: Option<&RetryIn>, default: Backoff) -> Backoff {
        let Some(given) = given else { return default };
        let attempts = match &given.attempts {
            Some(n) if n.value == 0 => {
                self.mistake(line(n), "there must be at least 1 attempt");
                default.attempts
            }
            Some(n) => n.value,
            None => default.attempts,
        };
        Backoff {
            attempts,
            base: self.duration(given.base.as_ref(), default.base),
            cap: self.duration(given.cap.as_ref(), default.cap),
        }
    }
}

impl RetryIn {
    /// The line of its first key.
    fn line(&self) -> Option<usize> {
        let texts = [&self.base, &self.cap].into_iter().flatten().map(line);
        self.attempts.as_ref().map(line).into_iter().chain(texts).min()
    }
}

/// Whether a step's failure is passed over.
pub(super) fn is_optional(step: &StepIn) -> bool {
    step.optional.as_ref().is_some_and(|optional| optional.value)
}

//! The form of a definition file: its keys and their places.
//!
//! A key is one field and one line of `read`. A key that is missing or has the wrong form is `None`; a wrong form has
//! been reported.

use std::collections::BTreeMap;

use super::auth::{AuthIn, TlsIn};
use super::code::CodeNode;
use super::input::InputIn;
use super::keys::{Keys, MistakeNotes, is_word};
use super::tree::{self, KeyValue, NodeKind};
use super::{Spanned, shown};

/// A whole file.
pub(in super::super) struct File {
    pub(in super::super) saga: Option<Spanned<String>>,
    /// `None`: it is present, and its form is wrong.
    pub(in super::super) input: Option<InputIn>,
    pub(in super::super) labels: BTreeMap<String, Spanned<String>>,
    pub(in super::super) states: Option<StatesIn>,
    pub(in super::super) deadline: Option<Spanned<String>>,
    /// `None`: it is missing, or its form is wrong; the same for each participant.
    pub(in super::super) participants: Option<BTreeMap<String, Option<Spanned<ParticipantIn>>>>,
    pub(in super::super) steps: Option<Spanned<Vec<Spanned<StepIn>>>>,
    pub(in super::super) output: Option<Spanned<CodeNode>>,
}

pub(in super::super) struct StatesIn {
    pub(in super::super) started: Option<Spanned<String>>,
    pub(in super::super) completed: Option<Spanned<String>>,
    pub(in super::super) cancelled: Option<Spanned<String>>,
}

pub(in super::super) struct ParticipantIn {
    pub(in super::super) url: Option<Spanned<String>>,
    pub(in super::super) safety: Option<Spanned<String>>,
    pub(in super::super) timeout: Option<Spanned<String>>,
    pub(in super::super) connect_timeout: Option<Spanned<String>>,
    pub(in super::super) calls_max: Option<Spanned<u32>>,
    pub(in super::super) answer_bytes_max: Option<Spanned<u32>>,
    pub(in super::super) horizon: Option<Spanned<String>>,
    pub(in super::super) breaker: Option<BreakerIn>,
    pub(in super::super) headers: BTreeMap<String, Spanned<String>>,
    pub(in super::super) auth: Option<Spanned<AuthIn>>,
    pub(in super::super) tls: Option<Spanned<TlsIn>>,
    pub(in super::super) sign: Option<Spanned<bool>>,
    pub(in super::super) effects: Option<Spanned<EffectsIn>>,
}

/// The request that lists a participant's effects.
pub(in super::super) struct EffectsIn {
    pub(in super::super) get: Option<Spanned<String>>,
    pub(in super::super) list: Option<Spanned<String>>,
    pub(in super::super) next: Option<Spanned<String>>,
}

pub(in super::super) struct BreakerIn {
    pub(in super::super) window: Option<Spanned<String>>,
    pub(in super::super) calls_min: Option<Spanned<u32>>,
    pub(in super::super) failures_percent: Option<Spanned<u32>>,
    pub(in super::super) open: Option<Spanned<String>>,
    pub(in super::super) open_max: Option<Spanned<String>>,
}

pub(in super::super) struct StepIn {
    pub(in super::super) step: Option<Spanned<String>>,
    /// `None`: it is missing, or its form is wrong.
    pub(in super::super) after: Option<Vec<Spanned<String>>>,
    pub(in super::super) when: Option<Spanned<String>>,
    pub(in super::super) signal: Option<Spanned<SignalIn>>,
    pub(in super::super) pause: Option<Spanned<String>>,
    pub(in super::super) participant: Option<Spanned<String>>,
    pub(in super::super) action: Option<Spanned<CallIn>>,
    pub(in super::super) compensation: Option<Spanned<CompensationIn>>,
    pub(in super::super) probe: Option<Spanned<ProbeIn>>,
    pub(in super::super) optional: Option<Spanned<bool>>,
    pub(in super::super) pivot: Option<Spanned<bool>>,
    pub(in super::super) success: Option<Spanned<String>>,
    pub(in super::super) failure: Option<Spanned<String>>,
    pub(in super::super) retry: Option<RetryIn>,
    pub(in super::super) persist: Option<RetryIn>,
}

pub(in super::super) struct RetryIn {
    pub(in super::super) attempts: Option<Spanned<u32>>,
    pub(in super::super) base: Option<Spanned<String>>,
    pub(in super::super) cap: Option<Spanned<String>>,
}

#[derive(Default)]
pub(in super::super) struct CallIn {
    /// Each method that is present, with its path.
    pub(in super::super) get: Option<Spanned<String>>,
    pub(in super::super) post: Option<Spanned<String>>,
    pub(in super::super) put: Option<Spanned<String>>,
    pub(in super::super) patch: Option<Spanned<String>>,
    pub(in super::super) delete: Option<Spanned<String>>,
    pub(in super::super) headers: Vec<(String, Spanned<CodeNode>)>,
    pub(in super::super) body: Option<Spanned<CodeNode>>,
    pub(in super::super) form: Option<Spanned<CodeNode>>,
    pub(in super::super) text: Option<Spanned<CodeNode>>,
    pub(in super::super) content_type: Option<Spanned<String>>,
    /// Of a compensation: whether there is anything to undo.
    pub(in super::super) when: Option<Spanned<String>>,
    pub(in super::super) unknown: Option<Spanned<String>>,
    pub(in super::super) pending: Option<Spanned<String>>,
    pub(in super::super) poll: Option<Box<Spanned<PollIn>>>,
    /// `await`, which is a word of the language.
    pub(in super::super) awaited: Option<Spanned<SignalIn>>,
    pub(in super::super) ok: Option<Spanned<String>>,
    pub(in super::super) refused: Option<Spanned<String>>,
    pub(in super::super) absent: Option<Spanned<String>>,
    pub(in super::super) not_sent: Option<Spanned<String>>,
    pub(in super::super) output: Option<Spanned<CodeNode>>,
    /// Whether some of its keys are wrong, which has been reported.
    pub(in super::super) is_mistaken: bool,
}

/// A call that changes nothing, and the time at which it is made.
pub(in super::super) struct ProbeIn {
    pub(in super::super) call: CallIn,
    pub(in super::super) after: Option<Spanned<String>>,
}

/// A call that asks whether an accepted action is done.
pub(in super::super) struct PollIn {
    pub(in super::super) call: CallIn,
    pub(in super::super) every: Option<Spanned<String>>,
    pub(in super::super) within: Option<Spanned<String>>,
}

/// A wait for a signal.
pub(in super::super) struct SignalIn {
    pub(in super::super) name: Option<Spanned<String>>,
    pub(in super::super) within: Option<Spanned<String>>,
    pub(in super::super) ok: Option<Spanned<String>>,
    pub(in super::super) refused: Option<Spanned<String>>,
    pub(in super::super) output: Option<Spanned<CodeNode>>,
}

/// `none`, or a call.
pub(in super::super) enum CompensationIn {
    Word(String),
    Call(Box<CallIn>),
    /// Its form is wrong, which has been reported.
    Mistaken,
}

/// Reads a file and records its mistakes. `None`: the file has no content that could be read.
pub(super) fn read(root: &tree::Node, mut notes: MistakeNotes<'_>) -> Option<File> {
    let NodeKind::Mapping(entries) = &root.kind else {
        let message =
            "a definition is a mapping, lines of the form `key: value`, that begins with `saga: NAME`";
        notes.mistake(root.line, message);
        return None;
    };
    Some(Keys::read(root, entries, "the file".into(), &mut notes, File::read))
}

impl File {
    fn read(keys: &mut Keys<'_, '_>) -> Self {
        let file = Self {
            saga: keys.text("saga"),
            input: InputIn::read(keys),
            labels: keys.texts("labels").into_iter().flatten().filter_map(|(k, v)| Some((k, v?))).collect(),
            states: keys.mapping("states", StatesIn::read).map(|states| states.value),
            deadline: keys.text("deadline"),
            participants: ParticipantIn::read_all(keys),
            steps: StepIn::read_all(keys),
            output: CodeNode::read_at(keys, "output"),
        };
        ["saga", "participants", "steps"].into_iter().for_each(|key| keys.require(key));
        file
    }
}

impl StatesIn {
    fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self {
            started: keys.text("started"),
            completed: keys.text("completed"),
            cancelled: keys.text("cancelled"),
        }
    }
}

impl ParticipantIn {
    fn read_all(keys: &mut Keys<'_, '_>) -> Option<BTreeMap<String, Option<Spanned<Self>>>> {
        let mut participants = BTreeMap::new();
        for KeyValue { key: name, line, value } in keys.names("participants")? {
            let participant = match &value.kind {
                NodeKind::Mapping(entries) => {
                    let place = format!("participant `{}`", shown(name));
                    let value = Keys::read(value, entries, place, keys.notes, Self::read);
                    Some(Spanned { value, line: *line })
                }
                NodeKind::Mistaken => None,
                _ => {
                    let given = keys.notes.text_of(value);
                    let url = if given.contains("://") {
                        given.trim_matches(['"', '\''])
                    } else {
                        "http://host:port"
                    };
                    keys.notes.mistake(
                        *line,
                        format!("participant `{name}` needs a mapping; write `{name}: {{ url: \"{url}\" }}`"),
                    );
                    None
                }
            };
            participants.insert(name.clone(), participant);
        }
        Some(participants)
    }

    fn read(keys: &mut Keys<'_, '_>) -> Self {
        let participant = Self {
            url: keys.text("url"),
            safety: keys.text("safety"),
            timeout: keys.text("timeout"),
            connect_timeout: keys.text("connect_timeout"),
            calls_max: keys.number("calls_max"),
            answer_bytes_max: keys.number("answer_bytes_max"),
            horizon: keys.text("horizon"),
            breaker: keys.mapping("breaker", BreakerIn::read).map(|breaker| breaker.value),
            headers: keys.texts("headers").into_iter().flatten().filter_map(|(k, v)| Some((k, v?))).collect(),
            auth: AuthIn::read_at(keys),
            tls: keys.mapping("tls", TlsIn::read),
            sign: keys.boolean("sign"),
            effects: keys.mapping("effects", EffectsIn::read),
        };
        keys.require("url");
        participant
    }
}

impl EffectsIn {
    fn read(keys: &mut Keys<'_, '_>) -> Self {
        let effects = Self { get: keys.text("get"), list: keys.text("list"), next: keys.text("next") };
        ["get", "list"].into_iter().for_each(|key| keys.require(key));
        effects
    }
}

impl BreakerIn {
    fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self {
            window: keys.text("window"),
            calls_min: keys.number("calls_min"),
            failures_percent: keys.number("failures_percent"),
            open: keys.text("open"),
            open_max: keys.text("open_max"),
        }
    }
}

impl StepIn {
    /// The names of the signals that it takes.
    pub(in super::super) fn signal_names(&self) -> impl Iterator<Item = String> {
        let awaited = self.action.as_ref().and_then(|action| action.value.awaited.as_ref());
        let signals = [self.signal.as_ref(), awaited].into_iter().flatten();
        signals.filter_map(|signal| signal.value.name.as_ref().map(|name| name.value.clone()))
    }

    fn read_all(keys: &mut Keys<'_, '_>) -> Option<Spanned<Vec<Spanned<Self>>>> {
        let node = keys.node("steps")?;
        let NodeKind::List(items) = &node.kind else {
            keys.notes.mistake(node.line, "`steps` needs a list; begin each step with `- step: NAME`");
            return None;
        };
        let steps = items.iter().enumerate().filter_map(|(i, item)| match &item.kind {
            NodeKind::Mapping(entries) => {
                let place = format!("step {}", i + 1);
                let value = Keys::read(item, entries, place, keys.notes, Self::read);
                Some(Spanned { value, line: item.line })
            }
            NodeKind::Mistaken => None,
            _ => {
                keys.notes.mistake(item.line, "a step needs a mapping, which begins with `- step: NAME`");
                None
            }
        });
        let steps = steps.collect();
        Some(Spanned { value: steps, line: node.line })
    }

    fn read(keys: &mut Keys<'_, '_>) -> Self {
        let step = keys.text("step");
        if let Some(name) = &step {
            keys.place = format!("step `{}`", shown(&name.value));
        }
        let step = Self {
            step,
            after: keys.list("after"),
            when: keys.text("when"),
            signal: keys.mapping("signal", |keys| SignalIn::read(keys, "name")),
            pause: keys.text("pause"),
            participant: keys.text("participant"),
            action: CallIn::read_at(keys, "action"),
            compensation: CompensationIn::read(keys),
            probe: ProbeIn::read_at(keys),
            optional: keys.boolean("optional"),
            pivot: keys.boolean("pivot"),
            success: keys.text("success"),
            failure: keys.text("failure"),
            retry: keys.mapping("retry", RetryIn::read).map(|retry| retry.value),
            persist: keys.mapping("persist", RetryIn::read).map(|persist| persist.value),
        };
        keys.require("step");
        if step.signal.is_none() && step.pause.is_none() && !keys.has("signal") && !keys.has("pause") {
            ["participant", "action"].into_iter().for_each(|key| keys.require(key));
        }
        step
    }
}

impl RetryIn {
    fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self { attempts: keys.number("attempts"), base: keys.text("base"), cap: keys.text("cap") }
    }
}

impl CallIn {
    fn read_at(keys: &mut Keys<'_, '_>, key: &'static str) -> Option<Spanned<Self>> {
        let told = keys.notes.mistakes.len();
        let mut call = keys.mapping(key, Self::read)?;
        call.value.is_mistaken = keys.notes.mistakes.len() > told;
        Some(call)
    }

    fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self {
            get: keys.text("get"),
            post: keys.text("post"),
            put: keys.text("put"),
            patch: keys.text("patch"),
            delete: keys.text("delete"),
            headers: CodeNode::read_members(keys, "headers"),
            body: CodeNode::read_at(keys, "body"),
            form: CodeNode::read_at(keys, "form"),
            text: CodeNode::read_at(keys, "text"),
            content_type: keys.text("content_type"),
            when: keys.text("when"),
            unknown: keys.text("unknown"),
            pending: keys.text("pending"),
            poll: PollIn::read_at(keys).map(Box::new),
            awaited: keys.mapping("await", |keys| SignalIn::read(keys, "signal")),
            ok: keys.text("ok"),
            refused: keys.text("refused"),
            absent: keys.text("absent"),
            not_sent: keys.text("not_sent"),
            output: CodeNode::read_at(keys, "output"),
            is_mistaken: false,
        }
    }
}

impl CallIn {
    /// A call that changes nothing, with the meanings of its answers.
    fn read_question(keys: &mut Keys<'_, '_>) -> Self {
        Self {
            get: keys.text("get"),
            headers: CodeNode::read_members(keys, "headers"),
            ok: keys.text("ok"),
            refused: keys.text("refused"),
            output: CodeNode::read_at(keys, "output"),
            ..Self::default()
        }
    }
}

impl ProbeIn {
    fn read_at(keys: &mut Keys<'_, '_>) -> Option<Spanned<Self>> {
        let told = keys.notes.mistakes.len();
        let mut probe = keys.mapping("probe", Self::read)?;
        probe.value.call.is_mistaken = keys.notes.mistakes.len() > told;
        Some(probe)
    }

    fn read(keys: &mut Keys<'_, '_>) -> Self {
        let call = CallIn { not_sent: keys.text("not_sent"), ..CallIn::read_question(keys) };
        let probe = Self { call, after: keys.text("after") };
        keys.require("get");
        probe
    }
}

impl PollIn {
    fn read_at(keys: &mut Keys<'_, '_>) -> Option<Spanned<Self>> {
        let told = keys.notes.mistakes.len();
        let mut poll = keys.mapping("poll", Self::read)?;
        poll.value.call.is_mistaken = keys.notes.mistakes.len() > told;
        Some(poll)
    }

    fn read(keys: &mut Keys<'_, '_>) -> Self {
        let call = CallIn::read_question(keys);
        let poll = Self { call, every: keys.text("every"), within: keys.text("within") };
        keys.require("get");
        poll
    }
}

impl SignalIn {
    /// `name` is the key of the signal's name.
    fn read(keys: &mut Keys<'_, '_>, name: &'static str) -> Self {
        let signal = Self {
            name: keys.text(name),
            within: keys.text("within"),
            ok: keys.text("ok"),
            refused: keys.text("refused"),
            output: CodeNode::read_at(keys, "output"),
        };
        [name, "within"].into_iter().for_each(|key| keys.require(key));
        signal
    }
}

impl CompensationIn {
    fn read(keys: &mut Keys<'_, '_>) -> Option<Spanned<Self>> {
        let node = keys.node("compensation")?;
        let value = match &node.kind {
            NodeKind::Scalar { text, .. } if is_word(text) => Self::Word(text.clone()),
            // `mapping` reports the mistake of a value that is not a mapping.
            _ => match CallIn::read_at(keys, "compensation") {
                Some(call) => Self::Call(Box::new(call.value)),
                None => Self::Mistaken,
            },
        };
        Some(Spanned { value, line: node.line })
    }
}

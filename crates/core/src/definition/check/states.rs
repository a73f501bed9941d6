//! The order's states. Each has one meaning, because callers and operators read only the state.

use std::collections::HashMap;

use super::super::States;
use super::super::yaml::{File, Spanned, StatesIn, StepIn};
use super::{Checker, line};

/// The states of a definition that does not name its own.
const STARTED: &str = "STARTED";
const COMPLETED: &str = "COMPLETED";
const CANCELLED: &str = "CANCELLED";
/// The state after the failure of a step that does not name its own.
pub(super) const FAILED: &str = "FAILED";

/// The meaning of a state.
#[derive(Clone, PartialEq, Eq)]
enum StateMeaning<'f> {
    Started,
    Completed,
    Cancelled,
    /// This step, by its index, has succeeded.
    Succeeded(usize, &'f str),
    /// A step has failed. Several steps may share the state; the history shows which step it was.
    Failed,
}

impl StateMeaning<'_> {
    fn text(&self) -> String {
        match self {
            Self::Started => "`states.started`".into(),
            Self::Completed => "`states.completed`".into(),
            Self::Cancelled => "`states.cancelled`".into(),
            Self::Succeeded(_, step) => format!("the success of step `{step}`"),
            Self::Failed => "a step's failure".into(),
        }
    }

    /// The key that names it.
    fn key(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Succeeded(..) => "success",
            Self::Failed => "failure",
        }
    }
}

impl Checker<'_> {
    /// The states that belong to no single step.
    pub(super) fn states(&mut self, given: Option<&StatesIn>) -> States {
        let mut state = |given: Option<&Spanned<String>>, default: &str| {
            given.map_or_else(|| default.into(), |state| self.state(state))
        };
        States {
            started: state(given.and_then(|states| states.started.as_ref()), STARTED),
            completed: state(given.and_then(|states| states.completed.as_ref()), COMPLETED),
            cancelled: state(given.and_then(|states| states.cancelled.as_ref()), CANCELLED),
        }
    }

    /// Refuses a state with two meanings: an order that was refused must not read as confirmed.
    pub(super) fn meanings(&mut self, file: &File) {
        let mut known: HashMap<&str, StateMeaning<'_>> = HashMap::new();
        for Named { state, at, meaning, is_default } in named(file) {
            match known.get(state) {
                Some(first) if *first != meaning => {
                    let (first, second) = (first.text(), meaning.text());
                    let message = match is_default {
                        false => format!(
                            "the state `{state}` means {first} already, and cannot be {second} as well; give it a name of its own"
                        ),
                        true => format!(
                            "the state `{state}` means {first} already, and would be {second} as well, which has no name of its own; \
                             give it one: `{}: NAME`",
                            meaning.key()
                        ),
                    };
                    self.mistake_since_two(at, message);
                }
                Some(_) => {}
                None => drop(known.insert(state, meaning)),
            }
        }
    }
}

/// A state as a file names it, or as its default does.
struct Named<'f> {
    state: &'f str,
    at: usize,
    meaning: StateMeaning<'f>,
    is_default: bool,
}

/// All states with their meanings, those that the file names first: a mistake is reported where its author can correct it.
fn named(file: &File) -> Vec<Named<'_>> {
    let top = file.saga.as_ref().map_or(1, line);
    let states = file.states.as_ref();
    let mut found = vec![
        Named::of(states.and_then(|states| states.started.as_ref()), (STARTED, top), StateMeaning::Started),
        Named::of(
            states.and_then(|states| states.completed.as_ref()),
            (COMPLETED, top),
            StateMeaning::Completed,
        ),
        Named::of(
            states.and_then(|states| states.cancelled.as_ref()),
            (CANCELLED, top),
            StateMeaning::Cancelled,
        ),
    ];
    for (index, step) in file.steps.iter().flat_map(|steps| &steps.value).enumerate() {
        let StepIn { step: name, success, failure, .. } = &step.value;
        let at = name.as_ref().map_or(step.line, line);
        let name = name.as_ref().map_or("", |name| &name.value);
        if let Some(success) = success {
            found.push(Named::of(Some(success), ("", at), StateMeaning::Succeeded(index, name)));
        }
        found.push(Named::of(failure.as_ref(), (FAILED, at), StateMeaning::Failed));
    }
    found.sort_by_key(|named| named.is_default);
    found
}

impl<'f> Named<'f> {
    /// The state that the file gives, or else the default, for which its mistakes are reported at this line.
    fn of(given: Option<&'f Spanned<String>>, default: (&'f str, usize), meaning: StateMeaning<'f>) -> Self {
        let (state, at) = given.map_or(default, |given| (given.value.as_str(), line(given)));
        Self { state, at, meaning, is_default: given.is_none() }
    }
}

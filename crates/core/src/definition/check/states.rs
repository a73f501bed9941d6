//! The order's states. Each has one meaning, because callers and operators read only the state.

use std::collections::HashMap;

use super::super::yaml::{File, Spanned};
use super::{Checker, line};

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
}

impl Checker<'_> {
    /// Refuses a state with two meanings: an order that was refused must not read as confirmed.
    pub(super) fn meanings<'f>(&mut self, file: &'f File) {
        let mut states: Vec<(&Spanned<String>, StateMeaning<'_>)> = Vec::new();
        let mut add = |state: &'f Option<Spanned<String>>, meaning: StateMeaning<'f>| {
            states.extend(state.as_ref().map(|state| (state, meaning)));
        };
        if let Some(given) = &file.states {
            add(&given.started, StateMeaning::Started);
            add(&given.completed, StateMeaning::Completed);
            add(&given.cancelled, StateMeaning::Cancelled);
        }
        for (index, step) in file.steps.iter().flat_map(|steps| &steps.value).enumerate() {
            let name = step.value.step.as_ref().map_or("", |step| &step.value);
            add(&step.value.success, StateMeaning::Succeeded(index, name));
            add(&step.value.failure, StateMeaning::Failed);
        }
        let mut known: HashMap<&str, StateMeaning<'_>> = HashMap::new();
        for (state, meaning) in states {
            match known.get(state.value.as_str()) {
                Some(first) if *first != meaning => {
                    let message = format!(
                        "the state `{}` means {} already, and cannot be {} as well; give it a name of its own",
                        state.value,
                        first.text(),
                        meaning.text()
                    );
                    self.mistake_since_two(line(state), message);
                }
                Some(_) => {}
                None => drop(known.insert(&state.value, meaning)),
            }
        }
    }
}

//! The query of a saga's page: the address is the view.

use saga_core::CommandId;
use saga_core::event::Finding;
use strum::{EnumString, IntoStaticStr};

use crate::shown::in_address;

/// An action on one saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SagaAct {
    /// Try now.
    Resume,
    /// Say what happened.
    Resolve,
    /// Cancel.
    Cancel,
    /// Send a signal.
    Signal,
}

impl SagaAct {
    /// All of them, in the order of the tabs.
    pub const ALL: [Self; 4] = [Self::Resume, Self::Resolve, Self::Signal, Self::Cancel];

    pub(crate) fn word(self) -> &'static str {
        self.into()
    }
}

/// What of a saga is shown, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SagaView {
    /// The timeline is to scale, and nothing of it folded.
    pub to_scale: bool,
    /// Alike attempts are not folded.
    pub unfolded: bool,
    /// Failed attempts only.
    pub failed: bool,
    /// Rows before the one with this number.
    pub before: Option<u64>,
    /// The tab.
    pub act: Option<SagaAct>,
    /// The command that was just given: its result is shown.
    pub given: Option<CommandId>,
}

impl SagaView {
    /// From the names and values of a query. What it does not know, or cannot read, is as if it were not there.
    pub fn read<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut view = Self::default();
        for (name, value) in pairs {
            match name {
                "scale" => view.to_scale = value == "true",
                "alike" => view.unfolded = value == "all",
                "failed" => view.failed = value == "true",
                "before" => view.before = value.parse().ok(),
                "act" => view.act = value.parse().ok(),
                "given" => view.given = value.parse().ok(),
                _ => {}
            }
        }
        view
    }

    /// The query of the view, with its question mark. The result of a command is shown once.
    pub(crate) fn query(self) -> String {
        let mut query = String::new();
        let mut add = |name: &str, value: String| {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(&format!("{name}={}", in_address(&value)));
        };
        if let Some(act) = self.act {
            add("act", act.word().to_owned());
        }
        if self.to_scale {
            add("scale", "true".to_owned());
        }
        if self.unfolded {
            add("alike", "all".to_owned());
        }
        if self.failed {
            add("failed", "true".to_owned());
        }
        if let Some(before) = self.before {
            add("before", before.to_string());
        }
        query
    }
}

/// The values that somebody has typed into a form of a saga's page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypedAct {
    /// The name of the person who asks, where callers have no names.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What became of the step.
    pub finding: Option<Finding>,
    /// The output that the action's answer would have given.
    pub output: String,
    /// The name of a signal.
    pub signal: String,
    /// The signal's content.
    pub body: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_view() {
        let view = SagaView {
            to_scale: true,
            unfolded: true,
            failed: true,
            before: Some(7),
            act: Some(SagaAct::Resolve),
            given: None,
        };
        let query = view.query();
        assert_eq!(query, "?act=resolve&scale=true&alike=all&failed=true&before=7");
        let pairs: Vec<(&str, &str)> =
            query[1..].split('&').filter_map(|pair| pair.split_once('=')).collect();
        assert_eq!(SagaView::read(pairs), view);
        assert_eq!(SagaView::read([("act", "explode"), ("before", "-1"), ("x", "y")]), SagaView::default());
        assert_eq!(SagaView::default().query(), "");
    }
}

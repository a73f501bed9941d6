//! What a participant lists when it is asked for its effects (`effects` in a definition).

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::definition::{EffectsListing, EvalError, Template};
use crate::id::{SagaId, Timestamp};
use crate::json::Json;
use crate::printable::printable;
use crate::reply::{Answer, REASON_BYTES_MAX, output_scope};

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectsPage {
    /// In the order of the answer.
    pub effects: Vec<ListedEffect>,
    /// Items of the answer that are about no saga.
    pub of_others: usize,
    /// What the next page begins after; `None`: this was the last one.
    pub next: Option<Json>,
}

/// An effect that a participant has had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEffect {
    /// The saga whose call had it.
    pub saga: SagaId,
    /// The name of the step.
    pub step: Box<str>,
    /// Whether it was the step's action, or undid it.
    pub kind: EffectKind,
    /// When.
    pub at: Option<Timestamp>,
    /// What it was, for a person.
    pub about: Option<Box<str>>,
}

/// What an effect did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// The step's action.
    Action,
    /// Undid it.
    Compensation,
}

/// Why a page cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadablePage {
    /// The answer has another status than 200.
    #[error("HTTP {0}")]
    Status(u16),
    /// An expression failed.
    #[error("`{key}`: {error}")]
    Expression {
        /// Which.
        key: &'static str,
        /// Why.
        error: EvalError,
    },
    /// `list` gave something else than effects.
    #[error(
        "`list` gives {what}; it gives an array of objects with the members saga_id, step, direction (action or compensation), and \
         perhaps at and about"
    )]
    Form {
        /// What it gave.
        what: String,
    },
}

/// An item as `list` gives it. Other members are passed over.
#[derive(Deserialize)]
struct Item<'a> {
    saga_id: Option<Box<str>>,
    step: Option<Box<str>>,
    direction: Option<EffectKind>,
    at: Option<Box<str>>,
    #[serde(borrow)]
    about: Option<&'a RawValue>,
}

impl EffectsListing {
    /// The effects in an answer.
    pub fn read(&self, answer: &Answer) -> Result<EffectsPage, UnreadablePage> {
        if answer.status != 200 {
            return Err(UnreadablePage::Status(answer.status));
        }
        let value = |key: &'static str, template: &Template| {
            output_scope(answer)
                .and_then(|scope| template.render(&scope))
                .map_err(|error| UnreadablePage::Expression { key, error })
        };
        let listed = value("list", &self.list)?;
        let no_list = |error: serde_json::Error| UnreadablePage::Form { what: error.to_string() };
        let items: Vec<&RawValue> = serde_json::from_str(listed.text()).map_err(no_list)?;
        let mut page = EffectsPage { effects: Vec::with_capacity(items.len()), of_others: 0, next: None };
        for (place, item) in items.into_iter().enumerate() {
            match effect(item)
                .map_err(|what| UnreadablePage::Form { what: format!("in item {place} {what}") })?
            {
                Some(effect) => page.effects.push(effect),
                None => page.of_others += 1,
            }
        }
        let next = self.next.as_ref().map(|next| value("next", next)).transpose()?;
        page.next = next.filter(|next| next.text() != "null");
        Ok(page)
    }
}

/// `None`: it is about no saga.
fn effect(item: &RawValue) -> Result<Option<ListedEffect>, String> {
    let item: Item<'_> = serde_json::from_str(item.get()).map_err(|error| error.to_string())?;
    let Some(saga) = item.saga_id.as_deref().and_then(|saga| saga.parse::<Uuid>().ok()) else {
        return Ok(None);
    };
    let step = item.step.ok_or("no step")?;
    let kind = item.direction.ok_or("no direction")?;
    let at = match item.at.as_deref() {
        None => None,
        Some(at) => Some(Timestamp::from_rfc3339(at).ok_or_else(|| {
            format!("`at` is `{}`, and no time of RFC 3339", printable(at, REASON_BYTES_MAX))
        })?),
    };
    let about = item.about.map(RawValue::get).filter(|about| *about != "null");
    let about = about.map(|about| match serde_json::from_str::<String>(about) {
        Ok(text) => printable(&text, REASON_BYTES_MAX),
        Err(_) => printable(about, REASON_BYTES_MAX),
    });
    Ok(Some(ListedEffect { saga: SagaId::new(saga), step, kind, at, about }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(list: &str) -> EffectsListing {
        EffectsListing::of(list)
    }

    fn answer(body: &str) -> Answer {
        Answer { status: 200, body: body.into(), ..Answer::default() }
    }

    const LIST: &str = "[.body[] | {saga_id, step, direction, at, about: .montant}]";

    #[test]
    fn a_page_has_effects_of_sagas_and_where_the_next_one_begins() {
        let body = r#"[
            {"seq": 7, "saga_id": "00000000-0000-0000-0000-000000000007", "step": "stock", "direction": "action",
             "at": "2026-11-30T10:00:00Z", "montant": 12.50},
            {"seq": 8, "saga_id": null, "step": null, "direction": "action"},
            {"seq": 9, "saga_id": "order-9", "direction": "action"},
            {"seq": 10, "saga_id": "00000000-0000-0000-0000-000000000007", "step": "stock", "direction": "compensation"}]"#;
        let page = listing(LIST).read(&answer(body)).unwrap();
        let effect = |kind, at, about: Option<&str>| ListedEffect {
            saga: SagaId::new(Uuid::from_u128(7)),
            step: "stock".into(),
            kind,
            at,
            about: about.map(Into::into),
        };
        let at = Timestamp::from_rfc3339("2026-11-30T10:00:00Z");
        let expected =
            [effect(EffectKind::Action, at, Some("12.50")), effect(EffectKind::Compensation, None, None)];
        assert_eq!((&page.effects[..], page.of_others), (&expected[..], 2));
        let next = page.next.unwrap();
        assert_eq!(listing(LIST).path_after(Some(&next)).unwrap(), "/ledger?after=10&limit=2");
        assert_eq!(listing(LIST).path_after(None).unwrap(), "/ledger?after=0&limit=2");
        let empty = listing(LIST).read(&answer("[]")).unwrap();
        assert_eq!(empty, EffectsPage { effects: vec![], of_others: 0, next: None });
    }

    #[test]
    fn what_is_no_page_says_why() {
        let saga = "00000000-0000-0000-0000-000000000007";
        for (list, body, why) in [
            (LIST, "no JSON", "`list`: the body is not JSON"),
            (LIST, "7", "`list`: "),
            (".body", "7", "`list` gives invalid type"),
            (".body", "{}", "`list` gives invalid type"),
            (".body", "[7]", "in item 0 invalid type"),
            (".body", r#"[{"saga_id": null}, {"saga_id": 7}]"#, "in item 1 invalid type"),
            ("[{saga_id: .body, step: \"s\"}]", &format!("\"{saga}\""), "in item 0 no direction"),
            ("[{saga_id: .body, direction: \"action\"}]", &format!("\"{saga}\""), "in item 0 no step"),
            (
                "[{saga_id: .body, step: \"s\", direction: \"undo\"}]",
                &format!("\"{saga}\""),
                "unknown variant `undo`",
            ),
            (
                "[{saga_id: .body, step: \"s\", direction: \"action\", at: \"today\"}]",
                &format!("\"{saga}\""),
                "`at` is `today`",
            ),
        ] {
            let told = listing(list).read(&answer(body)).unwrap_err().to_string();
            assert!(told.contains(why), "{list} of {body}: {told}");
        }
        let told = listing(LIST).read(&Answer { status: 503, ..answer("[]") }).unwrap_err();
        assert_eq!(told, UnreadablePage::Status(503));
    }
}

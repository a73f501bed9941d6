//! Where a saga is called back: the addresses that its requests send, and the name that a token is for.

use super::Saga;
use crate::callback::{CallbackToken, without_tokens};
use crate::event::{Event, Record};
use crate::id::SagaId;

impl Saga {
    /// The name of the signal that `token` may send; `None`: it may send none.
    pub fn called_back(&self, token: &CallbackToken) -> Option<&str> {
        let callbacks = self.callbacks.as_ref()?;
        self.definition.signal_names().find(|name| callbacks.token(self.id, name) == *token)
    }

    /// `.callbacks`, as JSON: an address for each name; `None`: the saga is not called back. Hidden, no signal can be sent to them.
    pub(super) fn callback_addresses(&self, hidden: bool) -> Option<String> {
        let callbacks = self.callbacks.as_ref()?;
        Some(callbacks.addresses(self.id, self.definition.signal_names(), hidden))
    }

    /// `text` without proofs of the saga's tokens.
    pub(crate) fn without_proofs(&self, text: &str) -> String {
        let names = self.definition.signal_names();
        self.callbacks.as_ref().map_or_else(|| text.to_owned(), |callbacks| callbacks.hidden_in(text, names))
    }

    /// `event` without addresses of callbacks in its reason, which is shown and logged: services and errors of expressions repeat
    /// what they were given.
    pub(super) fn without_addresses(&self, mut event: Event) -> Event {
        if let (Some(callbacks), Some(reason)) = (&self.callbacks, event.reason_mut()) {
            *reason = callbacks.hidden_in(reason, self.definition.signal_names()).into();
        }
        event
    }
}

impl Record {
    /// The event as the journal keeps it, as JSON, without the secrets with which signals can be sent to its saga: that of its callbacks,
    /// and tokens that services have repeated. Of a saga that can be read, `saga` also hides proofs without an id before them.
    pub fn text_without_secrets(&self, id: SagaId, saga: Option<&Saga>) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string(self)?;
        if let Event::Started { callbacks: Some(callbacks), .. } = &self.event {
            text = callbacks.without_secret(&text);
        }
        let text = without_tokens(&text, id);
        Ok(saga.map_or_else(|| text.clone(), |saga| saga.without_proofs(&text)))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::callback::{CallbackSecret, Callbacks};
    use crate::definition::{DefinitionHash, Labels};
    use crate::id::{Claim, Epoch, Timestamp};
    use crate::json::Json;

    #[test]
    fn an_event_s_text_has_no_secret_of_a_callback() {
        let id = SagaId::new(Uuid::from_u128(7));
        let callbacks =
            Callbacks::new("https://shop.example/cb".into(), CallbackSecret::drawn(0x0123_4567_89ab_cdef));
        let token = callbacks.token(id, "paid").to_string();
        let event = Event::Started {
            definition: DefinitionHash::new("h"),
            input: Json::of(&format!("{token} {id}")).unwrap(),
            labels: Labels::default(),
            callbacks: Some(callbacks),
            deadline: Timestamp::from_micros(0),
            claim: Claim::drawn(0),
            epoch: Epoch::FIRST,
            trace: None,
        };
        let record = Record { at: Timestamp::from_micros(0), state: None, command: None, by: None, event };
        let kept = serde_json::to_string(&record).unwrap();
        assert!(kept.contains("0123456789abcdef") && kept.contains(&token));
        let shown = record.text_without_secrets(id, None).unwrap();
        assert!(!shown.contains("0123456789abcdef") && !shown.contains(&token[32..]), "{shown}");
        assert!(shown.contains("https://shop.example/cb") && shown.contains(&id.to_string()));
    }
}

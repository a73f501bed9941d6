//! Where a saga is called back: the addresses that its requests send, and the name that a token is for.

use super::Saga;
use crate::callback::CallbackToken;
use crate::event::Event;

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

    /// `event` without addresses of callbacks in its reason, which is shown and logged: services and errors of expressions repeat
    /// what they were given.
    pub(super) fn without_addresses(&self, mut event: Event) -> Event {
        if let (Some(callbacks), Some(reason)) = (&self.callbacks, event.reason_mut()) {
            *reason = callbacks.hidden_in(reason, self.definition.signal_names()).into();
        }
        event
    }
}

//! The address of the inbox: which cause is open, in which order the causes are, of which definition.

use form_urlencoded::Serializer;
use strum::{EnumString, IntoStaticStr};

/// Where the inbox is.
pub const INBOX: &str = "/console/inbox";

/// The order of the causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CauseOrder {
    /// The cause that has waited for longest first.
    #[default]
    Oldest,
    /// The most money at stake first.
    Money,
    /// The most sagas first.
    Sagas,
}

/// The view that an address names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboxView {
    /// The key of the cause that is open; `None`: the first one.
    pub group: Option<String>,
    /// The order of the causes.
    pub order: CauseOrder,
    /// The name of a definition.
    pub definition: Option<String>,
    /// The place among the cause's sagas where the page begins.
    pub after: Option<String>,
}

impl InboxView {
    /// The address.
    pub fn address(&self) -> String {
        self.with_action(None)
    }

    /// The address that shows an action beside it.
    pub fn with_action(&self, action: Option<&str>) -> String {
        let order = (self.order != CauseOrder::default()).then(|| self.order.into());
        let pairs = [
            ("group", self.group.as_deref()),
            ("order", order),
            ("definition", self.definition.as_deref()),
            ("after", self.after.as_deref()),
            ("action", action),
        ];
        let pairs: Vec<_> = pairs.iter().filter_map(|(name, value)| Some((name, (*value)?))).collect();
        if pairs.is_empty() {
            return INBOX.to_owned();
        }
        format!("{INBOX}?{}", Serializer::new(String::new()).extend_pairs(pairs).finish())
    }

    /// The same view of a cause.
    pub(crate) fn of_group(&self, group: &str) -> Self {
        Self { group: Some(group.to_owned()), after: None, ..self.clone() }
    }

    /// The page of the cause's sagas that begins behind a place.
    pub(crate) fn behind(&self, after: Option<String>) -> Self {
        Self { after, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_has_an_address() {
        assert_eq!(InboxView::default().address(), "/console/inbox");
        let view =
            InboxView { order: CauseOrder::Money, definition: Some("a&b".into()), ..Default::default() };
        assert_eq!(
            view.of_group("1:client|paiement|x|9").with_action(Some("7")),
            "/console/inbox?group=1%3Aclient%7Cpaiement%7Cx%7C9&order=money&definition=a%26b&action=7"
        );
    }
}

//! The filters of the list of sagas, as its address has them: the names are those of `GET /api/sagas`, and `family`.

use form_urlencoded::Serializer;
use saga_journal::StateFamily;

/// Where the list is.
pub const LIST: &str = "/console/sagas";
/// The family of the sagas' states.
pub const FAMILY: &str = "family";
/// What the name of a filter by a label begins with.
pub const LABEL: &str = "label.";
/// The form's fields for a label: its name, and its value.
pub(crate) const LABEL_FIELDS: [&str; 2] = ["label_name", "label_value"];
/// Bytes of a filter's name and value in a row's links.
const LINK_BYTES_MAX: usize = 1_024;
/// The place in the list where a page begins.
const CURSOR: &str = "cursor";
/// Sagas in a page.
const LIMIT: &str = "limit";

/// The filters of an address, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilters(Vec<(String, String)>);

impl ListFilters {
    /// Those of a query: neither the place nor the size of the page is one.
    pub fn of(pairs: &[(String, String)]) -> Self {
        let is_filter = |(name, _): &&(String, String)| ![CURSOR, LIMIT].contains(&name.as_str());
        Self(pairs.iter().filter(is_filter).cloned().collect())
    }

    /// The filters that a form has sent, if they are not written as an address has them: fields that were left empty are in it, and a label's
    /// name and value in two fields.
    pub fn of_form(pairs: &[(String, String)]) -> Option<Self> {
        let field = |wanted: &str| {
            let given = pairs.iter().find(|(name, _)| name == wanted);
            given.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
        };
        let is_form =
            |(name, value): &(String, String)| value.is_empty() || LABEL_FIELDS.contains(&name.as_str());
        if !pairs.iter().any(is_form) {
            return None;
        }
        let kept: Vec<_> = pairs.iter().filter(|pair| !is_form(pair)).cloned().collect();
        let filters = Self::of(&kept);
        Some(match (field(LABEL_FIELDS[0]), field(LABEL_FIELDS[1])) {
            (Some(name), Some(value)) => filters.with(&format!("{LABEL}{name}"), value),
            _ => filters,
        })
    }

    /// This filter alone.
    pub fn one(name: &str, value: &str) -> Self {
        Self::default().with(name, value)
    }

    /// The list with this filter alone. A value that is longer than any that a journal keeps is none: it must not make a page long.
    pub(crate) fn link(name: &str, value: &str) -> String {
        if name.len() + value.len() > LINK_BYTES_MAX {
            return LIST.to_owned();
        }
        Self::one(name, value).address()
    }

    /// With this filter, in the place of one of the same name.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut with = self.without(name);
        with.0.push((name.to_owned(), value.to_owned()));
        with
    }

    #[must_use]
    fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(other, _)| other != name).cloned().collect())
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn has_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// The list's first page with these filters.
    pub fn address(&self) -> String {
        self.written(&[])
    }

    /// The page of the list that begins at a place.
    pub(crate) fn page(&self, cursor: &str) -> String {
        self.written(&[(CURSOR, cursor)])
    }

    fn written(&self, more: &[(&str, &str)]) -> String {
        if self.0.is_empty() && more.is_empty() {
            return LIST.to_owned();
        }
        format!("{LIST}?{}", Serializer::new(String::new()).extend_pairs(&self.0).extend_pairs(more).finish())
    }

    /// The same list of one family, or of all.
    pub(crate) fn of_family(&self, family: Option<StateFamily>) -> Self {
        match family {
            None => self.without(FAMILY),
            Some(family) => self.with(FAMILY, family.into()),
        }
    }

    /// Every filter but the family, with the address of the list without it.
    pub(crate) fn removable(&self) -> impl Iterator<Item = (&str, &str, String)> {
        let others = self.0.iter().filter(|(name, _)| name != FAMILY);
        others.map(|(name, value)| (name.as_str(), value.as_str(), self.without(name).address()))
    }

    /// The filters without a field of their own in the form, which keeps them.
    pub(crate) fn without_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let has_field = |name: &str| ["saga", "waiting", "waiting_longer"].contains(&name);
        self.0
            .iter()
            .filter(move |(name, _)| !has_field(name))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_empty_fields_are_no_filters() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let sent =
            pairs(&[("saga", ""), ("waiting", "retry"), ("label_name", "client_id"), ("label_value", " 7 ")]);
        let filters = ListFilters::of_form(&sent).unwrap();
        assert_eq!(filters.address(), "/console/sagas?waiting=retry&label.client_id=7");
        let half = ListFilters::of_form(&pairs(&[("label_name", "client_id"), ("label_value", "")])).unwrap();
        assert_eq!(half.address(), LIST);
        assert_eq!(ListFilters::of_form(&pairs(&[("step", "vente"), ("cursor", "1.x")])), None);
    }

    #[test]
    fn an_address_says_the_view() {
        let pairs: Vec<(String, String)> = [
            ("step", "vente"),
            ("label.client_id", "a b&c"),
            ("cursor", "1.x"),
            ("limit", "9"),
            ("family", "failed"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let filters = ListFilters::of(&pairs);
        assert_eq!(filters.address(), "/console/sagas?step=vente&label.client_id=a+b%26c&family=failed");
        let removable: Vec<_> = filters.removable().collect();
        assert_eq!(
            removable[0],
            ("step", "vente", "/console/sagas?label.client_id=a+b%26c&family=failed".into())
        );
        assert_eq!(removable.len(), 2);
        assert_eq!(
            filters.of_family(None).page("7"),
            "/console/sagas?step=vente&label.client_id=a+b%26c&cursor=7"
        );
        assert_eq!(ListFilters::default().address(), LIST);
        assert_eq!(
            filters.of_family(Some(StateFamily::Person)).value(FAMILY),
            Some("person"),
            "one family at a time"
        );
    }
}

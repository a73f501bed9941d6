//! The rows by which a saga that is taken away was found.

use std::borrow::Cow;

use saga_core::SagaId;

use crate::Forgotten;
use crate::columns::text;
use crate::frame::position;

/// A row of `saga_label`.
pub(crate) struct ForgottenLabel<'f> {
    pub(crate) name: Cow<'f, str>,
    pub(crate) value: String,
    pub(crate) created_us: i64,
    pub(crate) saga: &'f SagaId,
}

/// A row of `saga_deed`.
pub(crate) struct ForgottenDeed<'f> {
    pub(crate) name: Cow<'f, str>,
    pub(crate) at_us: i64,
    pub(crate) seq: i64,
    pub(crate) saga: &'f SagaId,
}

/// The labels of a saga.
pub(crate) fn labels(of: &Forgotten) -> impl Iterator<Item = ForgottenLabel<'_>> {
    of.labels.iter().map(|(name, label)| ForgottenLabel {
        name: text(name),
        value: text(&label.to_string()).into_owned(),
        created_us: of.created.as_micros(),
        saga: &of.saga,
    })
}

/// The deeds that were done to it.
pub(crate) fn deeds(of: &Forgotten) -> impl Iterator<Item = ForgottenDeed<'_>> {
    of.deeds.iter().map(|(name, at, seq)| ForgottenDeed {
        name: text(name),
        at_us: at.as_micros(),
        seq: position(seq.get()),
        saga: &of.saga,
    })
}
